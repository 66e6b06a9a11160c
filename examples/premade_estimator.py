"""The notes, "Estimator in tensorflow": a pre-made and a custom estimator on the same data.

    python examples/premade_estimator.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 25 s on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Trains the
pre-made `DNNClassifier` and the package's CNN on the same arrays of 32 x 32 pixels for ten epochs, and
prints both accuracies on the test faces, the same in each run on one machine: about 69% and 99%. The two
differ only in the model function: that of the pre-made estimator has dense layers, but no convolutions.
"""

import tempfile
import time
from typing import Any

import numpy as np
from built_in_data import SIDE, archives_from_command_line, load_arrays

from estimator_lab import api
from estimator_lab.tf1 import tf

_SEED = 1


def premade_estimator(labels: tuple[str, ...], config: Any) -> Any:
    """Returns a DNNClassifier with two hidden layers; a feature column selects the pixels."""
    return tf.estimator.DNNClassifier(
        hidden_units=[256, 64],
        feature_columns=[tf.feature_column.numeric_column('image', shape=(SIDE, SIDE, 1))],
        n_classes=len(labels),
        optimizer=tf.train.AdamOptimizer(0.001),
        config=config,
    )


def custom_estimator(labels: tuple[str, ...], config: Any) -> Any:
    """Returns an Estimator with the model function of the package's CNN."""
    params = {
        'image_shape': (SIDE, SIDE, 1),
        'vocabulary': labels,
        'optimizer': 'adam',
        'learning_rate': 0.001,
    }
    return tf.estimator.Estimator(api.model_fn('cnn'), config=config, params=params)


def shuffled(images: np.ndarray, ids: np.ndarray, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns all examples of some epochs, each epoch in a random order that is the same in every run.

    With shuffle=True, the order of `numpy_input_fn` also depends on how fast a thread fills a queue.
    """
    orders = [np.random.default_rng([_SEED, epoch]).permutation(len(ids)) for epoch in range(epochs)]
    order = np.concatenate(orders)
    return images[order], ids[order]


def main(archives: api.DemoPaths, epochs: int = 10) -> dict[str, float]:
    """Trains and evaluates both; returns their accuracies."""
    train, test = load_arrays(archives.train), load_arrays(archives.test)
    images, ids = shuffled(train.images, train.ids, epochs)
    accuracies = {}
    print(f'training on {len(train.ids):,} images, {epochs} times each ...\n', flush=True)
    print('estimator               accuracy   training')
    for name, make in (('pre-made DNNClassifier', premade_estimator), ('custom CNN', custom_estimator)):
        with tempfile.TemporaryDirectory() as folder:
            estimator = make(train.labels, tf.estimator.RunConfig(folder, tf_random_seed=_SEED))
            start = time.perf_counter()
            # Both use the same input functions, which do not depend on the model.
            estimator.train(
                tf.estimator.inputs.numpy_input_fn(
                    {'image': images}, ids, batch_size=32, num_epochs=1, shuffle=False
                )
            )
            seconds = time.perf_counter() - start
            found = estimator.evaluate(
                tf.estimator.inputs.numpy_input_fn({'image': test.images}, test.ids, shuffle=False)
            )
        accuracies[name] = float(found['accuracy'])
        print(f'{name:<24}{accuracies[name]:>8.1%}   {seconds:6.0f} s', flush=True)
    return accuracies


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__))
