"""Checks of settings that need neither data nor TensorFlow, which takes seconds to load."""

from contextlib import suppress
from pathlib import Path

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.json_input import shortened
from estimator_lab.base.outputs import writing
from estimator_lab.data.archives.order import EVERYTHING, Part
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.training.settings import Settings

EXPORTS = ('best', 'latest', 'final')
"""The names that --export accepts."""

_MOST_EPOCHS = 1_000_000


def check_settings(settings: Settings) -> None:
    """Checks what can be wrong whatever the data.

    Raises:
      FlagError: a setting is not understood, excludes another, or names a folder that can't be written.
      DataError: there is no folder to start from.
    """
    parse_augmentation(settings.augment, settings.seed, settings.image_size)
    parse_split(settings.split)
    if settings.split and settings.eval_data:
        raise FlagError(f'{option.split} divides {option.data} in two; give it without {option.eval_data}.')
    if settings.max_steps is not None and settings.epochs is not None:
        raise FlagError(f'{option.max_steps} and {option.epochs} exclude each other: give one of them.')
    if settings.epochs is not None and not 0 < settings.epochs <= _MOST_EPOCHS:
        raise FlagError(
            f'{option.epochs}={settings.epochs:g} must be more than 0, and at most {_MOST_EPOCHS:,}.'
        )
    for name in settings.export:
        if name not in EXPORTS:
            given = shortened(name)
            raise FlagError(f'{option.export}={given} is not allowed: one or more of {", ".join(EXPORTS)}.')
    _check_folder(settings.model_dir)
    resumes = (settings.model_dir / 'checkpoint').exists()  # without --warm_start, whose folder may be gone
    if settings.warm_start and not (resumes or settings.warm_start.exists()):
        raise DataError(f'{option.warm_start}={settings.warm_start} is not a folder.')


def _check_folder(model_dir: Path) -> None:
    """Raises FlagError if the folder can't be made."""
    with writing('model_dir', model_dir):
        new = [path for path in (model_dir, *model_dir.parents) if not path.exists()]
        model_dir.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # another process of the cluster has removed it, or uses it
        for path in new:
            path.rmdir()


def parse_split(text: str) -> tuple[Part, Part]:
    """Parses 'TRAIN,EVAL' or 'TRAIN', shares of the examples; '' trains and evaluates on everything.

    Raises:
      FlagError: it is something else, or the shares are more than 1 together.
    """
    if not text:
        return EVERYTHING, EVERYTHING
    try:
        shares = [float(part) for part in text.split(',')]
    except ValueError:
        shares = []
    if len(shares) == 1:
        shares.append(1 - shares[0])
    if len(shares) != 2 or not all(share > 0 for share in shares) or sum(shares) > 1 + 1e-9:
        raise FlagError(
            f'{option.split}={shortened(text)} is not understood: give the shares of images to train and to '
            'evaluate on, such as 0.9,0.1, each above 0, together at most 1.'
        )
    return Part(0.0, shares[0]), Part(1 - shares[1], 1.0)
