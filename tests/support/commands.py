"""Runs commands as a user does, but in this process, which saves the start of TensorFlow."""

import importlib
import sys
from types import ModuleType

import pytest


def invoke(module: ModuleType | str, *arguments: str) -> int:
    """Runs a command, a module of the package or its name; returns its exit status."""
    command = importlib.import_module(module) if isinstance(module, str) else module
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [command.__name__, *arguments])
        with pytest.raises(SystemExit) as ended:
            command.COMMAND.run()
    return int(ended.value.code or 0)


def flags_of(module: ModuleType) -> set[str]:
    """Returns the names of a command's flags, without aliases."""
    from estimator_lab.base.settings import settings_of

    return set(settings_of(module.COMMAND.settings))
