"""Names that Python and NumPy have dropped."""

import pytest

PROGRAM = """
from estimator_lab.tf1.dropped import restore_dropped_names
restore_dropped_names()
import collections, collections.abc, inspect, time
from collections import OrderedDict, Mapping
import numpy as np

def two(a, b=1, *more): pass
spec = inspect.getargspec(two)
assert spec == (['a', 'b'], 'more', None, (1,)) and spec.args == ['a', 'b']
assert Mapping is collections.abc.Mapping and OrderedDict is collections.OrderedDict
assert time.clock() > 0 and np.object is object and np.float is float and np.float_ is np.float64
assert np.array([1], np.int).dtype.kind == 'i' and np.isnan(np.NaN)
assert np.bool_ is not bool
print([np.float64(1.5)])
"""


@pytest.mark.parametrize('twice', [False, True])
def test_names_that_python_and_numpy_have_dropped(run_forked, twice):
    done = run_forked('-c', PROGRAM * (1 + twice))
    assert done.stdout == '[1.5]\n' * (1 + twice), done.stderr
