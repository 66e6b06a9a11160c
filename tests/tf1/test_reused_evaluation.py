"""Evaluations that share a graph, compared with `Estimator.evaluate` of the same checkpoints."""

from pathlib import Path

import numpy as np
import pytest

from estimator_lab.tf1 import reused_evaluation_graph, tf

pytestmark = [pytest.mark.both, pytest.mark.trains]

ROWS = np.arange(8, dtype=np.float32).reshape(8, 1)
EVAL, TRAIN = tf.estimator.ModeKeys.EVAL, tf.estimator.ModeKeys.TRAIN


def model_fn(features, labels, mode):
    """One weight; EVAL reads its moving average, of decay 0.5, from the checkpoint."""
    weight = tf.get_variable('weight', [], initializer=tf.zeros_initializer())
    error = features[:, 0] * weight - labels
    loss = tf.reduce_mean(tf.square(error))
    average = tf.train.ExponentialMovingAverage(0.5)
    if mode == TRAIN:
        step = tf.train.get_global_step()
        learn = tf.train.GradientDescentOptimizer(0.01).minimize(loss, step)
        with tf.control_dependencies([learn]):
            train_op = average.apply([weight])
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
    restored = {'global_step': tf.train.get_global_step(), average.average_name(weight): weight}
    return tf.estimator.EstimatorSpec(
        mode,
        loss=loss,
        eval_metric_ops={'weight': tf.metrics.mean(weight), 'rows': tf.metrics.mean(features)},
        scaffold=tf.train.Scaffold(saver=tf.train.Saver(restored)),
    )


def dataset():
    return tf.data.Dataset.from_tensor_slices((ROWS, 3 * ROWS[:, 0])).batch(3)


def one_shot():
    return tf.data.make_one_shot_iterator(dataset()).get_next()


def queue():
    row, label = tf.train.slice_input_producer([ROWS, 3 * ROWS[:, 0]], num_epochs=1, shuffle=False)
    return tuple(tf.train.batch([row, label], 3, allow_smaller_final_batch=True))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """An Estimator with checkpoints at steps 1, 2 and 3, and their paths."""
    folder = tmp_path_factory.mktemp('model')
    config = tf.estimator.RunConfig(str(folder), save_checkpoints_steps=1, keep_checkpoint_max=None)
    estimator = tf.estimator.Estimator(model_fn, config=config)
    estimator.train(lambda: dataset().repeat(), steps=3)
    return estimator, [str(folder / f'model.ckpt-{step}') for step in (1, 2, 3)]


@pytest.fixture
def builds(monkeypatch):
    """The sessions that were created, one for each graph of an evaluation."""
    made = []
    create = tf.train.ChiefSessionCreator.create_session

    def counted(self):
        made.append(create(self))
        return made[-1]

    monkeypatch.setattr(tf.train.ChiefSessionCreator, 'create_session', counted)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(('input_fn', 'sessions'), [(dataset, 1), (one_shot, 3), (queue, 3)])
@pytest.mark.parametrize('steps', [None, 2])
def test_metrics_equal_those_of_separate_graphs(trained, builds, input_fn, sessions, steps):
    estimator, checkpoints = trained
    expected = [estimator.evaluate(input_fn, steps, checkpoint_path=path) for path in checkpoints]
    # 8 rows in batches of 3: two steps evaluate rows 0 to 5
    assert expected[0]['rows'] == (3.5 if steps is None else 2.5)
    assert len({found['weight'] for found in expected}) == 3
    builds.clear()
    with reused_evaluation_graph(estimator):
        found = [estimator.evaluate(input_fn, steps, checkpoint_path=path) for path in checkpoints]
    assert found == expected
    assert len(builds) == sessions


def test_the_session_is_closed_after_the_block(trained, builds):
    estimator, _ = trained
    with reused_evaluation_graph(estimator):
        estimator.evaluate(dataset)
        (session,) = builds
        step = tf.train.get_global_step(session.graph)
        assert session.run(step) == 3
    with pytest.raises(RuntimeError, match='closed Session'):
        session.run(step)
    estimator.evaluate(dataset)
    estimator.evaluate(dataset)
    assert len(builds) == 3


def test_a_different_evaluation_has_a_different_graph(trained, builds):
    estimator, _ = trained
    with reused_evaluation_graph(estimator):
        for name in ('one', 'one', 'other', 'other'):
            estimator.evaluate(dataset, name=name)
        with pytest.raises(RuntimeError, match='closed Session'):
            builds[0].run(tf.train.get_global_step(builds[0].graph))
    assert len(builds) == 2
    assert all(any(Path(estimator.eval_dir(name)).glob('events*')) for name in ('one', 'other'))


