"""``python -m estimator_lab.dream``: pictures that a trained RBM, belief network or generator makes up."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.outputs import writing
from estimator_lab.console.progress import say
from estimator_lab.errors import FlagError
from estimator_lab.models.registry import GIBBS, LATENT, MODELS

if TYPE_CHECKING:
    import numpy as np

    from estimator_lab.inference.gan_samples import Sampling, Wish
    from estimator_lab.inference.model import Trained

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder of an rbm, dbn or gan', flag_values=FLAGS)
flags.DEFINE_list(
    'data',
    [],
    'archives: Gibbs chains begin with their first images, not with noise; below samples stands the nearest',
    flag_values=FLAGS,
)
flags.DEFINE_string(
    'label',
    '',
    'dream this label only; needs labels_in_top or conditional; default: each in turn',
    flag_values=FLAGS,
)
flags.DEFINE_integer('count', 64, 'how many dreams', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer('seed', 1, 'of the noise', flag_values=FLAGS)
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
flags.DEFINE_string('out', 'dreams.png', 'the picture, or an archive.tar of all dreams', flag_values=FLAGS)
flags.DEFINE_string('film', '', 'a GIF of the same samples over training, as well', flag_values=FLAGS)

_USAGE = """Lets a trained model dream: Gibbs chains that begin with noise or images; samples of a generator.

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
    'Output': ['out'],
}
_MOST_IN_A_PICTURE = 4096
_ARCHIVE = '.tar'


def main() -> int:
    """Runs the command; returns its exit status."""
    if not FLAGS.model_dir:
        raise FlagError('--model_dir is missing, see --help.')

    from estimator_lab.inference.model import open_trained

    trained = open_trained(Path(FLAGS.model_dir))
    kind = trained.model.dreams
    if kind not in _DREAMERS:
        dreaming = ', '.join(model.name for model in MODELS.values() if model.dreams in _DREAMERS)
        raise FlagError(
            f'--model_dir={FLAGS.model_dir} holds --model={trained.model.name}, which does not dream: '
            f'{dreaming} do.'
        )
    for other, (names, _) in _DREAMERS.items():
        for name in names:
            if other != kind and FLAGS[name].present:
                raise FlagError(f'--{name} has no meaning for --model={trained.model.name}, see --help.')
    _, dream = _DREAMERS[kind]
    dream(trained)
    return 0


def _dream_of_chains(trained: 'Trained') -> None:
    from estimator_lab.core.display.picture import labelled_grid
    from estimator_lab.inference.gibbs_dreams import dreams, first_images, top_machine

    dreamer = top_machine(trained)
    begin = first_images(dreamer, FLAGS.data, FLAGS.count) if FLAGS.data else None
    images, texts = dreams(dreamer, FLAGS.count, FLAGS.steps, FLAGS.seed, FLAGS.label, begin)
    out = Path(FLAGS.out)
    with writing('out', out):
        labelled_grid(images, texts).save(out)
    say(f'{"Dreams":<16} {out}: {len(images)} after {FLAGS.steps:,} Gibbs steps each')


def _draw_samples(trained: 'Trained') -> None:
    from estimator_lab.inference.gan_samples import Sampling, Wish, film, write_archive, write_film

    if FLAGS.walk == 1:
        raise FlagError('--walk=1 goes nowhere: both ends count, so that a way has 2 samples or more.')
    frames = film(trained.model_dir) if FLAGS.film else []
    wish = Wish(FLAGS.count, FLAGS.seed, FLAGS.label, FLAGS.truncation, FLAGS.walk)
    out = Path(FLAGS.out)
    with Sampling(trained) as sampling:
        if out.suffix == _ARCHIVE:
            with writing('out', out):
                written = write_archive(out, sampling.batches(wish))
        else:
            written = _draw_picture(trained, sampling, wish, out)
    say(f'{"Samples":<16} {out}: {written:,} of {trained.model_dir} at step {trained.step}')
    if frames:
        with writing('film', Path(FLAGS.film)):
            write_film(Path(FLAGS.film), frames)
        say(f'{"Film":<16} {FLAGS.film}: {len(frames)} pictures of training')


def _draw_picture(trained: 'Trained', sampling: 'Sampling', wish: 'Wish', out: Path) -> int:
    import numpy as np

    from estimator_lab.core.display.picture import COLUMNS, labelled_grid
    from estimator_lab.inference.gan_samples import nearest

    if wish.count > _MOST_IN_A_PICTURE:
        raise FlagError(
            f'--count={wish.count} is more than the {_MOST_IN_A_PICTURE} samples of one picture: give '
            f'--out=NAME{_ARCHIVE} for an archive.'
        )
    columns = wish.walk or COLUMNS
    images, texts = sampling.draw(wish)
    if FLAGS.data:
        found, distances, keys = nearest(trained, images, FLAGS.data)
        below = [f'{key.rpartition(":")[2]} {away:.2f}' for key, away in zip(keys, distances, strict=True)]
        images = np.concatenate(_rows_in_turn(images, found, columns, np.ones_like(images[:1])))
        words = _rows_in_turn(np.array(texts), np.array(below), columns, np.array(['']))
        texts = np.concatenate(words).tolist()
    with writing('out', out):
        labelled_grid(images, texts, columns).save(out)
    return wish.count


def _rows_in_turn(
    above: 'np.ndarray', below: 'np.ndarray', columns: int, blank: 'np.ndarray'
) -> 'list[np.ndarray]':
    """Returns rows of both, one below the other; the last ones filled up with a blank tile [1, ...]."""
    import numpy as np

    filled = [np.concatenate([tiles, *[blank] * (-len(tiles) % columns)]) for tiles in (above, below)]
    starts = range(0, len(filled[0]), columns)
    return [tiles[start : start + columns] for start in starts for tiles in filled]


# What each kind of dream is drawn by, and the flags that have a meaning for no other.
_DREAMERS: dict[str, tuple[tuple[str, ...], Callable[['Trained'], None]]] = {
    GIBBS: (('steps',), _dream_of_chains),
    LATENT: (('truncation', 'walk', 'film'), _draw_samples),
}

if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, '', FLAGS)
