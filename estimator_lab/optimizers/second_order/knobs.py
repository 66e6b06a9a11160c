"""Settings of a second-order method: fields of a frozen dataclass, with their meaning and allowed values."""

import dataclasses
from collections.abc import Callable
from typing import Any

from estimator_lab.errors import FlagError


def knob(default: Any, help_text: str, valid: Callable[[Any], bool], structural: bool = False) -> Any:
    """Returns a dataclass field for one setting.

    Args:
      default: its default, of its type.
      help_text: meaning and allowed values.
      valid: whether a value is allowed.
      structural: whether it decides the shape of what a checkpoint holds.
    """
    metadata = {'help': help_text, 'valid': valid, 'structural': structural}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Knobs:
    """Settings that are checked when they are made.

    Raises:
      FlagError: for a value that is not allowed; it names the setting and says which are.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not field.metadata['valid'](value):
                raise FlagError(f'{field.name}={value} is not allowed: {field.metadata["help"]}.')
