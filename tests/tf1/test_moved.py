"""Names of TensorFlow's past."""

import importlib
import importlib.util
import warnings

import pytest

from estimator_lab.tf1 import MovedName, tf
from estimator_lab.tf1._moved_names import MODULES, NAMES, new_names, sources_of

FORWARDED = [
    'canned.dnn',
    'canned.head',
    'canned.linear',
    'estimator',
    'estimator_lib',
    'export.export_output',
    'inputs.numpy_io',
    'inputs.queues.feeding_functions',
    'keras',
    'model_fn',
    'run_config',
    'training',
    'util',
]


@pytest.mark.parametrize('name', [*MODULES, *(f'tensorflow.python.estimator.{name}' for name in FORWARDED)])
def test_each_module_of_the_past_has_the_names_of_todays(name):
    module = importlib.import_module(name)
    source = importlib.import_module(sources_of(name)[0])
    names = [each for each in vars(source) if not each.startswith('_')]
    ours = not name.startswith('tensorflow.python.eager') or tf.__version__ >= '2.16'
    shared = [each for each in names if getattr(module, each, None) is getattr(source, each)]
    assert not ours or len(shared) >= 0.8 * len(names)


@pytest.mark.parametrize('module', NAMES)
def test_each_name_of_the_past_is_found(module):
    for name in new_names(module):
        assert getattr(importlib.import_module(module), name) is not None


def test_what_a_tensorflow_has_is_never_replaced(tmp_path, monkeypatch):
    from estimator_lab.tf1 import _module_hooks

    (tmp_path / 'with_a_name.py').write_text('here = 1\ndef __getattr__(name):\n    return len(name)\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr('sys.meta_path', list(__import__('sys').meta_path))
    _module_hooks.answer_missing_names({'with_a_name': lambda name: 'ours'})
    _module_hooks.supply_modules(lambda name: _module_hooks.Forwarder(['json']) if 'with' in name else None)
    module = importlib.import_module('with_a_name')
    assert (module.here, module.other) == (1, 5)
    assert importlib.import_module('without_a_file').dumps(1) == '1'
    monkeypatch.delitem(__import__('sys').modules, 'with_a_name')
    monkeypatch.delitem(__import__('sys').modules, 'without_a_file')


def test_names_that_never_were_are_missing_still():
    from tensorflow.python.util import nest

    assert not hasattr(nest, 'no_such_name')
    with pytest.raises(ImportError):
        importlib.import_module('tensorflow.python.no_such_module')
    with pytest.raises(ImportError):
        importlib.import_module('tensorflow.python.estimator.no_such_module')


USES = """
from estimator_lab.tf1 import tf
from tensorflow.python.ops import array_ops
from tensorflow.python.framework import ops
from tensorflow.python.util import nest
for _ in range(2):
    nest.is_sequence([1])
ops.register_tensor_conversion_function
"""


def test_moved_names_are_told_in_one_line_each_to_those_who_ask(run_python):
    done = run_python('-c', USES, ESTIMATOR_LAB_SHOW_MOVED='1')
    told = [line for line in done.stderr.splitlines() if 'MovedName' in line]
    if not told:
        pytest.skip('this TensorFlow has both names')
    assert '<string>:7: MovedName: tensorflow.python.util.nest.is_sequence is now ' in told[0]
    assert len(told) == len(set(told)) <= 2
    assert run_python('-c', USES).stderr == ''


def test_the_warning_is_of_a_kind_that_python_leaves_unsaid():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warnings.simplefilter('ignore', PendingDeprecationWarning)
        warnings.warn('', MovedName, stacklevel=1)
