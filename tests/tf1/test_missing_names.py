"""Names of TensorFlow 2 on the `tf` of TensorFlow 1: an AttributeError that says what to import."""

import pytest

from estimator_lab.tf1 import tf


@pytest.mark.parametrize(
    'path', ['metrics.AUC', 'losses.BinaryCrossentropy', 'optimizers', 'summary.create_file_writer']
)
def test_a_name_of_tensorflow_2_says_what_to_import(path):
    holder, _, name = path.rpartition('.')
    holder = getattr(tf, holder) if holder else tf
    assert not hasattr(holder, name)
    with pytest.raises(AttributeError, match=rf'^tf\.{path} is .*`import estimator_lab\.tf1` above it'):
        getattr(holder, name)


@pytest.mark.parametrize('holder', ['', 'metrics'])
def test_a_name_of_neither_is_an_ordinary_error(holder):
    module = getattr(tf, holder) if holder else tf
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = module.no_such_name
    assert getattr(module, '__no_such__', None) is None


def test_the_names_of_tensorflow_1_are_there():
    assert tf.metrics.auc and tf.losses.get_total_loss and tf.summary.FileWriter
    assert tf.estimator.DNNClassifier.__module__.endswith('dnn')
