"""``python -m estimator_lab.dream``: pictures that a trained RBM or belief network makes up."""

from pathlib import Path

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.outputs import writing
from estimator_lab.console.progress import say
from estimator_lab.errors import FlagError

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder of an rbm or dbn', flag_values=FLAGS)
flags.DEFINE_list(
    'data', [], 'archives whose first images the dreams begin with; none: noise', flag_values=FLAGS
)
flags.DEFINE_string(
    'label', '', 'dream this label only; needs labels_in_top; default: each in turn', flag_values=FLAGS
)
flags.DEFINE_integer('count', 64, 'how many dreams', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer('steps', 1000, 'Gibbs steps to each dream', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer('seed', 1, 'of the noise', flag_values=FLAGS)
flags.DEFINE_string('out', 'dreams.png', 'the picture', flag_values=FLAGS)

_USAGE = """Lets a trained model dream: Gibbs chains that begin with noise or images, drawn as one picture.

  python -m estimator_lab.dream --model_dir=runs/rbm --data=test.tar --steps=100
  python -m estimator_lab.dream --model_dir=runs/dbn --label=7 --count=24 --out=sevens.png"""
_GROUPS = {'Model': ['model_dir'], 'Dreams': ['data', 'label', 'count', 'steps', 'seed'], 'Output': ['out']}


def main() -> int:
    """Runs the command; returns its exit status."""
    if not FLAGS.model_dir:
        raise FlagError('--model_dir is missing, see --help.')

    from estimator_lab.core.display.picture import labelled_grid
    from estimator_lab.inference.gibbs_dreams import dreams, first_images, open_dreamer

    dreamer = open_dreamer(Path(FLAGS.model_dir))
    begin = first_images(dreamer, FLAGS.data, FLAGS.count) if FLAGS.data else None
    images, texts = dreams(dreamer, FLAGS.count, FLAGS.steps, FLAGS.seed, FLAGS.label, begin)
    out = Path(FLAGS.out)
    with writing('out', out):
        labelled_grid(images, texts).save(out)
    say(f'{"Dreams":<16} {out}: {len(images)} after {FLAGS.steps:,} Gibbs steps each')
    return 0


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, '', FLAGS)
