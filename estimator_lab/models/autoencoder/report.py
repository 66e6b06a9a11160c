"""Pictures of an autoencoder's evaluation, for TensorBoard."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.core.confusion import TopK
from estimator_lab.core.picture import COLUMNS, labelled_grid
from estimator_lab.core.summaries import picture_value, write_values
from estimator_lab.tf1 import Session, SessionRunArgs, SessionRunContext, SessionRunValues, Tensor, tf

_WORST = 2 * COLUMNS


class ReconstructionReportHook(tf.train.SessionRunHook):
    """Writes two pictures at the end of an evaluation of an autoencoder.

    `images/reconstruction` has the first images, what the encoder saw of them if they were corrupted, and
    their reconstructions; `images/worst` the images with the largest errors, each row above that of their
    reconstructions.

    Args:
      batch: 'images' and 'reconstruction', float32 [batch, height, width, channels] in [0, 1]; 'error',
        float32 [batch]; 'key', string [batch], if there are keys; 'inputs' if they differ from the images.
      folder: folder of the evaluation's event files.
    """

    def __init__(self, batch: Mapping[str, Tensor], folder: Path) -> None:
        self._batch = dict(batch)
        self._folder = folder

    def begin(self) -> None:
        """Forgets the evaluation before."""
        self._first: dict[str, np.ndarray] = {}
        self._worst: TopK[dict[str, np.ndarray]] = TopK(_WORST)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Requests the batch."""
        return tf.train.SessionRunArgs(self._batch)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Keeps the first images, and the worst ones."""
        batch = run_values.results
        if not self._first:
            self._first = {name: np.array(values[:COLUMNS]) for name, values in batch.items()}
        for row, error in enumerate(batch['error'].tolist()):
            self._worst.offer(error, functools.partial(_example, batch, row))

    def end(self, session: Session) -> None:
        """Writes the pictures."""
        if not self._first:
            return
        first = _picture(self._first, 'Images, and below them their reconstructions')
        examples = self._worst.ranked()
        worst = {name: np.stack([example[name] for example in examples]) for name in examples[0]}
        worst.pop('inputs', None)
        values = {'reconstruction': first, 'worst': _picture(worst, 'The worst, above their reconstructions')}
        write_values(session, self._folder, [picture_value(*each) for each in values.items()])


def _example(batch: Mapping[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    """Returns one example as copies: a view would keep the whole batch in memory."""
    return {name: np.array(values[row]) for name, values in batch.items()}


def _picture(examples: Mapping[str, np.ndarray], title: str) -> Any:
    """Draws rows of eight images, below each the inputs, if there are, and the reconstructions."""
    count = len(examples['error'])
    names = [_member(key) for key in examples['key']] if 'key' in examples else [''] * count
    kinds = [(examples['images'], names)]
    if 'inputs' in examples:
        kinds.append((examples['inputs'], ['corrupted'] * count))
    kinds.append((examples['reconstruction'], [f'error {error:.2f}' for error in examples['error']]))
    missing = -count % COLUMNS
    tiles = np.stack(
        [np.pad(images, [(0, missing), *[(0, 0)] * 3], constant_values=1) for images, _ in kinds]
    )
    texts = np.array([[*row, *[''] * missing] for _, row in kinds])
    images, captions = (
        # From [kinds, examples] to rows of eight, each kind below the other.
        values.reshape(len(kinds), -1, COLUMNS, *values.shape[2:]).swapaxes(0, 1)
        for values in (tiles, texts)
    )
    return labelled_grid(images.reshape(-1, *tiles.shape[2:]), captions.ravel().tolist(), title=title)


def _member(key: bytes) -> str:
    """Returns the last folder and the file name of a key, short enough for a caption."""
    return '/'.join(key.decode('utf-8', 'replace').rpartition(':')[2].split('/')[-2:])
