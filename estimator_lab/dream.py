"""``python -m estimator_lab.dream``: pictures that a trained network makes up, or sees in a photo."""

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.outputs import check_outputs, check_suffix
from estimator_lab.base.progress import doing, say_rows
from estimator_lab.inference.settings import DreamSettings

_EVENTS = 'dreams'  # folder in model_dir

_USAGE = """Draws what a model has learned: photos as it sees them, Gibbs chains, samples of a generator.

  python -m estimator_lab.dream --model_dir=runs/vgg --image=sky.jpg --layer=conv4_3
  python -m estimator_lab.dream --model_dir=runs/cnn --label=n000003
  python -m estimator_lab.dream --model_dir=runs/cnn --layer=conv2 --atlas
  python -m estimator_lab.dream --model_dir=runs/rbm --data=test.tar --steps=100
  python -m estimator_lab.dream --model_dir=runs/gan --label=7 --truncation=1.5 --out=sevens.png
  python -m estimator_lab.dream --model_dir=runs/gan --count=60000 --out=fakes.tar"""


def main(settings: DreamSettings, line: CommandLine) -> None:
    """Runs the command."""
    from estimator_lab.inference.dreams import ascends, make_dream
    from estimator_lab.inference.inspection import show_in_tensorboard
    from estimator_lab.inference.samples import ARCHIVE, PICTURES
    from estimator_lab.runs.trained import Trained

    run = Trained.open(settings.model_dir)
    inputs = [path for path in (settings.image, *(settings.data or ())) if path]
    suffixes = PICTURES if ascends(run, line.given) else (*PICTURES, ARCHIVE)
    check_outputs({'out': settings.out}, inputs, run.model_dir, run.kind.accepts)
    check_suffix('out', settings.out, suffixes)
    doing('drawing')
    drawn = make_dream(run, settings, line.given)
    drawn.save(settings.out)
    say_rows([('Dream', f'{settings.out}: {drawn.text()}')])
    say_rows([('Note', note) for note in drawn.notes])
    if pictures := drawn.for_tensorboard():
        say_rows(show_in_tensorboard(run, _EVENTS, pictures))


COMMAND = Command(main, _USAGE, DreamSettings, required=['model_dir'])

if __name__ == '__main__':
    COMMAND.run_and_leave()
