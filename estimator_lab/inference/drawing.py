"""Draws what a model has learned for the `dream` command: Gibbs chains, samples, gradient ascent."""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.base.activity import doing
from estimator_lab.base.errors import FlagError
from estimator_lab.base.outputs import check_outputs, check_suffix, written_whole
from estimator_lab.base.progress import warn
from estimator_lab.base.settings import settings_of
from estimator_lab.core.model import AnyModel
from estimator_lab.core.picture import COLUMNS, as_picture, labelled_grid, png_bytes
from estimator_lab.inference.inceptionism.dreams import Dreamer, open_dreamer
from estimator_lab.inference.inspection_files import Rows, show_in_tensorboard
from estimator_lab.inference.samples import (
    SampleRequest,
    Sampling,
    first_images,
    gibbs_steps,
    sample_batches,
    top_machine,
)
from estimator_lab.inference.settings import AscentSettings, DreamSettings
from estimator_lab.models.registry import MODELS, find_model
from estimator_lab.runs.model import Trained, open_trained

GIBBS, LATENT, ASCENT = 'gibbs', 'latent', 'ascent'
_MOST_IN_A_PICTURE = 4096
_ARCHIVE = '.tar'
_PICTURES = ('.png', '.jpg', '.jpeg')
_JPEG_QUALITY = 95
_EVENTS = 'dreams'
_SHOWN = 1024  # pixels of the longer side in TensorBoard, at most
_MOST_COLUMNS = 20  # of classes
_LEAST_TILE, _MOST_TILE = 96, 160


def draw(settings: DreamSettings, given: frozenset[str] = frozenset()) -> Rows:
    """Draws what a model has learned; yields (title, text) for the user as work proceeds.

    Args:
      settings: what to draw, and where.
      given: the settings that the user gave: one without a meaning for the model is an error.

    Raises:
      DataError: the model, an image or an archive can't be read.
      FlagError: the settings don't fit the model or each other, or a file can't be written.
      LabError: TensorFlow fails, or the disk is full.
    """
    trained = open_trained(settings.model_dir, device=settings.device)
    kind = _kind_of(trained, given)
    known, draw_kind = _KINDS[kind]
    for name in sorted({name for names, _ in _KINDS.values() for name in names}.difference(known) & given):
        raise FlagError(f'--{name} has no meaning for {_described(trained.model, kind)}, see --help.')
    inputs = [path for path in (settings.image, *settings.data) if path]
    outputs = {'out': settings.out}
    check_outputs(outputs, inputs, trained.model_dir, trained.kind.accepts, (*_PICTURES, _ARCHIVE))
    doing('drawing')
    yield from draw_kind(trained, settings, given)


def _kinds_of(model: AnyModel) -> list[str]:
    offered = {GIBBS: model.stack, LATENT: model.sampler, ASCENT: model.network}
    return [kind for kind, function in offered.items() if function]


def _kind_of(trained: Trained, given: frozenset[str]) -> str:
    """Returns the kind of picture that is requested: a flag of gradient ascent selects that."""
    kinds = _kinds_of(trained.model)
    if not kinds:
        able = ', '.join(name for name in MODELS if _kinds_of(find_model(name)))
        raise FlagError(
            f'--model_dir={trained.model_dir} holds --model={trained.model.name}, which does not dream: '
            f'{able} do.'
        )
    return ASCENT if ASCENT in kinds and given.intersection(settings_of(AscentSettings)) else kinds[0]


def _described(model: AnyModel, kind: str) -> str:
    if len(_kinds_of(model)) == 1:
        return f'--model={model.name}'
    return f'--model={model.name} {"with" if kind == ASCENT else "without"} --layer'


def _is_archive(out: Path) -> bool:
    return out.suffix.lower() == _ARCHIVE


def _check_picture(count: int) -> None:
    """Raises FlagError if the samples do not fit into one picture."""
    if count > _MOST_IN_A_PICTURE:
        raise FlagError(
            f'--count={count} is more than the {_MOST_IN_A_PICTURE} samples of one picture: give '
            f'--out=NAME{_ARCHIVE} for an archive.'
        )


def _draw_chains(trained: Trained, settings: DreamSettings, given: frozenset[str]) -> Rows:
    machine, out, count = top_machine(trained), settings.out, settings.count
    check_suffix('out', out, (*_PICTURES, _ARCHIVE))
    if not _is_archive(out):
        _check_picture(count)
    begin = first_images(machine, settings.data, count) if settings.data else None
    steps = gibbs_steps(machine, settings.steps, begin)
    batches = (
        (images, [''] * len(images)) for images in sample_batches(machine, count, steps, settings.seed, begin)
    )
    with written_whole('out', out, keeps_part=False) as path:
        if _is_archive(out):
            write_archive(path, batches)
        else:
            images, texts = joined(batches)
            title = f'Samples of {trained.model.name} after {steps:,} Gibbs steps'
            labelled_grid(images, texts, title=title).save(path)
    yield 'Dreams', f'{out}: {count:,} after {steps:,} Gibbs steps each'


