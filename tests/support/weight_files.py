"""Writes a VGG's weights as other programs do, from values by the network's own names."""

import h5py
import numpy as np

from estimator_lab.core.params import resolve
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.models.vgg import MODEL
from estimator_lab.runs.weights.matching import shapes_of_variables
from estimator_lab.tf1 import tf


def random_values(seed=1, **params):
    """Returns values for all variables of a VGG with these parameters, float32, by name."""
    rng = np.random.default_rng(seed)
    reader = ImageReader(ImageOptions(ImageShape(*params['image_shape'])))
    shapes = shapes_of_variables(MODEL, resolve(MODEL.params, params), reader)
    return {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}


def write_slim(path, values):
    """Writes a bare checkpoint, as tf-slim's Saver does."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.get_variable(name, initializer=value) for name, value in values.items()]
        others = [tf.get_variable('mean_rgb', [3]), tf.get_variable('global_step', [], tf.int64)]
        session.run(tf.global_variables_initializer())
        tf.train.Saver([*variables, *others]).save(session, str(path), write_meta_graph=False)


def write_keras_2(path, values):
    """`model.save_weights('x.h5')` of Keras 2: layers by name."""
    _write(path, values, lambda layer, part: f'{layer}/{layer}/{("kernel", "bias")[part]}:0')


def _write(path, values, path_of):
    with h5py.File(path, 'w') as file:
        for name, value in values.items():
            layer, part = _in_keras(name)
            if layer.startswith('block1_conv1') and value.ndim == 4:
                value = value[:, :, ::-1]  # blue first
            if not layer.startswith('block') and value.ndim == 4:
                value = value.reshape(-1, value.shape[3])
            file.create_dataset(path_of(layer, part), data=value)


def _in_keras(name):
    """'vgg_16/conv1/conv1_2/biases' -> ('block1_conv2', 1)."""
    _, *middle, kind = name.split('/')
    layer = middle[-1].replace('conv', 'block').replace('_', '_conv')
    layer = {'fc6': 'fc1', 'fc7': 'fc2', 'fc8': 'predictions'}.get(layer, layer)
    return layer, ('weights', 'biases').index(kind)
