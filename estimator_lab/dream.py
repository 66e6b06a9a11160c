"""``python -m estimator_lab.dream``: pictures that a trained network makes up, or sees in a photo."""

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.progress import say_rows
from estimator_lab.inference.settings import DreamSettings

_USAGE = """Draws what a model has learned: photos as it sees them, Gibbs chains, samples of a generator.

  python -m estimator_lab.dream --model_dir=runs/vgg --image=sky.jpg --layer=conv4_3
  python -m estimator_lab.dream --model_dir=runs/cnn --label=n000003
  python -m estimator_lab.dream --model_dir=runs/cnn --layer=conv2 --atlas
  python -m estimator_lab.dream --model_dir=runs/rbm --data=test.tar --steps=100
  python -m estimator_lab.dream --model_dir=runs/gan --label=7 --truncation=1.5 --out=sevens.png
  python -m estimator_lab.dream --model_dir=runs/gan --count=60000 --out=fakes.tar"""


def main(settings: DreamSettings, line: CommandLine) -> None:
    """Runs the command."""
    from estimator_lab.inference.drawing import draw

    say_rows(draw(settings, line.given))


COMMAND = Command(main, _USAGE, DreamSettings, places=['model_dir'], required=['model_dir'])

if __name__ == '__main__':
    COMMAND.run_and_leave()
