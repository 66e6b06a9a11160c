"""train_and_evaluate and its exporters."""

from pathlib import Path

import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import line, scalars, slope_estimator

pytestmark = [pytest.mark.both, pytest.mark.trains]


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


@pytest.mark.slow
def test_evaluation_at_each_checkpoint(tmp_path):
    """train_and_evaluate evaluates at every checkpoint, into the folder of the EvalSpec's name."""
    model = slope_estimator(tmp_path, save_checkpoints_steps=2)
    tf.estimator.train_and_evaluate(model, *specs(6, name='held_out'))
    losses = dict(scalars(tmp_path / 'eval_held_out', 'loss'))
    assert sorted(losses) == [2, 4, 6]
    assert losses[2] > losses[4] > losses[6]


def exported(folder):
    return sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


@pytest.mark.slow
def test_final_exporter(tmp_path):
    """FinalExporter exports once, at the end."""
    model = slope_estimator(tmp_path, save_checkpoints_steps=1)
    exporter = tf.estimator.FinalExporter('final', receiver)
    _, (path,) = tf.estimator.train_and_evaluate(model, *specs(3, exporters=exporter))
    assert [str(p).encode() for p in exported(tmp_path / 'export' / 'final')] == [path]


@pytest.mark.slow
@pytest.mark.parametrize(('rate', 'count'), [(0.01, 3), (0.14, 1)], ids=['falling loss', 'rising loss'])
def test_best_exporter(rate, count, tmp_path, monkeypatch):
    """BestExporter exports only models with a lower loss than all before."""
    _fast_clock(monkeypatch)
    model = slope_estimator(tmp_path, {'rate': rate}, save_checkpoints_steps=1)
    exporter = tf.estimator.BestExporter('best', receiver)
    tf.estimator.train_and_evaluate(model, *specs(3, exporters=[exporter]))
    assert len(exported(tmp_path / 'export' / 'best')) == count


def _fast_clock(monkeypatch):
    """Gives each export a second of its own: exporters name folders by seconds, and sleep on a clash."""
    from tensorflow_estimator.python.estimator.export import export_lib

    seconds = iter(range(1_700_000_000, 1_800_000_000))
    monkeypatch.setattr(
        export_lib, 'get_timestamped_export_dir', lambda base: str(Path(base) / str(next(seconds))).encode()
    )
