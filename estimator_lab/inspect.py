"""``python -m estimator_lab.inspect``: what a trained network sees in one image, or says about one tree."""

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.printable import safe_name
from estimator_lab.base.progress import say_lines, say_rows
from estimator_lab.inference.settings import InspectionSettings

_USAGE = """Shows what a trained network sees in one image, as PNG files and in TensorBoard.

  python -m estimator_lab.inspect --model_dir=runs/mine --image=photo.jpg
  python -m estimator_lab.inspect --model_dir=runs/mine --image=test.tar:test/n000001/0001_01.jpg

Draws the filters of the first layer; the activation maps of each convolution; the pixels on which the label
depends (saliency, Simonyan 2014), and where the last convolution found evidence for it (Grad-CAM, 2017); for
a recurrent network its states and gates, its prediction after each step, and how far the gradient reaches.

  python -m estimator_lab.inspect --model_dir=runs/mine --summary

Lists the layers of the network, the shapes of their outputs and the number of their parameters.

  python -m estimator_lab.inspect --model_dir=runs/recursive --tree='( ( ( [MAX 2 ) 9 ) ] )'

A tree is drawn with the predicted label and its probability at each node, darker for higher probabilities."""


def main(settings: InspectionSettings, line: CommandLine) -> None:
    """Runs the command."""
    if settings.image and settings.tree:
        raise FlagError(f'{option.image} and {option.tree} exclude each other: give one of them.')
    if not settings.image and not settings.tree and not settings.summary:
        raise FlagError(f'{option.image} is missing, or {option.tree}, or {option.summary}, see --help.')

    from estimator_lab.inference.inspection import FOLDER, inspect, show_in_tensorboard, summary_of
    from estimator_lab.runs.trained import Trained

    run = Trained.open(settings.model_dir)
    if settings.summary:
        say_lines(summary_of(run))
    place = settings.tree or settings.image
    if not place:
        return
    name = 'tree' if settings.tree else 'image'
    if run.kind.name != name:
        raise FlagError(
            f'{option(name)} is given, but {option.model_dir}={run.model_dir} accepts {run.kind.noun}.'
        )
    inspection = inspect(run, place, settings)
    folder = settings.out or run.model_dir / FOLDER / safe_name(place)
    files = inspection.save(folder)
    say_rows([('Prediction', inspection.text()), ('Pictures', f'{folder}: {", ".join(files)}')])
    say_rows(show_in_tensorboard(run, FOLDER, inspection.pictures, inspection.key))


COMMAND = Command(main, _USAGE, InspectionSettings, required=['model_dir'])

if __name__ == '__main__':
    COMMAND.run_and_leave()
