"""Regenerates tf115_checkpoint/: a checkpoint of the notes' network by real TensorFlow 1.15.5.

    python3.7 -m pip install tensorflow==1.15.5 'protobuf<3.21' numpy
    python3.7 tests/golden/remake_tf115_checkpoint.py tests/golden/tf115_checkpoint

The network is scaled down to 2 filters, 4 dense units and 16 x 16 pixels; dropout is off. An Estimator makes
three steps with momentum (0.9, rate 0.05) on two pictures made by formula; figures.json then has the logits
of both, there and after one step more, and the names of all variables.

    python3.7 tests/golden/remake_tf115_checkpoint.py FOLDER [--document] [--read]

--document uses the sizes of the notes: 128 x 128 pixels, 32 filters, 1,024 units; 270 MB. With --read
nothing is trained: the checkpoint in FOLDER is read, and its logits are printed. The
script also runs under `estimator_lab.tf1`, so that both sides run the same lines.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

try:
    from estimator_lab.tf1 import tf
except ImportError:  # real TensorFlow 1.15
    import tensorflow as tf

STEPS = 3
SMALL = {'side': 16, 'filters': 2, 'units': 4}
DOCUMENT = {'side': 128, 'filters': 32, 'units': 1024}


def pictures(side):
    """Returns float32 [2, side, side, 1] in [0, 1] and their labels."""
    values = np.add.outer(3 * np.arange(2 * side), 5 * np.arange(side)) % 17 / 16
    return values.astype(np.float32).reshape(2, side, side, 1), np.array([1, 7], np.int64)


def weights(shape, dtype=None, partition_info=None):
    """Initial weights by formula, so that no version's random numbers matter."""
    values = np.sin(np.arange(int(np.prod(shape))) * 0.7).reshape(shape)
    return tf.constant(values / np.sqrt(np.prod(shape[:-1])), tf.float32)


def model_fn(features, labels, mode, params):
    x = features['image']
    for _ in range(2):
        x = tf.layers.conv2d(
            x, params['filters'], (5, 5), padding='same', activation=tf.nn.relu, kernel_initializer=weights
        )
        x = tf.layers.max_pooling2d(x, (2, 2), strides=2)
    flat = tf.layers.flatten(x)
    x = tf.layers.dense(flat, params['units'], activation=tf.nn.relu, kernel_initializer=weights)
    logits = tf.layers.dense(x, 10, kernel_initializer=weights)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, {'logits': logits})
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    rule = tf.train.MomentumOptimizer(0.05, 0.9)
    return tf.estimator.EstimatorSpec(mode, None, loss, rule.minimize(loss, tf.train.get_global_step()))


def input_fn(params):
    images, labels = pictures(params['side'])
    return tf.data.Dataset.from_tensors(({'image': images}, labels)).repeat()


def estimator(folder, sizes=SMALL, **more):
    return tf.estimator.Estimator(model_fn, str(folder), params=sizes, **more)


def logits_of(model):
    """Returns the logits [2, 10] that the latest checkpoint gives."""
    images, _ = pictures(model.params['side'])
    found = model.predict(lambda: tf.data.Dataset.from_tensors({'image': images}))
    return np.array([one['logits'] for one in found])


def copy_checkpoint(source, folder):
    """Copies the last checkpoint; the paths in `checkpoint` become relative, as the folder has a new name."""
    Path(folder).mkdir(exist_ok=True)
    name = f'model.ckpt-{STEPS}'
    for path in Path(source).glob(name + '.*'):
        if path.suffix != '.meta':  # the graph, which code makes anew
            shutil.copy(str(path), str(folder))
    Path(folder, 'checkpoint').write_text(f'model_checkpoint_path: "{name}"\n')


def main(folder, *options):
    sizes = DOCUMENT if '--document' in options else SMALL
    if '--read' in options:
        model = estimator(folder, sizes)
        print(json.dumps({'logits': logits_of(model).tolist(), 'names': list(model.get_variable_names())}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        model = estimator(temporary, sizes).train(input_fn, max_steps=STEPS)
        figures = {
            'version': tf.__version__,
            'names': list(model.get_variable_names()),
            'logits': logits_of(model).tolist(),
        }
        copy_checkpoint(temporary, folder)
        # One step more, which the slots of the checkpoint decide as much as the weights.
        model.train(input_fn, steps=1)
        figures['logits_one_step_later'] = logits_of(model).tolist()
    Path(folder, 'figures.json').write_text(json.dumps(figures, indent=1) + '\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
