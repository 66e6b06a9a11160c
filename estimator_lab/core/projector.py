"""Points for TensorBoard's Embedding Projector: a layer's values for some examples of an evaluation."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig

from estimator_lab.base.files import read_regular, whole_file
from estimator_lab.core.confusion import TopK
from estimator_lab.core.features import class_ids, keys_of
from estimator_lab.core.picture import PNG_EFFORT, as_picture
from estimator_lab.tf1 import (
    Features,
    Session,
    SessionRunArgs,
    SessionRunContext,
    SessionRunValues,
    Tensor,
    tf,
)

MOST_POINTS = 1000
"""The projector is slow with more points."""

UNKNOWN = 'unknown'
"""Text of a label that is not in the vocabulary."""

_SEED = 1
_SPRITE_SIDE = 8192  # largest side of a sprite that browsers draw
_LARGEST_TILE = 64
_DIMENSIONS = 3
_CONFIG = 'projector_config.pbtxt'
_NO_MATRICES = 'projector.ckpt'
_LARGEST_CONFIG = 2**20

Column = tuple[Any, Callable[[Any], str]]
"""A tensor [batch], and a function from one of its values to a text."""


class ProjectorHook(tf.train.SessionRunHook):
    """Writes a layer's values for a random sample of the examples of an evaluation, which it replaces.

    Args:
      vectors: float32 [batch, size].
      images: float32 [batch, height, width, channels] in [0, 1]; None shows dots.
      columns: metadata to colour and search points by, by title.
      folder: the evaluation's folder of event files.
      name: name of the points on the page.
    """

    def __init__(
        self,
        vectors: Tensor,
        images: Tensor | None,
        columns: Mapping[str, Column],
        folder: Path,
        name: str = 'embeddings',
    ) -> None:
        shown = () if images is None else (_thumbnails(images),)
        self._has_images = bool(shown)
        self._tensors = (vectors, *(tensor for tensor, _ in columns.values()), *shown)
        self._texts_of = {title: text_of for title, (_, text_of) in columns.items()}
        self._folder = folder
        self._name = name

    def after_create_session(self, session: Session, coord: Any) -> None:
        """Starts a new sample."""
        self._sample: TopK[tuple[Any, ...]] = TopK(MOST_POINTS)
        self._rng = np.random.default_rng(_SEED)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches the batch's values."""
        return tf.train.SessionRunArgs(self._tensors)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Samples the batch."""
        for row in zip(*run_values.results, strict=True):
            # The rows with the largest random numbers are a uniform sample.
            # They are copied, since views would keep the whole batch in memory.
            self._sample.offer(self._rng.random(), partial(copy.deepcopy, row))

    def end(self, session: Session) -> None:
        """Writes the points."""
        rows = self._sample.ranked()
        if not rows:
            return
        vectors, *values = map(list, zip(*rows, strict=True))
        images = np.array(values.pop()) if self._has_images else None
        columns = {
            title: [text_of(value) for value in column]
            for (title, text_of), column in zip(self._texts_of.items(), values, strict=True)
        }
        write_projection(self._folder, self._name, np.array(vectors), columns, images)


def labels_and_keys(
    features: Features, labels: Tensor | None, vocabulary: Sequence[str]
) -> dict[str, Column]:
    """Returns the columns 'label' and 'key', if there are labels and keys.

    Labels are class ids or texts [batch]; those outside the vocabulary, which is in the order of the ids, are
    unknown.
    """
    columns: dict[str, Column] = {}
    if labels is not None:
        ids = class_ids(labels, vocabulary) if labels.dtype == tf.string else tf.reshape(labels, [-1])
        columns['label'] = (ids, lambda number: label_text(vocabulary, number))
    example_keys = keys_of(features)
    if example_keys is not None:
        columns['key'] = (example_keys, lambda key: key.decode('utf-8', 'replace'))
    return columns


def label_text(vocabulary: Sequence[str], number: int) -> str:
    """Returns the text of a class id; 'unknown' if it is not in the vocabulary."""
    return vocabulary[number] if 0 <= number < len(vocabulary) else UNKNOWN


def write_projection(
    folder: Path,
    name: str,
    vectors: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    images: np.ndarray | None = None,
) -> None:
    """Writes points, which replace points of the same name in the folder.

    All paths are relative, so that a run can be moved. By default, the projector reads the newest checkpoint
    of a folder or its parent, and lists each matrix as points; here it finds one without matrices.

    Args:
      folder: a folder of event files without checkpoints, such as the evaluations'.
      name: name of the points in the projector's list and of their files; a valid file name.
      vectors: float [n, size]; a size of 1 or 2 is padded with zeros to 3.
      columns: metadata to colour and search points by: title -> n texts; may be empty.
      images: float [n, height, width, channels] in [0, 1], channels 1 or 3; None shows dots.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The page does not draw points with fewer than three dimensions.
    vectors = np.pad(vectors, [(0, 0), (0, max(_DIMENSIONS - vectors.shape[1], 0))])
    np.savetxt(folder / f'{name}.tsv', vectors, fmt='%.6g', delimiter='\t')
    config = _written(folder)
    others = [points for points in config.embeddings if points.tensor_name != name]
    config = ProjectorConfig(embeddings=others)
    points = config.embeddings.add(tensor_name=name, tensor_path=f'{name}.tsv')
    if columns:
        points.metadata_path = f'{name}_metadata.tsv'
        (folder / points.metadata_path).write_text(_table(columns), encoding='utf-8')
    if images is not None and len(images):
        sprite, tile = _sprite(images)
        sprite.save(folder / f'{name}_sprite.png', compress_level=PNG_EFFORT)
        points.sprite.image_path = f'{name}_sprite.png'
        points.sprite.single_image_dim.extend(tile)  # width, height
    _write_checkpoint_without_matrices(folder)
    _write_config(folder, config)
    # TensorBoard does not find this name from its own folder, and so leaves out the folder of the
    # checkpoints, whose matrices are too large for a page.
    _write_config(folder.parent, ProjectorConfig(model_checkpoint_path=f'{folder.name}/{_NO_MATRICES}'))


