"""``python -m estimator_lab.predict``: what a trained model says about images, or trees."""

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.errors import FlagError
from estimator_lab.base.progress import say
from estimator_lab.inference.settings import PredictionSettings, check_there

_USAGE = """Predicts what images show: one row for each image, in their order, as soon as it is known.

  python -m estimator_lab.predict --model_dir=runs/mine photo.jpg holiday/ faces.tar.gz
  curl -s https://example.com/faces.tar | python -m estimator_lab.predict --model_dir=runs/mine --top=3 -

Arguments are images, folders of images at any depth, tar archives, plain or compressed, and '-' for standard
input, an archive or one image. If an image cannot be decoded, the column 'problem' of its row says why.
With --model=style, the photos are painted, each at its own size, and --files=DIR receives the paintings.
A model of trees reads files with one tree a line, archives of trees, and folders of .tree files."""


def main(settings: PredictionSettings, line: CommandLine) -> None:
    """Runs the command."""
    if not line.arguments and not settings.data:
        raise FlagError("No image is named: give files, folders, tar archives, or '-' for standard input.")
    check_there(settings.model_dir, [*line.arguments, *(settings.data or ())])

    from estimator_lab.inference.prediction_files import predict_and_write
    from estimator_lab.runs.trained import Trained

    run = Trained.open(settings.model_dir)
    if written := predict_and_write(run, settings, line.arguments, count_labels='top' in line.given):
        say(written)


COMMAND = Command(
    main,
    _USAGE,
    PredictionSettings,
    required=['model_dir'],
    arguments='[IMAGE|FOLDER|TAR...]',
    prints_rows=True,
)

if __name__ == '__main__':
    COMMAND.run_and_leave()
