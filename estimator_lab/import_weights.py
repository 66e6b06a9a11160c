"""``python -m estimator_lab.import_weights``: a file of weights -> a model_dir that all commands open."""

from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.errors import FlagError
from estimator_lab.base.progress import say_rows
from estimator_lab.base.settings import setting

_MODEL, _IMAGES, _OUTPUT = 'Model', 'Images', 'Output'

_USAGE = """Makes a model_dir from a file of weights, as if the model had been trained in it.

  python -m estimator_lab.import_weights vgg_16.ckpt --model_dir=runs/vgg16 --vocabulary=classes.txt
  python -m estimator_lab.import_weights vgg16_notop.h5 --model_dir=runs/vgg16 --hparams=head=pool
  python -m estimator_lab.import_weights resnet50.safetensors --model=resnet --model_dir=runs/resnet50

FILE is a TensorFlow checkpoint whose variables are named as in the model (for vgg: as in tf-slim). It
can also be, for vgg, a file of Keras with the names of its layers (.h5), and for resnet, torchvision's
.safetensors."""


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """The model whose weights are imported."""

    model: str = setting('vgg', 'the model, as for train', group=_MODEL)
    hparams: str = setting('', "the model's hyper-parameters, name=value,...", group=_MODEL)
    vocabulary: Path | None = setting(None, 'file of class names, one a line; default: numbers', group=_MODEL)
    image_size: int = setting(
        224, 'side in pixels to which images are scaled', group=_IMAGES, lower=1, upper=8000
    )
    channels: int = setting(3, '1 for grey, 3 for colour', group=_IMAGES, choices=(1, 3))
    model_dir: Path | None = setting(None, 'new folder of the model; default: runs/MODEL', group=_OUTPUT)


def main(settings: ImportSettings, line: CommandLine) -> None:
    """Runs the command."""
    if len(line.arguments) > 1:
        raise FlagError(f'One FILE at a time, not {line.arguments[1]!r} as well.')
    weights = Path(line.arguments[0])

    from estimator_lab.runs.importing import import_weights

    size, model_dir = settings.image_size, settings.model_dir or Path('runs', settings.model)
    shape = size, size, settings.channels
    imported = import_weights(
        weights, model_dir, settings.model, settings.hparams, shape, settings.vocabulary
    )
    labels = f'{len(imported.labels):,} classes' if imported.labels else 'no classes'
    text = f'{imported.variables} variables of {weights}, by {imported.whose}; {labels}'
    say_rows([('Imported', text), ('Model', str(model_dir))])


COMMAND = Command(main, _USAGE, ImportSettings, arguments='FILE')

if __name__ == '__main__':
    COMMAND.run_and_leave()