def _write_config(folder: Path, config: Any) -> None:
    with whole_file(folder / _CONFIG) as file:
        file.write(text_format.MessageToString(config).encode())


def _written(folder: Path) -> Any:
    """Returns the configuration in a folder; an empty one if there is none that can be read."""
    try:
        return text_format.Parse(read_regular(folder / _CONFIG, _LARGEST_CONFIG), ProjectorConfig())
    except (OSError, ValueError, RecursionError, text_format.ParseError):
        return ProjectorConfig()


def _write_checkpoint_without_matrices(folder: Path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        path = str(folder / _NO_MATRICES)
        session.run(
            tf.raw_ops.SaveV2(prefix=path, tensor_names=['nothing'], shape_and_slices=[''], tensors=[0])
        )
    tf.train.update_checkpoint_state(str(folder.absolute()), _NO_MATRICES)


def _table(columns: Mapping[str, Sequence[str]]) -> str:
    """Returns tab-separated rows after a row of titles; the format forbids the title of a single column."""
    cells = [[' '.join(str(text).split()) for text in (title, *texts)] for title, texts in columns.items()]
    rows = list(zip(*cells, strict=True))
    return ''.join('\t'.join(row) + '\n' for row in (rows if len(columns) > 1 else rows[1:]))


def _sprite(images: np.ndarray) -> tuple[Image.Image, tuple[int, int]]:
    """Returns all images as one square of tiles, row by row, and a tile's (width, height)."""
    count, height, width, _ = images.shape
    across = _across(count)
    tile = _tile_size(count, height, width)
    sprite = Image.new('RGB', (across * tile[0], across * tile[1]))
    for number, image in enumerate(images):
        row, column = divmod(number, across)
        sprite.paste(as_picture(image).convert('RGB').resize(tile), (column * tile[0], row * tile[1]))
    return sprite, tile


def _thumbnails(images: Tensor) -> Tensor:
    """Scales images down to the size of the page's tiles."""
    columns, rows = _tile_size(MOST_POINTS, *images.shape.as_list()[1:3])
    with tf.name_scope('thumbnails'):
        return tf.image.resize_images(images, [rows, columns], tf.image.ResizeMethod.AREA)


def _tile_size(count: int, height: int, width: int) -> tuple[int, int]:
    """Returns the (width, height) in pixels of each of `count` images in a sprite."""
    shrink = min(1.0, min(_LARGEST_TILE, _SPRITE_SIDE // _across(count)) / max(height, width))
    return max(int(width * shrink), 1), max(int(height * shrink), 1)


def _across(count: int) -> int:
    return int(np.ceil(np.sqrt(count)))
