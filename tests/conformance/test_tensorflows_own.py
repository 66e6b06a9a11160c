"""TensorFlow's own tests of linear and deep Estimators."""

import importlib
import inspect

import pytest

from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.slow]

CANNED = 'tensorflow_estimator.python.estimator.canned'
COLUMNS = 'tensorflow.python.feature_column'
# Module of tests -> the functions and classes that it tests, by the names of its arguments.
MODULES = {
    f'{CANNED}.dnn_testing_utils': {
        'dnn_model_fn': 'dnn.dnn_model_fn_v2',
        'dnn_logit_fn_builder': 'dnn.dnn_logit_fn_builder_v2',
        'dnn_classifier_fn': 'dnn.DNNClassifierV2',
        'dnn_regressor_fn': 'dnn.DNNRegressorV2',
        'fc_impl': 'feature_column_v2',
    },
    f'{CANNED}.linear_testing_utils': {
        'linear_classifier_fn': 'linear.LinearClassifierV2',
        'linear_regressor_fn': 'linear.LinearRegressorV2',
        'fc_lib': 'feature_column_v2',
    },
    f'{CANNED}.v1.dnn_testing_utils_v1': {
        'dnn_model_fn': 'dnn._dnn_model_fn',
        'dnn_logit_fn_builder': 'dnn.dnn_logit_fn_builder',
        'dnn_classifier_fn': 'dnn.DNNClassifier',
        'dnn_regressor_fn': 'dnn.DNNRegressor',
        'fc_impl': 'feature_column',
    },
    f'{CANNED}.v1.linear_testing_utils_v1': {
        'linear_classifier_fn': 'linear.LinearClassifier',
        'linear_regressor_fn': 'linear.LinearRegressor',
        'fc_lib': 'feature_column',
    },
}


def named(path):
    """Returns what a path in MODULES names."""
    module, _, name = path.partition('.')
    if not name:
        return importlib.import_module(f'{COLUMNS}.{module}')
    return getattr(importlib.import_module(f'{CANNED}.{module}'), name)


def cases():
    """Yields (class of tests, arguments, name of the test)."""
    _ = tf.estimator.Estimator  # makes the modules available that TensorFlow lacks
    for module, given in MODULES.items():
        for name, base in inspect.getmembers(importlib.import_module(module), inspect.isclass):
            if name.startswith('Base') and name.endswith('Test'):
                names = [each.strip('_') for each in inspect.signature(base).parameters]
                arguments = [given[each] for each in names]
                label = f'{module.rpartition(".")[2]}-{name}'
                for test in filter(lambda each: each.startswith('test'), dir(base)):
                    yield pytest.param(base, arguments, test, id=f'{label}-{test}')


CASES = list(cases())


@pytest.fixture(autouse=True)
def fresh_graph():
    """Leaves the default graph alone, which these tests reset."""
    tf.reset_default_graph()


def test_all_of_them_are_here():
    """The package has 215 tests of linear and deep Estimators"""
    assert len(CASES) == 215


@pytest.mark.once  # TensorFlow 2.15 has them, and what they test, from the same package
@pytest.mark.parametrize(('base', 'arguments', 'name'), CASES)
def test_tensorflows_own(base, arguments, name):
    """TensorFlow's own tests of the linear and deep Estimators pass"""

    class Case(base, tf.test.TestCase):
        assertEquals = tf.test.TestCase.assertEqual  # noqa: N815 - Python 3.12 has removed it

        def __init__(self):
            tf.test.TestCase.__init__(self, name)
            base.__init__(self, *map(named, arguments))

    result = Case().run()
    problems = [*result.errors, *result.failures]
    assert not problems, problems[0][1]