def test_hooks_are_called_as_by_estimator(trained):
    class Recorder(tf.train.SessionRunHook):
        def __init__(self):
            self.calls = []

        def begin(self):
            self.calls.append('begin')

        def after_create_session(self, session, coord):
            self.calls.append(('session', session.run(tf.train.get_global_step())))

        def after_run(self, run_context, run_values):
            self.calls.append('run')

        def end(self, session):
            self.calls.append(('end', session.run(tf.train.get_global_step())))

    estimator, checkpoints = trained
    ours, theirs = Recorder(), Recorder()
    with reused_evaluation_graph(estimator):
        for path in checkpoints:
            estimator.evaluate(dataset, hooks=[ours], checkpoint_path=path)
    for path in checkpoints:
        estimator.evaluate(dataset, hooks=[theirs], checkpoint_path=path)
    assert ours.calls == theirs.calls
    assert ours.calls.count('run') == 9 and ours.calls[0] == 'begin' and ours.calls[-1] == ('end', 3)


def test_a_failed_evaluation_is_built_again(trained, builds):
    class Fault(tf.train.SessionRunHook):
        raising = True

        def after_run(self, run_context, run_values):
            if self.raising:
                raise KeyError('in the middle')

    estimator, _ = trained
    expected, fault = estimator.evaluate(dataset), Fault()
    builds.clear()
    with reused_evaluation_graph(estimator):
        with pytest.raises(KeyError, match='in the middle'):
            estimator.evaluate(dataset, hooks=[fault])
        fault.raising = False
        assert estimator.evaluate(dataset, hooks=[fault]) == expected
    assert len(builds) == 2


@pytest.mark.slow
def test_train_and_evaluate_with_tables(tmp_path, builds):
    """A canned classifier whose column has a table; each evaluation is compared with a separate one."""

    def input_fn():
        colours, labels = ['red', 'blue', 'green', 'red'], [0, 1, 1, 0]
        return tf.data.Dataset.from_tensors(({'colour': colours}, labels)).repeat(2)

    column = tf.feature_column.categorical_column_with_vocabulary_list('colour', ['red', 'blue'])
    config = tf.estimator.RunConfig(str(tmp_path), save_checkpoints_steps=1, keep_checkpoint_max=None)
    estimator = tf.estimator.LinearClassifier([column], config=config)
    losses = []

    class Log(tf.estimator.Exporter):
        name = 'log'

        def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
            losses.append((checkpoint_path, eval_result, is_the_final_export))

    spec = tf.estimator.EvalSpec(input_fn, steps=None, exporters=[Log()], start_delay_secs=0, throttle_secs=0)
    with reused_evaluation_graph(estimator):
        train_spec = tf.estimator.TrainSpec(lambda: input_fn().repeat(), max_steps=3)
        tf.estimator.train_and_evaluate(estimator, train_spec, spec)
    assert len(builds) == 2  # one trains
    assert [is_final for *_, is_final in losses] == [False, False, True]
    for path, found, _ in losses:
        assert found == estimator.evaluate(input_fn, checkpoint_path=path)
    assert len({found['loss'] for _, found, _ in losses}) == 3


def test_hooks_end_an_evaluation(trained):
    estimator, _ = trained

    class Stop(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            run_context.request_stop()

    with reused_evaluation_graph(estimator):
        assert estimator.evaluate(dataset, hooks=[Stop()])['rows'] == 1, 'of rows 0 to 2'
        assert estimator.evaluate(dataset)['rows'] == 3.5


def test_an_evaluation_that_fails_leaves_none_behind(trained, builds):
    estimator, checkpoints = trained
    with reused_evaluation_graph(estimator):
        with pytest.raises(ValueError, match=r'model\.ckpt-10'):
            estimator.evaluate(dataset, checkpoint_path=f'{checkpoints[0]}0')
        assert builds == [] and estimator.evaluate(dataset)['global_step'] == 3


def test_untrained_weights_are_evaluated_in_a_graph_of_their_own(tmp_path, builds):
    estimator = tf.estimator.Estimator(model_fn, str(tmp_path))
    with reused_evaluation_graph(estimator):
        assert [estimator.evaluate(dataset)['weight'] for _ in range(2)] == [0, 0]
    assert len(builds) == 2


def test_local_variables_are_initialized_with_their_feed_each_time(trained, builds):
    """As Estimator does with the Scaffold of an EVAL."""

    def with_feed(features, labels, mode):
        spec = model_fn(features, labels, mode)
        given = tf.placeholder(tf.float32, [])
        local = tf.get_local_variable('given', [], initializer=tf.zeros_initializer())
        with tf.control_dependencies([tf.local_variables_initializer()]):
            initialize = tf.group(local.assign(given))
        count = local.assign_add(1.0)
        scaffold = tf.train.Scaffold(
            saver=spec.scaffold.saver, local_init_op=initialize, local_init_feed_dict={given: 40.0}
        )
        metrics = {**spec.eval_metric_ops, 'count': (local, count)}
        return spec._replace(eval_metric_ops=metrics, scaffold=scaffold)

    folder, checkpoints = Path(trained[0].model_dir), trained[1]
    estimator = tf.estimator.Estimator(with_feed, str(folder))
    with reused_evaluation_graph(estimator):
        found = [estimator.evaluate(dataset, 2, checkpoint_path=path)['count'] for path in checkpoints]
    assert found == [42.0] * 3 and len(builds) == 1
