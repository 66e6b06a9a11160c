"""``python -m estimator_lab.dream``: pictures that a trained network makes up, or sees in a photo."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.options import define_flags, groups_of, read_flags
from estimator_lab.console.outputs import check_outputs, check_suffix, written_whole
from estimator_lab.console.progress import say, warn
from estimator_lab.errors import FlagError
from estimator_lab.inference.inceptionism.settings import AscentSettings
from estimator_lab.models.registry import MODELS, find_model
from estimator_lab.settings import settings_of

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from estimator_lab.core.heads.model import AnyModel
    from estimator_lab.inference.gan_samples import SampleRequest, Sampling
    from estimator_lab.inference.inceptionism.dreams import Dreamer
    from estimator_lab.runs.model import Trained

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder in which the model was trained', flag_values=FLAGS)
flags.DEFINE_list(
    'data',
    [],
    'archives: Gibbs chains begin with their first images, not with noise; below samples stands the nearest',
    flag_values=FLAGS,
)
flags.DEFINE_string(
    'label',
    '',
    'what is dreamt: of a classifier what it sees in this label; of chains and samples default: each in turn',
    flag_values=FLAGS,
)
flags.DEFINE_integer('count', 64, 'of dreams, or channels of an atlas', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer('seed', 1, 'of noise and jitter', flag_values=FLAGS)
flags.DEFINE_integer('steps', 1000, 'Gibbs steps to each dream', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float(
    'truncation',
    0.0,
    'deviations within which latent numbers stay; fewer look better; 0: any',
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    'walk',
    0,
    'samples on the way from one latent vector to the next; 0: none',
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_string(
    'out',
    'dreams.png',
    'the picture, .png or .jpg; or an archive.tar of samples or of what chains dream',
    flag_values=FLAGS,
)
flags.DEFINE_string('film', '', 'a GIF of the same samples over training, as well', flag_values=FLAGS)

define_flags(AscentSettings, FLAGS)

_USAGE = """Lets a trained model dream: what a network sees in a photo; Gibbs chains; samples of a generator.

  python -m estimator_lab.dream --model_dir=runs/vgg --image=sky.jpg --layer=conv4_3
  python -m estimator_lab.dream --model_dir=runs/vgg --image=sky.jpg --layer=conv4_3 --guide=flowers.jpg
  python -m estimator_lab.dream --model_dir=runs/cnn --label=n000003
  python -m estimator_lab.dream --model_dir=runs/cnn --layer=conv2 --atlas
  python -m estimator_lab.dream --model_dir=runs/rbm --data=test.tar --steps=100
  python -m estimator_lab.dream --model_dir=runs/dbn --label=7 --count=24 --out=sevens.png
  python -m estimator_lab.dream --model_dir=runs/gan --walk=8 --truncation=1.5
  python -m estimator_lab.dream --model_dir=runs/gan --data=train.tar --film=training.gif
  python -m estimator_lab.dream --model_dir=runs/gan --count=60000 --out=fakes.tar"""
_GROUPS = {
    'Model': ['model_dir'],
    'Dreams': ['data', 'label', 'count', 'seed'],
    'Gibbs chains': ['steps'],
    'Samples of a generator': ['truncation', 'walk', 'film'],
    **groups_of(AscentSettings),
    'Output': ['out'],
}
# Gibbs sampling of a Boltzmann machine, samples of a generator, gradient ascent on an image.
GIBBS, LATENT, ASCENT = 'gibbs', 'latent', 'ascent'
_MOST_IN_A_PICTURE = 4096
_ARCHIVE, _FILM = '.tar', '.gif'
_PICTURES = ('.png', '.jpg', '.jpeg')
_JPEG_QUALITY = 95
_EVENTS = 'dreams'
_SHOWN = 1024  # pixels a side at most, in TensorBoard
_STRIP_HEIGHT = 256
_LEAST_TILE, _MOST_TILE = 96, 160


def main() -> int:
    """Runs the command; returns its exit status."""
    if not FLAGS.model_dir:
        raise FlagError('--model_dir is missing, see --help.')

    from estimator_lab.runs.model import open_trained

    trained = open_trained(Path(FLAGS.model_dir))
    kind = _kind_of(trained.model)
    known, dream = _DREAMERS[kind]
    for name in {name for names, _ in _DREAMERS.values() for name in names}.difference(known):
        if FLAGS[name].present:
            raise FlagError(f'--{name} has no meaning for {_asked(trained.model, kind)}, see --help.')
    outputs = {name: FLAGS[name].value for name in ('out', 'strip', 'zoom', 'film')}
    inputs = filter(None, (FLAGS.image, FLAGS.guide, *FLAGS.data))
    check_outputs(outputs, inputs, trained.model_dir, trained.kind.accepts, (*_PICTURES, _FILM))
    dream(trained)
    return 0


def _kinds_of(model: 'AnyModel') -> list[str]:
    """Returns the kinds of dreams that a model has."""
    offered = {GIBBS: model.stack, LATENT: model.sampler, ASCENT: model.layered}
    return [kind for kind, function in offered.items() if function]


def _kind_of(model: 'AnyModel') -> str:
    """Returns which kind of dream is requested; where a model has several, its flags tell."""
    kinds = _kinds_of(model)
    if not kinds:
        dreaming = ', '.join(name for name in MODELS if _kinds_of(find_model(name)))
        raise FlagError(
            f'--model_dir={FLAGS.model_dir} holds --model={model.name}, which does not dream: {dreaming} do.'
        )
    asked = any(FLAGS[name].present for name in settings_of(AscentSettings))
    return ASCENT if asked and ASCENT in kinds else kinds[0]


def _asked(model: 'AnyModel', kind: str) -> str:
    if len(_kinds_of(model)) == 1:
        return f'--model={model.name}'
    return f'--model={model.name} {"with" if kind == ASCENT else "without"} --layer'


def _dream_of_chains(trained: 'Trained') -> None:
    from estimator_lab.core.display.picture import labelled_grid
    from estimator_lab.inference.gibbs_samples import dream_batches, dreams, first_images, top_machine
    from estimator_lab.inference.sample_archive import write_archive

    dreamer = top_machine(trained)
    out = Path(FLAGS.out)
    check_suffix('out', out, (*_PICTURES, _ARCHIVE))
    if out.suffix != _ARCHIVE:
        _check_picture(FLAGS.count)
    begin = first_images(dreamer, FLAGS.data, FLAGS.count) if FLAGS.data else None
    request = dreamer, FLAGS.count, FLAGS.steps, FLAGS.seed, FLAGS.label, begin
    with written_whole('out', out, keeps_part=False) as path:
        if out.suffix == _ARCHIVE:
            write_archive(path, dream_batches(*request))
        else:
            labelled_grid(*dreams(*request)).save(path)
    say(f'{"Dreams":<16} {out}: {FLAGS.count:,} after {FLAGS.steps:,} Gibbs steps each')


def _check_picture(count: int) -> None:
    """Raises FlagError if so many samples make no picture."""
    if count > _MOST_IN_A_PICTURE:
        raise FlagError(
            f'--count={count} is more than the {_MOST_IN_A_PICTURE} samples of one picture: give '
            f'--out=NAME{_ARCHIVE} for an archive.'
        )


def _draw_samples(trained: 'Trained') -> None:
    from estimator_lab.core.display.picture import write_film
    from estimator_lab.inference.gan_samples import SampleRequest, Sampling, film
    from estimator_lab.inference.sample_archive import write_archive

    if FLAGS.walk == 1:
        raise FlagError('--walk=1 goes nowhere: both ends count, so that a way has 2 samples or more.')
    out = Path(FLAGS.out)
    check_suffix('out', out, (*_PICTURES, _ARCHIVE))
    if FLAGS.film:
        check_suffix('film', Path(FLAGS.film), [_FILM])
    frames = film(trained.model_dir) if FLAGS.film else []
    request = SampleRequest(FLAGS.count, FLAGS.seed, FLAGS.label, FLAGS.truncation, FLAGS.walk)
    with Sampling(trained) as sampling:
        if out.suffix == _ARCHIVE:
            with written_whole('out', out, keeps_part=False) as path:
                written = write_archive(path, sampling.batches(request))
        else:
            written = _draw_picture(trained, sampling, request, out)
    say(f'{"Samples":<16} {out}: {written:,} of {trained.model_dir} at step {trained.step}')
    if frames:
        with written_whole('film', Path(FLAGS.film), keeps_part=False) as path:
            write_film(path, frames)
        say(f'{"Film":<16} {FLAGS.film}: {len(frames)} pictures of training')


def _draw_picture(trained: 'Trained', sampling: 'Sampling', request: 'SampleRequest', out: Path) -> int:
    import numpy as np

    from estimator_lab.core.display.picture import COLUMNS, labelled_grid
    from estimator_lab.inference.gan_samples import nearest

    _check_picture(request.count)
    columns = request.walk or COLUMNS
    images, texts = sampling.draw(request)
    if FLAGS.data:
        found, distances, keys = nearest(trained, images, FLAGS.data)
        below = [f'{key.rpartition(":")[2]} {away:.2f}' for key, away in zip(keys, distances, strict=True)]
        images = np.concatenate(_rows_in_turn(images, found, columns, np.ones_like(images[:1])))
        words = _rows_in_turn(np.array(texts), np.array(below), columns, np.array(['']))
        texts = np.concatenate(words).tolist()
    with written_whole('out', out, keeps_part=False) as path:
        labelled_grid(images, texts, columns).save(path)
    return request.count


def _rows_in_turn(
    above: 'np.ndarray', below: 'np.ndarray', columns: int, blank: 'np.ndarray'
) -> 'list[np.ndarray]':
    """Returns rows of both, one below the other; the last ones filled up with a blank tile [1, ...]."""
    import numpy as np

    filled = [np.concatenate([tiles, *[blank] * (-len(tiles) % columns)]) for tiles in (above, below)]
    starts = range(0, len(filled[0]), columns)
    return [tiles[start : start + columns] for start in starts for tiles in filled]


def _climb(trained: 'Trained') -> None:
    from estimator_lab.inference.inceptionism.dreams import open_dreamer

    settings = read_flags(AscentSettings, FLAGS)
    for name, suffixes in (('out', _PICTURES), ('strip', _PICTURES), ('zoom', [_FILM])):
        if FLAGS[name].value:
            check_suffix(name, Path(FLAGS[name].value), suffixes)
    for name, needed in (('count', 'atlas'), ('frames', 'zoom')):
        if FLAGS[name].present and not FLAGS[needed].value:
            raise FlagError(f'--{name} has no meaning without --{needed}, see --help.')
    dreamer = open_dreamer(trained, settings, FLAGS.label, FLAGS.seed)
    if settings.atlas:
        _draw_atlas(dreamer)
    else:
        _draw_dream(dreamer)


def _draw_dream(dreamer: 'Dreamer') -> None:
    from estimator_lab.core.display.picture import as_picture, side_by_side, write_film

    photo = dreamer.photo()
    if photo.loses_colour:
        say(f'{"Note":<16} the network sees grey: the photo keeps its colours, how bright they are changes')
    dreamt = dreamer.dream(photo)
    picture = as_picture(photo.with_change(dreamt.images))
    pictures = {dreamer.what: picture}
    _save('out', picture)
    say(f'{"Dream":<16} {FLAGS.out}: {dreamer.what}, {picture.width}x{picture.height} pixels')
    if FLAGS.strip:
        octaves = [photo.with_change(images) for images in dreamt.octaves]
        pictures[f'{dreamer.what}, octaves'] = strip = side_by_side(octaves, _STRIP_HEIGHT)
        _save('strip', strip)
        say(f'{"Octaves":<16} {FLAGS.strip}: {len(octaves)} of them')
    before, after = float(dreamt.before[0]), float(dreamt.after[0])
    times = f', {after / before:.1f} times as much' if 0 < before < after else ''
    say(f'{"Objective":<16} {before:.4g} at the start, {after:.4g} at the end{times}')
    if not after > before:
        warn(f'{dreamer.what} did not grow: what it looks for is nowhere near in this image.')
    _show_in_tensorboard(dreamer, pictures)
    if FLAGS.zoom:
        with written_whole('zoom', Path(FLAGS.zoom), keeps_part=False) as path:
            write_film(path, [as_picture(frame) for frame in dreamer.zoom(photo, dreamt)])
        say(f'{"Zoom":<16} {FLAGS.zoom}: {FLAGS.frames} frames')


def _draw_atlas(dreamer: 'Dreamer') -> None:
    from estimator_lab.core.display.picture import labelled_grid

    images, texts, objectives = dreamer.atlas(FLAGS.count)
    tile = max(min(images.shape[1], _MOST_TILE), _LEAST_TILE)
    picture = labelled_grid(images, texts, tile=tile)
    _save('out', picture)
    silent = int((objectives == 0).sum())
    note = f'; {silent} see nothing' if silent else ''
    say(f'{"Atlas":<16} {FLAGS.out}: {len(images)} channels of {dreamer.what}{note}')
    _show_in_tensorboard(dreamer, {f'{dreamer.what}, atlas': picture})


def _save(flag: str, picture: 'Image') -> None:
    with written_whole(flag, Path(FLAGS[flag].value), keeps_part=False) as path:
        picture.save(path, quality=_JPEG_QUALITY)


def _show_in_tensorboard(dreamer: 'Dreamer', pictures: 'dict[str, Image]') -> None:
    from estimator_lab.inference.inspection import write_summaries

    model_dir = dreamer.trained.model_dir
    for picture in pictures.values():
        picture.thumbnail((_SHOWN, _SHOWN))
    try:
        write_summaries(model_dir / _EVENTS, pictures, dreamer.trained.step)
        say(f'{"TensorBoard":<16} {command.tensorboard(model_dir)}')
    except OSError as error:
        warn(f'{model_dir / _EVENTS} cannot be written, so that TensorBoard shows nothing of it: {error}')


# What each kind of dream is drawn by, and the flags that have a meaning for it.
_DREAMERS: dict[str, tuple[tuple[str, ...], Callable[['Trained'], None]]] = {
    GIBBS: (('data', 'label', 'count', 'steps'), _dream_of_chains),
    LATENT: (('data', 'label', 'count', 'truncation', 'walk', 'film'), _draw_samples),
    ASCENT: (('label', 'count', *settings_of(AscentSettings)), _climb),
}

if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, '', FLAGS)