def _draw_samples(trained: Trained, settings: DreamSettings, given: frozenset[str]) -> Rows:
    out = settings.out
    check_suffix('out', out, (*_PICTURES, _ARCHIVE))
    request = SampleRequest(settings.count, settings.seed, settings.label, settings.truncation)
    with Sampling(trained) as sampling, written_whole('out', out, keeps_part=False) as path:
        if _is_archive(out):
            write_archive(path, sampling.batches(request))
        else:
            _check_picture(request.count)
            images, texts = joined(sampling.batches(request))
            title = f'Samples, {trained.model.name} at step {trained.step:,}'
            labelled_grid(images, texts, class_columns(texts), title=title).save(path)
    yield 'Samples', f'{out}: {request.count:,} of {trained.model_dir} at step {trained.step}'


def class_columns(labels: Sequence[str]) -> int:
    """Returns the number of classes, whose samples then have a column each, if there are not too many."""
    classes = len(set(labels))
    return classes if 1 < classes <= _MOST_COLUMNS else COLUMNS


def joined(batches: Iterator[tuple[np.ndarray, list[str]]]) -> tuple[np.ndarray, list[str]]:
    """Returns all samples at once: float32 [n, height, width, channels], and their n labels."""
    images, texts = zip(*batches, strict=True)
    return np.concatenate(images), [text for some in texts for text in some]


def write_archive(path: Path, batches: Iterator[tuple[np.ndarray, list[str]]]) -> None:
    """Writes samples as a tar archive that can be trained on.

    Args:
      path: the archive; its members are LABEL/000012.png, or samples/000012.png without labels.
      batches: samples float32 [n, height, width, channels] in [0, 1], and their n labels.

    Raises:
      OSError: the archive can't be written.
    """
    number = 0
    with tarfile.open(path, 'w') as archive:
        for images, labels in batches:
            for image, label in zip(images, labels, strict=True):
                data = png_bytes(as_picture(image))
                info = tarfile.TarInfo(f'{label or "samples"}/{number:06}.png')
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
                number += 1


def _draw_ascent(trained: Trained, settings: DreamSettings, given: frozenset[str]) -> Rows:
    check_suffix('out', settings.out, _PICTURES)
    if 'count' in given and not settings.atlas:
        raise FlagError('--count has no meaning without --atlas, see --help.')
    dreamer = open_dreamer(trained, settings, settings.label, settings.steps, settings.seed)
    return _draw_atlas(dreamer, settings) if settings.atlas else _draw_dream(dreamer, settings)


def _draw_dream(dreamer: Dreamer, settings: DreamSettings) -> Rows:
    photo = dreamer.photo()
    if photo.loses_colour:
        yield 'Note', 'the network sees grey: the photo keeps its colours, only their brightness changes'
    dreamt = dreamer.dream(photo)
    picture = as_picture(photo.with_change(dreamt.images))
    _save(settings.out, picture)
    yield 'Dream', f'{settings.out}: {dreamer.what}, {picture.width}x{picture.height} pixels'
    before, after = float(dreamt.before[0]), float(dreamt.after[0])
    times = f', {after / before:.1f} times as much' if 0 < before < after else ''
    yield 'Objective', f'{before:.4g} at the start, {after:.4g} at the end{times}'
    if not after > before:
        warn(f'{dreamer.what} did not increase: nothing in this image resembles what it responds to.')
    yield from _show_in_tensorboard(dreamer, {dreamer.what: picture})


def _draw_atlas(dreamer: Dreamer, settings: DreamSettings) -> Rows:
    images, texts, objectives = dreamer.atlas(settings.count)
    tile = max(min(images.shape[1], _MOST_TILE), _LEAST_TILE)
    picture = labelled_grid(images, texts, tile=tile, title=f'What increases each channel of {dreamer.what}')
    _save(settings.out, picture)
    silent = int((objectives == 0).sum())
    note = f'; {silent} of them respond to nothing' if silent else ''
    yield 'Atlas', f'{settings.out}: {len(images)} channels of {dreamer.what}{note}'
    yield from _show_in_tensorboard(dreamer, {f'{dreamer.what}, atlas': picture})


def _save(path: Path, picture: Image.Image) -> None:
    with written_whole('out', path, keeps_part=False) as partial:
        picture.save(partial, quality=_JPEG_QUALITY)


def _show_in_tensorboard(dreamer: Dreamer, pictures: dict[str, Image.Image]) -> Rows:
    for picture in pictures.values():
        picture.thumbnail((_SHOWN, _SHOWN))
    return show_in_tensorboard(dreamer.trained, _EVENTS, pictures)


# The settings that have a meaning for each kind of picture, and the function that draws it.
_KINDS: dict[str, tuple[tuple[str, ...], Callable[[Trained, DreamSettings, frozenset[str]], Rows]]] = {
    GIBBS: (('data', 'count', 'steps'), _draw_chains),
    LATENT: (('label', 'count', 'truncation'), _draw_samples),
    ASCENT: (('label', 'count', 'steps', *settings_of(AscentSettings)), _draw_ascent),
}
