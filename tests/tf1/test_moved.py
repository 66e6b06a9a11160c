"""Names of TensorFlow's past."""

import importlib
import sys
import warnings

import pytest

from estimator_lab.tf1 import MovedName, tf
from estimator_lab.tf1._modules import Finder, Forwarder
from estimator_lab.tf1._moved_names import MODULES, NAMES, new_names, sources_of

pytestmark = pytest.mark.filterwarnings('ignore::estimator_lab.tf1.MovedName')

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
    defined = [
        each for each, value in vars(source).items() if getattr(value, '__module__', '') == source.__name__
    ]
    assert [each for each in defined if not each.startswith('_') and not hasattr(module, each)] == []


@pytest.mark.parametrize('module', NAMES)
def test_each_name_of_the_past_is_found(module):
    for name in new_names(module):
        assert getattr(importlib.import_module(module), name) is not None


def test_what_a_tensorflow_has_is_never_replaced(tmp_path, monkeypatch):
    (tmp_path / 'with_a_name.py').write_text('here = 1\ndef __getattr__(name): return len(name)\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    finder = Finder()
    monkeypatch.setattr(sys, 'meta_path', [finder, *sys.meta_path])
    finder.answer('with_a_name', lambda name: 'ours')
    ours = {'with_a_name', 'without_a_file'}
    finder.supply('with', lambda name: Forwarder(['json']) if name in ours else None)
    try:
        module = importlib.import_module('with_a_name')
        assert (module.here, module.other) == (1, 5)
        assert importlib.import_module('without_a_file').dumps(1) == '1'
    finally:
        for name in ours:
            sys.modules.pop(name, None)


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
    assert 'MovedName' not in run_python('-c', USES).stderr


def test_the_warning_is_of_a_kind_that_python_leaves_unsaid():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warnings.simplefilter('ignore', PendingDeprecationWarning)
        warnings.warn('', MovedName, stacklevel=1)


def test_layers_of_keras_can_be_applied():
    with tf.Graph().as_default():
        ones = tf.keras.layers.Dense(2, kernel_initializer='ones').apply(tf.ones([1, 3]))
        dropped = tf.keras.layers.Dropout(0.5).apply(tf.ones([1, 3]), training=False)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert session.run([ones, dropped])[0].tolist() == [[3.0, 3.0]]
        assert tf.layers.Dense(2).apply(ones).shape[1] == 2
