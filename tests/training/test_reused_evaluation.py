"""Evaluations that share a graph and a session find, write and draw what each in its own graph does."""

import pytest

from estimator_lab.core.model import EVALUATION
from estimator_lab.runs.event_files import all_values_in
from estimator_lab.tf1 import tf
from tests.archive_files import small_archive
from tests.models.contract.models import SMALL, shape_of
from tests.small_runs import cnn_settings, trained

LAST_STEP = 5
NAMES_THE_FOLDER = ('checkpoint_path', '_hparams_/session_start_info')


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    return str(small_archive(tmp_path_factory.mktemp('data')))


@pytest.fixture
def builds(monkeypatch):
    """Lists the steps of the checkpoints for which an evaluation graph was built."""
    steps = []
    build = tf.estimator.Estimator._evaluate_build_graph

    def counted(self, input_fn, hooks=None, checkpoint_path=None):
        steps.append(int(tf.train.load_variable(checkpoint_path, 'global_step')))
        return build(self, input_fn, hooks, checkpoint_path)

    monkeypatch.setattr(tf.estimator.Estimator, '_evaluate_build_graph', counted)
    return steps


def train(model, archive, folder, **changes):
    given = {
        'model': model,
        'max_steps': LAST_STEP + (4 if model == 'dbn' else 0),
        'image_size': shape_of(model)[0],
        'hparams': ','.join(f'{name}={value}' for name, value in SMALL[model].items()),
        'save_checkpoints_steps': 2,
        'deterministic': True,
    }
    return trained(cnn_settings(archive, folder, **given, **changes))[0]


def written(folder):
    """Returns {(step, tag): value} of all evaluations of a run, each written once."""
    found = {}
    for events in sorted(folder.rglob(f'{EVALUATION}/events.out.tfevents.*')):
        for step, value in all_values_in(events, pytest.fail):
            assert (step, value.tag) not in found
            names_it = value.tag.endswith(NAMES_THE_FOLDER)
            found[step, value.tag] = '' if names_it else value.SerializeToString()
    return found


@pytest.mark.parametrize('model', ['cnn', 'gan', 'dbn', 'rbm', 'autoencoder', 'recursive'])
def test_the_same_figures_and_pictures(model, archive, tmp_path, builds):
    changes = {'eval_steps': 2 if model == 'cnn' else None}
    kept = train(model, archive, tmp_path / 'kept', **changes)
    built, _ = list(builds), builds.clear()
    anew = train(model, archive, tmp_path / 'anew', rebuild_evaluation_graph=True, **changes)
    assert kept.metrics == anew.metrics
    found, expected = written(tmp_path / 'kept'), written(tmp_path / 'anew')
    assert found == expected
    phases = {events.parent for events in (tmp_path / 'kept').rglob(f'{EVALUATION}/events*')}
    assert sorted({step for step, tag in found if tag == 'loss'}) == builds
    assert len(built) == len(phases) < len(builds)
