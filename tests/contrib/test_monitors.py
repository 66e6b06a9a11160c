"""The monitors of tf.contrib.learn that are hooks of tf.train today, with the steps of TensorFlow 1.15.5."""

import re

import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.contrib.monitors import replace_monitors_with_hooks
from estimator_lab.tf1 import tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def fit(folder, *monitors, steps=None):
    """Trains a model without variables; a step adds one to the global step."""

    def model_fn(features, labels, mode):
        constant = tf.constant(1.0, name='constant')
        tf.constant(float('nan'), name='not_a_number')
        return tf.contrib.learn.ModelFnOps(
            mode, features, constant, tf.assign_add(tf.train.get_global_step(), 1).op
        )

    config = tf.contrib.learn.RunConfig(log_step_count_steps=None)
    model = tf.contrib.learn.Estimator(model_fn, str(folder), config)
    model.fit(input_fn=lambda: (tf.constant([[1.0]]), tf.constant([1.0])), steps=steps, monitors=monitors)
    return model.get_variable_value('global_step')


def steps_of(folder, tag):
    """Returns the steps of a tag in the event files of a folder."""
    events = [event for file in folder.glob('*tfevents*') for event in tf.train.summary_iterator(str(file))]
    return sorted(event.step for event in events for value in event.summary.value if value.tag == tag)


def test_printing_and_stopping(tmp_path, caplog):
    monitors = tf.contrib.learn.monitors
    with caplog.at_level('INFO', 'tensorflow'):
        assert fit(tmp_path, monitors.PrintTensor(['constant:0'], 2), monitors.StopAtStep(5)) == 5
    assert len(re.findall(r'constant:0 = 1\.0', caplog.text)) == 3
    assert fit(tmp_path, monitors.StopAtStep(last_step=7)) == 7
    with pytest.raises(ValueError, match=r'^first_n=3 must be at most 1, as tf\.train\.LoggingTensorHook'):
        monitors.PrintTensor(['constant:0'], first_n=3)


def test_a_loss_that_is_not_a_number(tmp_path):
    monitors = tf.contrib.learn.monitors
    assert fit(tmp_path, monitors.NanLoss('not_a_number:0', fail_on_nan_loss=False), steps=3) == 1
    with pytest.raises(tf.estimator.NanLossDuringTrainingError):
        fit(tmp_path, monitors.NanLoss('not_a_number:0'), steps=3)


def test_steps_per_second(tmp_path):
    monitors = tf.contrib.learn.monitors
    fit(tmp_path, monitors.StepCounter(2), steps=6)
    assert steps_of(tmp_path, 'global_step/sec') == [3, 5]


def test_only_the_chief_writes():
    monitors = tf.contrib.learn.monitors

    class Worker:
        model_dir = 'unused'

        class config:  # noqa: N801
            is_chief = False

    made = [
        monitors.StopAtStep(1),
        monitors.NanLoss('x'),
        monitors.PrintTensor(['x']),
        monitors.StepCounter(),
    ]
    kept = replace_monitors_with_hooks(made, Worker)
    assert [type(hook) for hook in kept] == [tf.train.StopAtStepHook, tf.train.NanTensorHook]


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('BaseMonitor', r'use a tf\.train\.SessionRunHook'),
        ('ExportMonitor', r'use tf\.estimator\.LatestExporter in an EvalSpec'),
        ('CheckpointSaver', r'use save_checkpoints_steps of a RunConfig, or tf\.train\.CheckpointSaverHook'),
        ('GraphDump', r'use tf\.train\.LoggingTensorHook with the names of the tensors'),
        ('NoSuch', 'it ended with TensorFlow 1'),
    ],
)
def test_other_monitors_name_what_replaces_them(name, words):
    for module in ('learn', 'learn.python.learn'):
        monitors = pytest.importorskip(f'tensorflow.contrib.{module}.monitors')
        with pytest.raises(
            AttributeError, match=rf'^tf\.contrib\.{module}\.monitors\.{name} is not supported: {words}'
        ):
            getattr(monitors, name)
    with pytest.raises(ImportError, match='LoggingTrainable'):
        from tensorflow.contrib.learn.python.learn.monitors import LoggingTrainable  # noqa: F401


def test_modules_of_hooks():
    from tensorflow.contrib.learn.python.learn import basic_session_run_hooks, session_run_hook

    assert basic_session_run_hooks.LoggingTensorHook is tf.train.LoggingTensorHook
    assert session_run_hook.SessionRunHook is tf.train.SessionRunHook
