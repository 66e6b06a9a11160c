"""The notes, "How to use Estimator": the input function that returns an image as 16,384 scalars.

    python examples/input_func_gen.py [--data=ARCHIVE.tar]

Takes about 45 s on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Trains the
notes' model function on the notes' input, and prints the seconds until the first example is processed
(about 30) and the images/s after that (1 to 3): TensorFlow handles each pixel as a separate tensor.
`minibatch_input_fn.py` reads the same images more than a hundred times as fast. The loss is 0 from the
second step on, because the label is the constant 1, and pixels up to 255 make the first step huge.
"""

import functools
import tempfile
from pathlib import Path
from typing import Any

from built_in_data import archives_from_command_line
from cnn_model_fn import StepLog, cnn_model_fn
from stream_tar_dataset import PIXELS, stream_tar_dataset

from estimator_lab.tf1 import tf


def input_func_gen(filename: str | Path) -> tuple[tuple[Any, ...], Any]:
    """Returns the next example of an archive.

    Args:
      filename: the archive; Estimator calls an input function without arguments, so pass it a
        `functools.partial` of this one.

    Returns:
      (a tuple of 16,384 float32 scalars, 0 to 255; the person, a string scalar).
    """
    # One output for each pixel: 16,384 floats, followed by the person.
    stream = tf.data.Dataset.from_generator(
        functools.partial(stream_tar_dataset, filename),
        output_types=(tf.float32,) * PIXELS + (tf.string,),
    )
    example = stream.make_one_shot_iterator().get_next()
    return example[:PIXELS], example[PIXELS]


def main(archive: Path, steps: int = 10) -> list[float]:
    """Trains for some steps of one image; returns the losses."""
    print('Building a graph of 16,384 inputs ...', flush=True)
    log = StepLog()
    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        estimator = tf.estimator.Estimator(cnn_model_fn, config=config)
        estimator.train(functools.partial(input_func_gen, archive), hooks=[log], steps=steps)
    first, last = log.seconds[0], log.seconds[-1]
    print(f'\nfirst example after   {first:.1f} s')
    print(f'images/s from then on {(len(log.seconds) - 1) / (last - first):.1f}, training included')
    return log.losses


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__).train)
