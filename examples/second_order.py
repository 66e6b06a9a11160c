"""The notes, "Optimization methods": second-order methods, by one line of a model function.

    python examples/second_order.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 2 min on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Trains
one dense network on all training faces at once with Adam, L-BFGS, conjugate gradients and Hessian-free
optimization, thirty steps each, and prints the time and loss of each: with as many steps, Adam is far
behind.
"""

import tempfile
import time
from collections.abc import Callable
from typing import Any

from built_in_data import archives_from_command_line, load_arrays

from estimator_lab import api
from estimator_lab.optimizers import (
    ConjugateGradientOptimizer,
    HessianFreeOptimizer,
    LBFGSOptimizer,
)
from estimator_lab.tf1 import tf

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    'Adam': lambda: tf.train.AdamOptimizer(0.001),
    'L-BFGS': lambda: LBFGSOptimizer(),
    'conjugate gradients': lambda: ConjugateGradientOptimizer(),
    # The curvature from a quarter of the faces, a different one in each step.
    'Hessian-free': lambda: HessianFreeOptimizer(curvature_share=0.25),
}


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """A model function that is independent of the optimizer."""
    hidden = tf.layers.dense(tf.layers.flatten(features['image']), 64, tf.nn.tanh)
    logits = tf.layers.dense(hidden, params['classes'])
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    train_op, metrics = None, None
    if mode == tf.estimator.ModeKeys.TRAIN:
        optimizer = params['optimizer']()
        train_op = optimizer.minimize(loss, tf.train.get_global_step())
        # Diagnostics of a second-order optimizer for TensorBoard: step length, evaluations, damping, ...
        for name, value in getattr(optimizer, 'diagnostics', {}).items():
            tf.summary.scalar(f'optimizer/{name}', value)
    else:
        metrics = {'accuracy': tf.metrics.accuracy(labels, tf.argmax(logits, axis=1))}
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


def main(archives: api.DemoPaths, steps: int = 30) -> dict[str, float]:
    """Trains with each optimizer; returns the losses on the training images."""
    train, test = load_arrays(archives.train), load_arrays(archives.test)
    numpy_input_fn, whole = tf.estimator.inputs.numpy_input_fn, len(train.images)
    losses = {}
    print(f'{"optimizer":<22}training loss   test accuracy   training')
    for name, make in OPTIMIZERS.items():
        with tempfile.TemporaryDirectory() as folder:
            estimator = tf.estimator.Estimator(
                model_fn,
                config=tf.estimator.RunConfig(folder, tf_random_seed=1),
                params={'optimizer': make, 'classes': len(train.labels)},
            )
            start = time.perf_counter()
            estimator.train(
                numpy_input_fn(
                    {'image': train.images}, train.ids, batch_size=whole, num_epochs=steps, shuffle=False
                )
            )
            seconds = time.perf_counter() - start
            on_train, on_test = (
                estimator.evaluate(numpy_input_fn({'image': part.images}, part.ids, shuffle=False))
                for part in (train, test)
            )
        losses[name] = float(on_train['loss'])
        print(f'{name:<22}{losses[name]:13.5f}{on_test["accuracy"]:16.1%}{seconds:9.0f} s', flush=True)
    return losses


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__))
