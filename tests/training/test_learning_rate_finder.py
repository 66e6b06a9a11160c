"""The learning-rate range test: what it suggests, what it feeds, and what it leaves alone."""

import numpy as np
import pytest

from estimator_lab import train as command
from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.core import training as train_step
from estimator_lab.tf1 import tf
from estimator_lab.training import learning_rate_finder as finder
from estimator_lab.training.learning_rate_finder import RangeTest, find_learning_rate
from tests.archive_files import encoded, picture, write_tar
from tests.small_runs import cnn_settings, small_settings

RATES = np.geomspace(1e-6, 10, 100)


def found(losses):
    return RangeTest(RATES[: len(losses)].tolist(), list(losses))


def test_the_suggestion_is_a_tenth_of_the_rate_with_the_lowest_loss():
    losses = 2 + np.log10(RATES / 0.1) ** 2 / 25
    test = found(losses)
    lowest = RATES[test.lowest]
    assert 0.1 < lowest < 1  # the average follows the losses by up to a decade
    assert test.suggestion == pytest.approx(lowest / 10, rel=0.5)
    assert len(f'{test.suggestion:g}'.replace('.', '').strip('0')) == 1


def test_the_average_is_that_of_pandas():
    pandas = pytest.importorskip('pandas')
    losses = np.random.RandomState(1).rand(40)
    np.testing.assert_allclose(
        found(losses).smoothed, pandas.Series(losses).ewm(alpha=0.1).mean(), rtol=1e-12
    )


@pytest.mark.parametrize('slope', [0.0, 0.01])
def test_without_a_clear_decrease_there_is_no_suggestion(slope):
    noise = np.random.RandomState(1).normal(size=100)
    assert found(2 + noise * 0.1 + slope * np.arange(100)).suggestion is None


def test_the_end_is_where_the_smoothed_loss_is_four_times_its_lowest():
    assert not found([2.0] * 60 + [3.0] * 40).has_diverged
    assert found([2.0] * 60 + [30.0] * 40).has_diverged


def test_each_step_has_the_next_rate(archive, tmp_path, monkeypatch):
    made = []
    sgd = tf.train.GradientDescentOptimizer
    seen = tmp_path / 'seen'

    def optimizer(rate):
        made.append(rate)
        return sgd(
            tf.py_func(lambda value: (seen.open('a').write(f'{value} '), value)[1], [rate], tf.float32)
        )

    monkeypatch.setattr(tf.train, 'GradientDescentOptimizer', optimizer)
    settings = cnn_settings(archive, tmp_path / 'model', hparams='optimizer=sgd,filters=2,dense_units=8')
    test = find_learning_rate(settings, lambda line: None, updates=30)
    used = sorted({float(text) for text in seen.read_text().split()})
    np.testing.assert_allclose(used, test.rates, rtol=1e-5)
    assert (used[0], len(made)) == (pytest.approx(1e-6), 1)


def test_the_rates_are_those_of_all_layers(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(train_step, 'FanInAdam', None)  # whose rates rise later than those of the test
    hparams = 'warmup_inputs=8,warmup_steps=3,filters=2,dense_units=8'
    test = find_learning_rate(cnn_settings(archive, tmp_path / 'm', hparams=hparams), print, updates=30)
    assert len(test.rates) == 30


def test_accumulated_batches_are_one_update(archive, tmp_path):
    test = find_learning_rate(cnn_settings(archive, tmp_path / 'm', accumulate=2), print, updates=30)
    assert len(test.losses) == 30


def test_a_run_stays_as_it_is_and_nothing_is_left(cnn_dir, archive, tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'temporary'))
    monkeypatch.setattr('tempfile.tempdir', None)
    (tmp_path / 'temporary').mkdir()
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in cnn_dir.rglob('*')}
    find_learning_rate(cnn_settings(archive, cnn_dir), print, updates=30)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in cnn_dir.rglob('*')} == before
    assert not list((tmp_path / 'temporary').glob('estimator_lab_*'))


@pytest.mark.parametrize(
    ('model', 'changes', 'words'),
    [
        (
            'gan',
            {'image_size': 16, 'hparams': 'filters=2'},
            '--model=gan has no single learning rate',
        ),
        ('dbn', {'hparams': 'layers=4'}, 'give --hparams=pretrain_epochs=0'),
        ('cnn', {'hparams': 'optimizer=lbfgs,filters=2'}, 'lbfgs has no learning rate'),
        ('cnn', {'hparams': 'filters=2', 'distribution': 'mirrored'}, 'one process and one device'),
    ],
)
def test_models_without_a_learning_rate_are_rejected(tmp_path, model, changes, words):
    with pytest.raises(FlagError, match=words):
        find_learning_rate(small_settings(model, tmp_path, **changes), print)


def test_losses_that_are_no_numbers_are_an_error(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(finder, 'LOWEST', 1e30)
    monkeypatch.setattr(finder, 'HIGHEST', 1e38)
    with pytest.raises(LabError, match='not a number'):
        find_learning_rate(cnn_settings(archive, tmp_path, hparams='optimizer=sgd,filters=2'), print)


def test_the_command_prints_a_curve_and_the_next_command(run_command, tmp_path):
    files = [(f'{n % 2}/{n:02}.png', encoded(picture(n % 2))) for n in range(24)]
    data, runs = write_tar(tmp_path / 'two.tar', files), tmp_path / 'run'
    flags = [f'--data={data}', f'--model_dir={runs}', '--image_size=8', '--batch_size=6']
    hparams = '--hparams=filters=2,learning_rate=7,dense_units=8'
    status, out, err = run_command(command, *flags, hparams, '--find_learning_rate')
    assert (status, err) == (0, '')
    assert 'learning rate        loss' in out and '  lowest\n' in out and '1.0e-06' in out
    rate = out.partition('a learning rate of ')[2].partition(',')[0]
    assert 1e-5 < float(rate) < 1
    next_command = out.partition('Next             ')[2].rstrip()
    assert next_command.endswith(f'--hparams=filters=2,dense_units=8,learning_rate={rate}')
    assert 'find' not in next_command
    assert not runs.exists()
