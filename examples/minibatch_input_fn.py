"""The notes, "How to use Estimator", last sentence: the input function with mini-batches.

    python examples/minibatch_input_fn.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 15 s on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Prints how
many images of 128 x 128 pixels are read per second (1,100 to 1,900; `input_func_gen.py`, which reads them as
the notes do, manages a few). Then trains the package's CNN for 100 steps on mini-batches of 48 x 48 pixels
with the real labels, to an accuracy of about 93% on the test faces.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from built_in_data import archives_from_command_line

from estimator_lab import api
from estimator_lab.tf1 import tf

BATCH_SIZE = 32


def training_input_fn(archive: Path, side: int) -> api.InputFunction:
    """Returns an input function of endless shuffled mini-batches.

    It uses `Dataset.from_generator`, as the notes do, but passes a whole batch to TensorFlow, one array
    [32, side, side, 1], where the notes pass 16,384 scalars per image. The prefetch prepares the next batches
    while the model trains on this one. The real labels get ids: 'n000001' -> 0, 'n000002' -> 1, ...

    Args:
      archive: the training archive.
      side: side of the scaled images, in pixels.
    """
    return api.input_fn(
        archive,
        (side, side, 1),
        BATCH_SIZE,  # batch: decoded by all cores in parallel
        shuffle=True,  # shuffle: on disk, or while still encoded
        epochs=None,  # repeat: epoch after epoch, each in another order
    )


def images_per_second(archive: Path, side: int, batches: int) -> float:
    """Returns how many images are read per second, in mini-batches, after the first."""
    with tf.Graph().as_default(), tf.Session() as session:
        batch = training_input_fn(archive, side)().make_one_shot_iterator().get_next()
        session.run(batch)
        start = time.perf_counter()
        for _ in range(batches):
            session.run(batch)
        return BATCH_SIZE * batches / (time.perf_counter() - start)


def train(archives: api.DemoPaths, side: int, steps: int) -> dict[str, Any]:
    """Trains the package's CNN for some steps; returns the metrics on the unseen images."""
    shape = (side, side, 1)
    train_fn = training_input_fn(archives.train, side)
    eval_fn = api.input_fn(archives.test, shape, BATCH_SIZE, vocabulary=train_fn.labels)
    params = {'image_shape': shape, 'vocabulary': train_fn.labels}
    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        estimator = tf.estimator.Estimator(api.model_fn('cnn'), config=config, params=params)
        metrics: dict[str, Any] = estimator.train(train_fn, steps=steps).evaluate(eval_fn)
    return metrics


def main(archives: api.DemoPaths, side: int = 48, steps: int = 100, batches: int = 50) -> dict[str, Any]:
    """Measures the input function, then trains with it; returns the metrics."""
    speed = images_per_second(archives.train, 128, batches)
    print(f'mini-batches of {BATCH_SIZE}: {speed:,.0f} images/s')
    print(f'\nTraining for {steps} steps ...', flush=True)
    metrics = train(archives, side, steps)
    print(f'loss {metrics["loss"]:.3f}, accuracy {metrics["accuracy"]:.1%} on the test images')
    return metrics


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__))
