"""Hides the laboratory, as the Estimator on today's TensorFlow does not need it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

LABORATORY = ('api', 'core', 'data', 'inference', 'models', 'optimizers', 'runs', 'training')

HIDDEN = f'import sys; sys.modules.update({{"estimator_lab." + room: None for room in {LABORATORY}}})\n'
"""First line of a program for which the laboratory is out of reach."""


@contextmanager
def laboratory_hidden() -> Iterator[None]:
    """Lets no module of the laboratory be imported, also if another test has imported it."""
    rooms = tuple(f'estimator_lab.{room}' for room in LABORATORY)
    loaded = [name for name in sys.modules if f'{name}.'.startswith(tuple(f'{room}.' for room in rooms))]
    with pytest.MonkeyPatch.context() as patch:
        for name in {*rooms, *loaded}:
            patch.setitem(sys.modules, name, None)
        yield
