"""Runs commands as a user does, but in this process, which saves the start of TensorFlow."""

import contextlib
import runpy
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest
from absl import flags

from estimator_lab.console import command


def invoke(module: ModuleType, *arguments: str) -> int:
    """Runs a command that has FLAGS of its own; returns its exit status."""
    for name in module.FLAGS:
        module.FLAGS[name].unparse()
    arguments_help = getattr(module, '_ARGUMENTS', '')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [module.__name__, *arguments])
        with pytest.raises(SystemExit) as ended:
            command.run(module.main, module._USAGE, module._GROUPS, arguments_help, module.FLAGS)
    return int(ended.value.code or 0)


def run_module_here(name: str, *arguments: str) -> int:
    """Runs a module as `python -m` does, with its own flags only; returns its exit status."""
    with pytest.MonkeyPatch.context() as patch, _own_flags(), warnings.catch_warnings():
        patch.setattr(sys, 'argv', [name, *arguments])
        warnings.filterwarnings('ignore', message='.* found in sys.modules')  # of runpy
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(name, run_name='__main__')
    return int(ended.value.code or 0)


@contextlib.contextmanager
def _own_flags() -> Iterator[None]:
    """Removes all flags but absl's own within the block."""
    modules = flags.FLAGS.flags_by_module_dict()
    flags_kept = [flag for name, theirs in modules.items() if name.startswith('absl.') for flag in theirs]
    state = vars(flags.FLAGS)
    before = dict(state)
    state.clear()
    state.update(vars(flags.FlagValues()))
    for flag in flags_kept:
        flags.FLAGS[flag.name] = flag
    try:
        yield
    finally:
        state.clear()
        state.update(before)
