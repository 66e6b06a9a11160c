"""Runs all checks of a model."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from estimator_lab.core.heads.model import AnyModel, Model
from estimator_lab.errors import FlagError, LabError
from estimator_lab.model_checks import declaration, graphs, runs
from estimator_lab.model_checks.subject import Subject, Unavailable, Violation
from estimator_lab.models.registry import with_model

Check = Callable[[Subject], None]

CHECKS: Mapping[str, Check] = {
    check.__name__: check for check in (*declaration.CHECKS, *graphs.CHECKS, *runs.CHECKS)
}
"""By name, in the order in which they run."""


class ModelCheckError(LabError, AssertionError):
    """A model fails checks.

    Args:
      name: of the model.
      failures: a sentence for each check that fails, by its name.
      count: how many checks were made.
    """

    def __init__(self, name: str, failures: Mapping[str, str], count: int) -> None:
        lines = [f'{check}: {sentence}' for check, sentence in failures.items()]
        super().__init__('\n'.join([f'The model {name} fails {len(failures)} of {count} checks:', *lines]))
        self.failures = failures


def check_model(
    model: AnyModel | ModuleType,
    hparams: Mapping[str, Any] | None,
    image_shape: tuple[int, int, int],
    only: Sequence[str],
    data: Path | None,
    folder: Path | None,
) -> list[str]:
    """See `estimator_lab.api.check_model`."""
    checked = _model_of(model)
    unknown = sorted({*only} - {*CHECKS})
    if unknown:
        raise FlagError(f'There is no check {unknown[0]!r}; known are: {", ".join(CHECKS)}.')
    names = only or CHECKS
    with with_model(checked), tempfile.TemporaryDirectory() as temporary:
        subject = Subject(checked, hparams or {}, image_shape, folder or Path(temporary), data)
        failures = _failures(subject, names)
    if failures:
        raise ModelCheckError(checked.name, failures, len(names))
    return [*names]


def _model_of(model: AnyModel | ModuleType) -> AnyModel:
    found = getattr(model, 'MODEL', None) if isinstance(model, ModuleType) else model
    if not isinstance(found, Model):
        name = getattr(model, '__name__', repr(model))
        raise FlagError(f'{name} is not a model: a model file ends with MODEL = Model(...).')
    return found


def _failures(subject: Subject, names: Iterable[str]) -> dict[str, str]:
    failures = {}
    for name in names:
        try:
            CHECKS[name](subject)
        except Unavailable:
            continue
        except Violation as violation:
            failures[name] = str(violation)
        except Exception as error:  # noqa: BLE001 - the model's code can raise anything
            text = ' '.join(str(error).split()).rstrip('.') or 'no message'
            failures[name] = f'It raises {type(error).__name__}: {text}.'
    return failures
