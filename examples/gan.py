"""The notes, "Generative Adversarial Networks": a minimal GAN as a model function.

    python examples/gan.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 1 min on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) A
generator of 'deconvolutional' layers turns random numbers into images; a second network, a standard CNN,
classifies images as real or generated; back-propagation trains both in parallel, without labels. One
training op runs both updates in a fixed order. Writes fakes.png at the end. The package's GAN, with
better networks, scores and averaged weights, is `python -m estimator_lab.train --model=gan`.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from built_in_data import SIDE, archives_from_command_line, load_arrays

from estimator_lab import api
from estimator_lab.tf1 import tf

LATENT = 32


def generator(latent: Any, side: int, training: bool) -> Any:
    """Maps random numbers [n, LATENT] to images [n, side, side, 1] in [0, 1], by deconvolutional layers."""
    with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
        maps = tf.layers.dense(latent, 64 * (side // 4) ** 2)
        maps = tf.reshape(maps, [-1, side // 4, side // 4, 64])
        maps = tf.nn.relu(tf.layers.batch_normalization(maps, training=training))
        maps = tf.layers.conv2d_transpose(maps, 32, 4, strides=2, padding='same')
        maps = tf.nn.relu(tf.layers.batch_normalization(maps, training=training))
        return tf.layers.conv2d_transpose(maps, 1, 4, 2, 'same', activation=tf.nn.sigmoid)


def discriminator(images: Any) -> Any:
    """Returns logits [n], above 0 for 'real', of images [n, side, side, 1], by a standard CNN."""
    with tf.variable_scope('discriminator', reuse=tf.AUTO_REUSE):
        maps = tf.layers.conv2d(images, 32, 4, strides=2, padding='same', activation=tf.nn.leaky_relu)
        maps = tf.layers.conv2d(maps, 64, 4, strides=2, padding='same', activation=tf.nn.leaky_relu)
        return tf.layers.dense(tf.layers.flatten(maps), 1)[:, 0]


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """A model function for TRAIN, with images as features, and PREDICT, with random numbers."""
    side, training = params['side'], mode == tf.estimator.ModeKeys.TRAIN
    if not training:
        fakes = generator(features['latent'], side, training)
        return tf.estimator.EstimatorSpec(mode, predictions={'fake': fakes})
    images = features['image']
    # A function of the step only, so that a resumed run draws the same numbers.
    step = tf.train.get_global_step()
    latent = tf.random.stateless_normal([tf.shape(images)[0], LATENT], [1, step])
    fakes = generator(latent, side, training)

    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits
    real, fake = discriminator(images), discriminator(tf.stop_gradient(fakes))
    discriminator_loss = tf.reduce_mean(
        cross_entropy(labels=tf.ones_like(real), logits=real)
        + cross_entropy(labels=tf.zeros_like(fake), logits=fake)
    )
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        first = tf.train.AdamOptimizer(0.0002, beta1=0.5).minimize(
            discriminator_loss, var_list=tf.trainable_variables('discriminator/')
        )
    # The generator is trained against the updated discriminator; only this update counts the step.
    with tf.control_dependencies([first]):
        fooled = discriminator(fakes)
        generator_loss = tf.reduce_mean(cross_entropy(labels=tf.ones_like(fooled), logits=fooled))
        train_op = tf.train.AdamOptimizer(0.001, beta1=0.5).minimize(
            generator_loss, step, tf.trainable_variables('generator/')
        )
    tf.summary.scalar('generator_loss', generator_loss)
    return tf.estimator.EstimatorSpec(mode, loss=discriminator_loss, train_op=train_op)


def main(archives: api.DemoPaths, steps: int = 600, out: Path = Path('fakes.png')) -> np.ndarray:
    """Trains on the images of an archive; returns some samples, float32 [32, SIDE, SIDE, 1]."""
    images = load_arrays(archives.train).images
    numpy_input_fn = tf.estimator.inputs.numpy_input_fn
    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(folder, tf_random_seed=1)
        estimator = tf.estimator.Estimator(model_fn, config=config, params={'side': SIDE})
        estimator.train(
            numpy_input_fn({'image': images}, batch_size=32, num_epochs=None, shuffle=True), steps=steps
        )
        latent = np.random.default_rng(1).normal(size=(32, LATENT)).astype(np.float32)
        given = numpy_input_fn({'latent': latent}, shuffle=False)
        fakes = np.stack([one['fake'] for one in estimator.predict(given)])
    api.labelled_grid(fakes, [''] * len(fakes)).save(out)
    print(f'{len(fakes)} fakes after {steps} steps: {out}')
    return fakes


if __name__ == '__main__':
    main(archives_from_command_line(__doc__))
