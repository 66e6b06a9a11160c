"""Points for TensorBoard's Embedding Projector: vectors with metadata and pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig

from estimator_lab.base.printable import safe_name
from estimator_lab.base.regular_files import read_regular
from estimator_lab.core.display.picture import PNG_EFFORT, as_picture
from estimator_lab.tf1 import tf

_SPRITE_SIDE = 8192  # largest side of a sprite that browsers draw
_LARGEST_TILE = 64
_DIMENSIONS = 3
_CONFIG = 'projector_config.pbtxt'
_NO_MATRICES = 'projector.ckpt'
_LARGEST_CONFIG = 2**20
_MOST_NAMES = 100  # of sets of points


def write_projection(
    folder: Path,
    name: str,
    vectors: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    images: np.ndarray | None = None,
) -> None:
    """Writes points that the Embedding Projector shows for a run.

    Existing points of the same name are replaced, others are kept.

    Args:
      folder: the run's folder of event files.
      name: name of the points in the projector's list and of their files; a valid file name.
      vectors: float [n, size]; a size of 1 or 2 is padded with zeros to 3.
      columns: metadata to colour and search points by: title -> n texts; may be empty.
      images: float [n, height, width, channels] in [0, 1], channels 1 or 3; None shows dots.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The page does not draw points with fewer than three dimensions.
    vectors = np.pad(vectors, [(0, 0), (0, max(_DIMENSIONS - vectors.shape[1], 0))])
    np.savetxt(folder / f'{name}.tsv', vectors, fmt='%.6g', delimiter='\t')
    config, path = ProjectorConfig(), folder / _CONFIG
    config.embeddings.extend(other for other in _points_in(path) if other.tensor_name != name)
    points = config.embeddings.add(tensor_name=name, tensor_path=f'{name}.tsv')
    if columns:
        points.metadata_path = f'{name}_metadata.tsv'
        (folder / points.metadata_path).write_text(_table(columns), encoding='utf-8')
    if images is not None and len(images):
        sprite, tile = _sprite(images)
        sprite.save(folder / f'{name}_sprite.png', compress_level=PNG_EFFORT)
        points.sprite.image_path = f'{name}_sprite.png'
        points.sprite.single_image_dim.extend(tile)  # width, height
    config.model_checkpoint_path = _checkpoint_without_matrices(folder)
    partial = path.with_suffix('.partial')
    partial.unlink(missing_ok=True)
    with partial.open('x', encoding='utf-8') as file:  # does not follow a link
        file.write(text_format.MessageToString(config))
    partial.replace(path)


def projection_files(folder: Path) -> set[str]:
    """Returns the names of the files in a folder that `write_projection` wrote."""
    if not (folder / _CONFIG).exists():
        return set()
    found = {_CONFIG, *(path.name for path in folder.glob(f'{_NO_MATRICES}.*'))}
    for points in _points_in(folder / _CONFIG):
        found |= {points.tensor_path, points.metadata_path, points.sprite.image_path} - {''}
    return found


def _points_in(path: Path) -> list[Any]:
    """Returns the points in a configuration that have the file names of `write_projection`.

    The configuration may be damaged or untrusted, and TensorBoard shows any file that it names.
    """
    config = ProjectorConfig()
    try:
        text_format.Parse(read_regular(path, _LARGEST_CONFIG), config)
    except (OSError, ValueError, RecursionError, text_format.ParseError):
        return []
    return [points for points in config.embeddings[:_MOST_NAMES] if _has_own_files(points)]


def _has_own_files(points: Any) -> bool:
    """Returns whether the files of some points have the names that `write_projection` gives them."""
    name = points.tensor_name
    return (
        safe_name(name) == name
        and points.tensor_path == f'{name}.tsv'
        and points.metadata_path in ('', f'{name}_metadata.tsv')
        and points.sprite.image_path in ('', f'{name}_sprite.png')
        and not points.bookmarks_path
    )


def _checkpoint_without_matrices(folder: Path) -> str:
    """Writes a checkpoint without matrices for the projector; returns its absolute path.

    By default, the projector reads the run's newest checkpoint, lists each matrix as points, and opens the
    largest: the weights of a dense layer, hundreds of megabytes.
    """
    path = str((folder / _NO_MATRICES).absolute())
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(
            tf.raw_ops.SaveV2(prefix=path, tensor_names=['nothing'], shape_and_slices=[''], tensors=[0])
        )
    return path


def _table(columns: Mapping[str, Sequence[str]]) -> str:
    """Returns tab-separated rows after a row of titles; the format forbids the title of a single column."""
    cells = [[' '.join(str(text).split()) for text in (title, *texts)] for title, texts in columns.items()]
    rows = list(zip(*cells, strict=True))
    return ''.join('\t'.join(row) + '\n' for row in (rows if len(columns) > 1 else rows[1:]))


def _sprite(images: np.ndarray) -> tuple[Image.Image, tuple[int, int]]:
    """Returns all images as one square of tiles, row by row, and a tile's (width, height)."""
    count, height, width, _ = images.shape
    across = _across(count)
    tile = tile_size(count, height, width)
    sprite = Image.new('RGB', (across * tile[0], across * tile[1]))
    for number, image in enumerate(images):
        row, column = divmod(number, across)
        sprite.paste(as_picture(image).convert('RGB').resize(tile), (column * tile[0], row * tile[1]))
    return sprite, tile


def tile_size(count: int, height: int, width: int) -> tuple[int, int]:
    """Returns the (width, height) in pixels of each of `count` images in a sprite."""
    shrink = min(1.0, min(_LARGEST_TILE, _SPRITE_SIDE // _across(count)) / max(height, width))
    return max(int(width * shrink), 1), max(int(height * shrink), 1)


def _across(count: int) -> int:
    return int(np.ceil(np.sqrt(count)))
