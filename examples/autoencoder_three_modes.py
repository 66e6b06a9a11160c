"""The notes, "Autoencoders": an image through a bottleneck and back, in one model function with three modes.

    python examples/autoencoder_three_modes.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 45 s on 2 cores. Compresses faces of 1,024 pixels to 64 numbers, without labels, and restores
unseen ones with a root mean square error of 0.13; that of their mean image is 0.23. In training, a tenth of
the pixels is black, which the network learns to restore, too (a denoising autoencoder: Vincent et al. 2008).
"""

import itertools
import tempfile
from typing import Any

import numpy as np
from built_in_data import archives_from_command_line

from estimator_lab import api
from estimator_lab.tf1 import tf

SIDE = 32
UNITS = 512, 64
BATCH_SIZE = 32
DROPPED = 0.1


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """Returns the EstimatorSpec of a mode.

    Args:
      features: 'image', float32 [batch, SIDE, SIDE, 1] in [0, 1], and 'key', the name of each image.
      labels: None: there are none.
      mode: a `tf.estimator.ModeKeys`.
      params: 'learning_rate'.
    """
    pixels = x = tf.layers.flatten(features['image'])  # float32 [batch, 1024]
    if mode == tf.estimator.ModeKeys.TRAIN:
        x *= tf.cast(tf.random_uniform(tf.shape(x)) >= DROPPED, tf.float32)
    for number, units in enumerate(UNITS):
        x = tf.layers.dense(x, units, tf.nn.relu if units != UNITS[-1] else None, name=f'encoder{number}')
    code = x  # [batch, 64]: linear, so that no unit can die
    for number, units in enumerate(reversed(UNITS[:-1])):
        x = tf.layers.dense(x, units, tf.nn.relu, name=f'decoder{number}')
    logits = tf.layers.dense(x, SIDE * SIDE, name='pixels')
    restored = tf.sigmoid(logits)

    if mode == tf.estimator.ModeKeys.PREDICT:
        image = tf.reshape(restored, [-1, SIDE, SIDE, 1])
        predictions = {'code': code, 'image': image, 'key': features['key']}
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)

    loss = tf.losses.sigmoid_cross_entropy(pixels, logits)
    if mode == tf.estimator.ModeKeys.EVAL:
        metrics = {'rmse': tf.metrics.root_mean_squared_error(pixels, restored)}
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)

    tf.summary.image('restored', tf.reshape(restored, [-1, SIDE, SIDE, 1]))
    train_op = tf.train.AdamOptimizer(params['learning_rate']).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def main(archives: api.DemoPaths, steps: int = 3000, every: int = 80) -> dict[str, Any]:
    """Trains, evaluates, and restores one image in `every`; returns the metrics on unseen images."""
    shape = (SIDE, SIDE, 1)
    train_fn = api.input_fn(archives.train, shape, BATCH_SIZE, labelled=False, shuffle=True, epochs=None)
    test_fn = api.input_fn(archives.test, shape, BATCH_SIZE, labelled=False)

    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        estimator = tf.estimator.Estimator(model_fn, config=config, params={'learning_rate': 0.002})
        estimator.train(train_fn, steps=steps)
        metrics: dict[str, Any] = estimator.evaluate(test_fn)
        predictions = list(itertools.islice(estimator.predict(test_fn), 0, None, every))

    stream = api.stream(archives.test, image_shape=shape, shuffle=False)
    test = np.stack([example.data for example in stream]) / 255
    metrics['rmse_of_mean'] = float(np.sqrt(np.mean((test - test.mean(axis=0)) ** 2)))
    print(f'error {metrics["rmse"]:.3f} on unseen images; {metrics["rmse_of_mean"]:.3f} of their mean image')
    for each in predictions:
        code = ' '.join(f'{value:.1f}' for value in each['code'][:4])
        member = each['key'].decode().rpartition(':')[2]
        print(f'{member:<30}brightness {each["image"].mean():.2f}   code {code} ...')
    return metrics


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__))
