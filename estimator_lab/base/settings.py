"""Settings declared once: a dataclass field carries the default, the help text and the allowed values.

Flags of commands, hyper-parameters of models and settings of second-order optimizers are all such fields.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.errors import FlagError

_DECLARED = 'setting'


@dataclasses.dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    Attributes:
      default: its default value.
      help: one line: its meaning and the allowed values.
      valid: returns whether a value is allowed; None allows every value of the type.
      group: heading that the help page shows it under.
      choices: the allowed values; () for any.
      lower: smallest allowed value.
      upper: largest allowed value.
      structural: whether it decides which variables a checkpoint holds, or their shapes.
    """

    default: Any
    help: str
    valid: Callable[[Any], bool] | None = None
    group: str = ''
    choices: Sequence[Any] = ()
    lower: float | None = None
    upper: float | None = None
    structural: bool = False


def setting(default: Any, help_text: str, valid: Callable[[Any], bool] | None = None, **declared: Any) -> Any:
    """Returns a dataclass field that declares a `Setting`; its annotation is the setting's type."""
    metadata = {_DECLARED: Setting(default, help_text, valid, **declared)}
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(settings_class: type) -> dict[str, Setting]:
    """Returns the settings that a dataclass declares, by name; its plain fields are left out."""
    fields = dataclasses.fields(settings_class)
    return {field.name: field.metadata[_DECLARED] for field in fields if _DECLARED in field.metadata}


def structural_settings(settings_class: type) -> dict[str, Any]:
    """Returns the defaults of the structural settings, which a checkpoint is bound to, by name."""
    declared = settings_of(settings_class).items()
    return {name: setting.default for name, setting in declared if setting.structural}


def check_settings(settings: Any, what: str = '') -> None:
    """Raises FlagError for a value that is not allowed; it names the setting and the allowed values.

    Args:
      settings: an instance of a dataclass with declared settings.
      what: words that precede the name, with a space at the end.
    """
    for name, declared in settings_of(type(settings)).items():
        value = getattr(settings, name)
        if declared.valid and not declared.valid(value):
            raise FlagError(f'{what}{name}={value} is not allowed: {declared.help}.')
