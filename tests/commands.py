"""Commands as a person runs them, but in this process, which saves the start of TensorFlow."""

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
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, 'argv', [module.__name__, *arguments])
        arguments_help = getattr(module, '_ARGUMENTS', '')
        command.run(module.main, module._USAGE, module._GROUPS, arguments_help, module.FLAGS)
    return int(ended.value.code or 0)


def run_module_here(name: str, *arguments: str) -> int:
    """Runs a module as `python -m` does, with the flags of a process of its own; returns its exit status."""
    with pytest.MonkeyPatch.context() as patch, _own_flags(), warnings.catch_warnings():
        patch.setattr(sys, 'argv', [name, *arguments])
        warnings.filterwarnings('ignore', message='.* found in sys.modules')  # of runpy
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(name, run_name='__main__')
    return int(ended.value.code or 0)


@contextlib.contextmanager
def _own_flags() -> Iterator[None]:
    """Leaves absl's own flags alone and takes away those of all other programs for a while."""
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
