"""Small programs that use tf.contrib and TensorFlow's modules as well-known programs do."""

import pytest

from tests.support.places import ROOT

pytestmark = [pytest.mark.both, pytest.mark.slow]

PROGRAMS = {
    'transformer': [
        '64 60 True',
        "['LayerNorm/beta', 'LayerNorm/gamma', 'LayerNorm_1/beta', 'LayerNorm_1/gamma']",
        '60 60',
    ],
    'recommender': [
        '30 True True',
        '30 True True',
        "['BatchNorm/beta', 'BatchNorm/beta/Adagrad', 'BatchNorm/moving_mean', "
        "'BatchNorm/moving_variance', 'deep/biases', 'deep/biases/Adagrad', 'deep/weights', "
        "'deep/weights/Adagrad']",
    ],
    'tagger': ['80 True', 'True'],
}


@pytest.mark.parametrize('name', PROGRAMS)
def test_a_program_trains_evaluates_and_predicts(run_forked, tmp_path, name):
    done = run_forked(str(ROOT / 'tests' / 'contrib' / 'programs' / f'{name}.py'), str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == PROGRAMS[name], done.stderr
