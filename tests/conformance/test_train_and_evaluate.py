"""train_and_evaluate and its exporters."""

from pathlib import Path

import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, line, scalars, slope_estimator


def receiver():
    x = tf.placeholder(tf.float32, [None], name='x')
    return tf.estimator.export.ServingInputReceiver({'x': x}, {'x': x})


def specs(max_steps=4, **evaluation):
    return (
        tf.estimator.TrainSpec(line(), max_steps),
        tf.estimator.EvalSpec(line(epochs=1), steps=None, start_delay_secs=0, throttle_secs=0, **evaluation),
    )


def test_local_run(tmp_path):
    """train_and_evaluate trains to max_steps, evaluates, and returns the last metrics."""
    model = slope_estimator(tmp_path)
    metrics, exports = tf.estimator.train_and_evaluate(model, *specs(4))
    assert metrics['global_step'] == 4
    assert exports == []
    assert metrics == model.evaluate(line(epochs=1))


def test_evaluation_at_each_checkpoint(tmp_path):
    """train_and_evaluate evaluates at every checkpoint, into the folder of the EvalSpec's name."""
    model = slope_estimator(tmp_path, save_checkpoints_steps=2)
    tf.estimator.train_and_evaluate(model, *specs(6, name='held_out'))
    losses = dict(scalars(tmp_path / 'eval_held_out', 'loss'))
    assert sorted(losses) == [2, 4, 6]
    assert losses[2] > losses[4] > losses[6]


def test_a_second_run_continues(tmp_path):
    """train_and_evaluate continues from the checkpoint, and returns nothing new beyond max_steps."""
    tf.estimator.train_and_evaluate(slope_estimator(tmp_path), *specs(2))
    metrics, _ = tf.estimator.train_and_evaluate(slope_estimator(tmp_path), *specs(5))
    assert metrics['global_step'] == 5


def test_hooks_of_both_specs(tmp_path):
    """TrainSpec and EvalSpec pass their hooks to training and to evaluation."""

    class Count(tf.train.SessionRunHook):
        steps = 0

        def after_run(self, run_context, run_values):
            self.steps += 1

    training, evaluation = Count(), Count()
    train_spec, _ = specs()
    eval_spec = tf.estimator.EvalSpec(line(epochs=3), steps=2, hooks=[evaluation])
    tf.estimator.train_and_evaluate(
        slope_estimator(tmp_path),
        tf.estimator.TrainSpec(train_spec.input_fn, max_steps=3, hooks=[training]),
        eval_spec,
    )
    assert (training.steps, evaluation.steps) == (3, 2)


def test_bad_specs():
    """TrainSpec and EvalSpec reject steps below 1, invalid hooks, and delays below 0."""
    with pytest.raises(ValueError, match='max_steps'):
        tf.estimator.TrainSpec(line(), max_steps=0)
    with pytest.raises(TypeError, match='hooks'):
        tf.estimator.TrainSpec(line(), hooks=['hook'])
    with pytest.raises(TypeError, match='input_fn'):
        tf.estimator.EvalSpec('input_fn')
    with pytest.raises(ValueError, match='steps'):
        tf.estimator.EvalSpec(line(), steps=-1)
    with pytest.raises(ValueError, match='throttle_secs'):
        tf.estimator.EvalSpec(line(), throttle_secs=-1)


def test_wrong_objects(tmp_path):
    """train_and_evaluate rejects anything but an Estimator, a TrainSpec and an EvalSpec."""
    train_spec, eval_spec = specs()
    with pytest.raises(TypeError):
        tf.estimator.train_and_evaluate('model', train_spec, eval_spec)
    with pytest.raises(TypeError):
        tf.estimator.train_and_evaluate(slope_estimator(tmp_path), eval_spec, eval_spec)


def exported(folder):
    return sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def test_final_exporter(tmp_path):
    """FinalExporter exports once, at the end."""
    model = slope_estimator(tmp_path, save_checkpoints_steps=1)
    exporter = tf.estimator.FinalExporter('final', receiver)
    _, (path,) = tf.estimator.train_and_evaluate(model, *specs(3, exporters=exporter))
    assert [str(p).encode() for p in exported(tmp_path / 'export' / 'final')] == [path]


def test_latest_exporter(tmp_path, monkeypatch):
    """LatestExporter exports at each evaluation and keeps the newest exports_to_keep."""
    _fast_clock(monkeypatch)
    model = slope_estimator(tmp_path, save_checkpoints_steps=1)
    exporter = tf.estimator.LatestExporter('latest', receiver, exports_to_keep=2)
    tf.estimator.train_and_evaluate(model, *specs(4, exporters=[exporter]))
    assert len(exported(tmp_path / 'export' / 'latest')) == 2


@pytest.mark.parametrize(('rate', 'count'), [(0.01, 3), (0.14, 1)], ids=['falling loss', 'rising loss'])
def test_best_exporter(rate, count, tmp_path, monkeypatch):
    """BestExporter exports only models with a lower loss than all before."""
    _fast_clock(monkeypatch)
    model = slope_estimator(tmp_path, {'rate': rate}, save_checkpoints_steps=1)
    exporter = tf.estimator.BestExporter('best', receiver)
    tf.estimator.train_and_evaluate(model, *specs(3, exporters=[exporter]))
    assert len(exported(tmp_path / 'export' / 'best')) == count


def test_best_exporter_compares(tmp_path, monkeypatch):
    """BestExporter accepts a custom comparison."""
    _fast_clock(monkeypatch)
    seen = []

    def worse(best_eval_result, current_eval_result):
        seen.append((best_eval_result['mae'], current_eval_result['mae']))
        return False

    exporter = tf.estimator.BestExporter('best', receiver, compare_fn=worse)
    model = slope_estimator(tmp_path, save_checkpoints_steps=1)
    tf.estimator.train_and_evaluate(model, *specs(2, exporters=[exporter]))
    assert len(exported(tmp_path / 'export' / 'best')) == 1
    assert seen == [(pytest.approx(1.7 * X.mean()), pytest.approx(1.445 * X.mean()))]


def _fast_clock(monkeypatch):
    """Gives each export a second of its own: exporters name folders by seconds, and sleep on a clash."""
    from tensorflow_estimator.python.estimator.export import export_lib

    seconds = iter(range(1_700_000_000, 1_800_000_000))
    monkeypatch.setattr(
        export_lib, 'get_timestamped_export_dir', lambda base: str(Path(base) / str(next(seconds))).encode()
    )
