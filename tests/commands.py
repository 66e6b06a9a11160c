"""Commands as a person runs them, but in this process, which saves the start of TensorFlow."""

import sys
from types import ModuleType

import pytest

from estimator_lab.console import command


def invoke(module: ModuleType, *arguments: str) -> int:
    """Runs a command that has FLAGS of its own; returns its exit status."""
    for name in module.FLAGS:
        module.FLAGS[name].unparse()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, 'argv', [module.__name__, *arguments])
        arguments_help = getattr(module, '_ARGUMENTS', '')
        command.run(module.main, module._USAGE, module._GROUPS, arguments_help, module.FLAGS)
    return int(ended.value.code or 0)
