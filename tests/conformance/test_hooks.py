"""Session-run hooks."""

import logging

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, batches, events, line, scalars, slope_estimator

pytestmark = [pytest.mark.both, pytest.mark.trains]

train = tf.train


@pytest.fixture
def notes(caplog):
    """Lets TensorFlow's own log lines through; they are read from caplog."""
    level = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.INFO)
    with caplog.at_level(logging.INFO, logger='tensorflow'):
        yield caplog
    tf.logging.set_verbosity(level)


def calling(made, note, *methods):
    """Lets methods of a hook or listener call `note` with their name, and with the step if there is one."""
    for method in methods:
        setattr(
            made, method, lambda *arguments, name=method: note(' '.join([name, *map(str, arguments[1:])]))
        )
    return made


def test_order_of_calls(tmp_path):
    """A hook's methods are called in order: begin, after_create_session, (before_run, after_run)*, end."""
    calls = []
    methods = ('begin', 'after_create_session', 'before_run', 'after_run', 'end')
    spy = calling(train.SessionRunHook(), lambda call: calls.append(call.partition(' ')[0]), *methods)
    slope_estimator(tmp_path).train(line(), hooks=[spy], steps=2)
    assert calls == ['begin', 'after_create_session', *(['before_run', 'after_run'] * 2), 'end']


def test_extra_fetches_and_feeds(tmp_path):
    """SessionRunArgs adds fetches and feeds to a step, and request_stop ends training."""

    class Peek(train.SessionRunHook):
        def __init__(self):
            self.slopes = []

        def begin(self):
            self.slope = tf.global_variables()[-1]
            self.scale = tf.placeholder(tf.float32, [])
            self.scaled = self.scale * self.slope

        def before_run(self, run_context):
            return train.SessionRunArgs({'slope': self.scaled}, feed_dict={self.scale: 100.0})

        def after_run(self, run_context, run_values):
            self.slopes.append(float(run_values.results['slope']))
            if len(self.slopes) == 3:
                run_context.request_stop()

    hook = Peek()
    model = slope_estimator(tmp_path).train(line(), hooks=[hook])
    assert model.get_variable_value('global_step') == 3
    assert hook.slopes[-1] < 100 * 2


def test_logging_tensor(tmp_path, notes):
    """LoggingTensorHook logs a tensor every n steps, in a custom format."""
    hook = train.LoggingTensorHook(
        ['slope'], every_n_iter=2, formatter=lambda values: f'slope {values["slope"]:.1f}'
    )
    slope_estimator(tmp_path).train(line(), hooks=[hook], steps=4)
    lines = [record.getMessage() for record in notes.records if record.getMessage().startswith('slope')]
    assert lines == ['slope 0.0', 'slope 0.6']


def test_checkpoint_saver(tmp_path):
    """A custom CheckpointSaverHook replaces Estimator's, and calls its listeners around each save."""
    calls = []
    listener = calling(
        train.CheckpointSaverListener(), calls.append, 'begin', 'before_save', 'after_save', 'end'
    )
    saver = train.CheckpointSaverHook(str(tmp_path), save_steps=2, listeners=[listener])
    slope_estimator(tmp_path).train(line(), hooks=[saver], steps=3)
    saves = [call for step in (0, 2, 3) for call in (f'before_save {step}', f'after_save {step}')]
    assert calls == ['begin', *saves, 'end 3']
    assert {path.stem for path in tmp_path.glob('*.index')} == {f'model.ckpt-{step}' for step in (0, 2, 3)}


def test_step_counter(tmp_path):
    """StepCounterHook writes the speed as global_step/sec."""
    slope_estimator(tmp_path).train(
        line(), hooks=[train.StepCounterHook(every_n_steps=5, output_dir=str(tmp_path))], steps=12
    )
    speeds = scalars(tmp_path, 'global_step/sec')
    assert speeds and all(speed > 0 for _, speed in speeds)


def nan_model_fn(features, labels, mode):
    loss = tf.reduce_sum(features['x'])
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=tf.assign_add(tf.train.get_global_step(), 1))


def test_nan_loss(tmp_path):
    """Training stops with NanLossDuringTrainingError at a NaN loss."""
    x = np.array([1, np.nan], np.float32)
    model = tf.estimator.Estimator(nan_model_fn, str(tmp_path))
    with pytest.raises(tf.train.NanLossDuringTrainingError):
        model.train(batches({'x': x}, x, batch_size=1))


def test_profiler(tmp_path):
    """ProfilerHook writes a timeline every n steps."""
    hook = train.ProfilerHook(save_steps=2, output_dir=str(tmp_path / 'profile'))
    slope_estimator(tmp_path).train(line(), hooks=[hook], steps=4)
    assert list((tmp_path / 'profile').glob('timeline-*.json'))


def test_summaries_of_a_model_fn(tmp_path):
    """Training writes loss and the model_fn's own summaries every save_summary_steps, and the graph."""

    def model_fn(features, labels, mode):
        slope = tf.get_variable('w', [], initializer=tf.zeros_initializer())
        loss = tf.losses.mean_squared_error(labels, slope * features['x'])
        tf.summary.scalar('slope', slope)
        tf.summary.histogram('outputs', slope * features['x'])
        tf.summary.image('picture', tf.zeros([1, 2, 2, 1]))
        tf.summary.text('words', tf.constant('seven'))
        train_op = train.GradientDescentOptimizer(0.01).minimize(loss, train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    config = tf.estimator.RunConfig(str(tmp_path), save_summary_steps=2, log_step_count_steps=None)
    tf.estimator.Estimator(model_fn, config=config).train(line(), steps=5)
    assert [step for step, _ in scalars(tmp_path, 'loss')] == [1, 3, 5]
    assert [step for step, _ in scalars(tmp_path, 'slope')] == [1, 3, 5]
    tags = {value.tag for event in events(tmp_path) for value in event.summary.value}
    assert {'loss', 'slope', 'outputs', 'words'} <= tags
    assert any(tag.startswith('picture/image') for tag in tags)
    assert any(event.graph_def for event in events(tmp_path))


def test_evaluation_hooks_of_a_spec(tmp_path):
    """A spec's training_hooks, evaluation_hooks and prediction_hooks run in their modes only."""
    seen = []

    def note(name):
        return [calling(train.SessionRunHook(), lambda call: seen.append(name), 'end')]

    def model_fn(features, labels, mode):
        loss = tf.reduce_sum(features['x'])
        return tf.estimator.EstimatorSpec(
            mode,
            {'x': features['x']},
            loss,
            tf.assign_add(train.get_global_step(), 1),
            training_hooks=note('training'),
            evaluation_hooks=note('evaluation'),
            prediction_hooks=note('prediction'),
        )

    model = tf.estimator.Estimator(model_fn, str(tmp_path))
    model.train(batches({'x': X}, Y))
    model.evaluate(batches({'x': X}, Y))
    list(model.predict(batches({'x': X})))
    assert seen == ['training', 'evaluation', 'prediction']
