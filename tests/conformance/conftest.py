"""Each test here is one behaviour of the API, named by its docstring; pytest's JUnit file carries the names.

`tools/conformance_table.py` makes the table of docs/conformance.md from one such file for each TensorFlow.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.tf1 import tf

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives each test of this folder its topic and its behaviour's name, for the JUnit file."""
    for item in items:
        if isinstance(item, pytest.Function) and HERE in item.path.parents:
            topic = inspect.getdoc(item.module)
            behaviour = inspect.getdoc(item.function)
            if not topic or not behaviour:
                raise pytest.UsageError(f'{item.nodeid} needs a docstring that names the behaviour')
            case = f' ({item.callspec.id})' if hasattr(item, 'callspec') else ''
            name = ' '.join(behaviour.split()).rstrip('.') + case
            item.user_properties += [('topic', topic.splitlines()[0].rstrip('.')), ('behaviour', name)]
            item.user_properties.append(('tensorflow', tf.__version__))


@pytest.fixture
def differs(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Writes into the table how this version differs from the others in the behaviour under test."""
    return lambda how: request.node.user_properties.append(('differs', how))


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    """A seeded graph for each test, so that neither variable names nor random numbers depend on the order."""
    np.random.seed(1)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        yield
