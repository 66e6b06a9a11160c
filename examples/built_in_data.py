"""Shared by the examples: the command line, the built-in archives of cartoon faces, and images as arrays."""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from estimator_lab import api
from estimator_lab.base.process import announce_import

SIDE = 32
announce_import(functools.partial(print, 'loading TensorFlow', flush=True))


class Arrays(NamedTuple):
    """Images float32 [n, 32, 32, 1] in [0, 1], their class ids int64 [n], and the label of each id."""

    images: np.ndarray
    ids: np.ndarray
    labels: tuple[str, ...]


def archives_from_command_line(
    header: str | None, more: Sequence[argparse.ArgumentParser] = ()
) -> api.DemoPaths:
    """Returns the archives given by --data and --eval_data; by default, the built-in ones.

    Args:
      header: the script's own docstring, which --help shows.
      more: further flags, which the script reads by itself.
    """
    parser = argparse.ArgumentParser(
        description=header,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=more,
        allow_abbrev=False,
    )
    parser.add_argument('--data', type=_file, help='tar archive to read; default: the built-in faces')
    parser.add_argument('--eval_data', type=_file, help='tar archive to evaluate on; default: that of --data')
    given = parser.parse_args()
    if given.data:
        return api.DemoPaths(given.data, given.eval_data or given.data)
    if given.eval_data:
        parser.error('--eval_data needs --data')
    return api.demo_faces(functools.partial(print, flush=True))


def load_arrays(archive: Path) -> Arrays:
    """Decodes all images of an archive into memory: 4 KB each, 13 GB for VGGFace2's 3 million."""
    stream = api.stream(archive, image_shape=(SIDE, SIDE, 1), shuffle=False)
    examples = list(stream)
    images = np.stack([example.data for example in examples]).astype(np.float32) / 255
    return Arrays(images, np.array([example.class_id for example in examples]), stream.labels)


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f'file {text!r} does not exist')
    return path
