"""Old names of what TensorFlow still has, under the names that programs for 1.15 to 2.15 import.

An alias is made when it is first asked for. ``ESTIMATOR_LAB_SHOW_MOVED=1`` in the environment shows each
place that uses one, with the new name, as a warning of the category ``MovedName``.
"""

import functools
import os
import sys
import warnings
from importlib.abc import Loader
from typing import Any

from estimator_lab.tf1._module_hooks import Forwarder, answer_missing_names, look_up, supply_modules
from estimator_lab.tf1._moved_names import NAMES, new_names, sources_of

SHOW_VARIABLE = 'ESTIMATOR_LAB_SHOW_MOVED'
_MACHINERY = ('estimator_lab.tf1', 'importlib', 'tensorflow.python.util.module_wrapper')


class MovedName(PendingDeprecationWarning):
    """A program uses a name that TensorFlow has changed; Python leaves it unsaid unless asked."""


def install_moved_names() -> None:
    """Makes the old names work; where a TensorFlow has one itself, its own stands."""
    if os.environ.get(SHOW_VARIABLE, '0') not in ('', '0'):
        warnings.filterwarnings('default', category=MovedName)
    supply_modules(_forwarder_of)
    answer_missing_names({module: functools.partial(_moved_name, module) for module in NAMES})


def _forwarder_of(fullname: str) -> Loader | None:
    sources = sources_of(fullname) if fullname.startswith('tensorflow.') else []
    return Forwarder(sources, _tell) if sources else None


def _moved_name(module: str, name: str) -> Any:
    moved = new_names(module).get(name)
    if moved is None:
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    new_module, new_name = moved
    found = look_up(new_module, new_name)
    _tell(f'{module}.{name}', f'{new_module}.{new_name}')
    setattr(sys.modules[module], name, found)
    return found


def _tell(old: str, new: str) -> None:
    """Warns at the line of the program that asked, which lies above us and the machinery of imports."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get('__name__', '').startswith(_MACHINERY):
        frame = frame.f_back
    names = frame.f_globals
    warnings.warn_explicit(
        f'{old} is now {new}.',
        MovedName,
        frame.f_code.co_filename,
        frame.f_lineno,
        names.get('__name__'),
        names.setdefault('__warningregistry__', {}),
    )
