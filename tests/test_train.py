"""The command as a person runs it: a process, its output and its exit status."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from estimator_lab import train as command
from tests.support.archive_files import encoded, picture, write_tar

pytestmark = pytest.mark.trains

SMALL = ('--image_size=8', '--hparams=filters=2,dense_units=8', '--batch_size=6')


@pytest.fixture
def train(run_forked, tmp_path):
    def run(*flags, **environment):
        return run_forked(
            '-m', 'estimator_lab.train', f'--model_dir={tmp_path / "model"}', *flags, **environment
        )

    return run


@pytest.mark.slow
def test_a_run_says_what_a_person_needs(train, archive, tmp_path):
    done = train(f'--data={archive}', f'--eval_data={archive}', '--epochs=1', *SMALL)
    assert (done.returncode, done.stderr) == (0, '')
    for words in (
        f'Training data    24 images, 4 labels: {archive}',
        '--eval_data has train.tar in common with --data: no unseen examples.',
        f'Evaluation data  24 images: {archive}',
        'Training         step 0 to 4',
        'evaluated at step 4: accuracy',
        'Accuracy         0.',
        f'Checkpoint       {tmp_path / "model" / "model.ckpt-4"}',
    ):
        assert words in done.stdout
    for name in ('Watch it', 'TensorBoard'):
        assert re.search(
            rf'^{name} +.*tensorboard.*--logdir={tmp_path / "model"}$', done.stdout, re.MULTILINE
        )
    assert re.search(r'^Next +\S+ -m estimator_lab.train .*--max_steps=\.\.\.$', done.stdout, re.MULTILINE)
    assert (tmp_path / 'model' / 'checkpoint').exists()


@pytest.mark.slow
def test_too_many_bad_images_are_judged_in_one_sentence(train, tmp_path):
    files = [(f'{n % 4 // 2}/{n:02}.png', b'junk' if n % 2 else encoded(picture(n))) for n in range(24)]
    bad = write_tar(tmp_path / 'bad.tar', files)
    done = train(f'--data={bad}', '--max_steps', '9', '--max_bad_fraction', '0.2', *SMALL)
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith('error: '))
    assert re.match(r'error: 1\d of 24 images could not be decoded, more than --max_bad_fraction=0\.2', line)
    assert f'{tmp_path}/model/bad_members.csv lists them. The checkpoint of step ' in line
    assert line.endswith('Check the images, or go on with a larger --max_bad_fraction.')


def test_built_in_data_needs_a_folder_for_it(train):
    done = train(XDG_CACHE_HOME='/proc/none')
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1 and 'set XDG_CACHE_HOME' in done.stderr


def test_packages_that_do_not_fit_get_one_sentence(run_python, archive):
    code = f"""
import importlib.metadata, runpy, sys
real = importlib.metadata.version
def version(name):
    return '2.14.0' if name == 'tensorflow-estimator' else real(name)
importlib.metadata.version = version
sys.argv = ['train', '--data={archive}']
runpy.run_module('estimator_lab.train', run_name='__main__')
"""
    done = run_python('-c', code)
    assert done.returncode == 1
    assert done.stderr.startswith(
        'error: tf.estimator needs tensorflow-estimator 2.15, but 2.14.0 is installed'
    )
    assert done.stderr.count('\n') == 1


def test_a_file_that_is_not_there_is_named_before_tensorflow_is_loaded(run_python):
    done = run_python(
        '-X', 'importtime', '-m', 'estimator_lab.train', '--eval_data=nowhere.tar', '--data=none'
    )
    assert done.returncode == 1 and "There is no file 'none'" in done.stderr
    assert not re.search(r'\| +tensorflow$', done.stderr, re.MULTILINE)


@pytest.mark.parametrize(('step', 'early', 'says'), [(3, False, True), (3, True, False), (9, False, False)])
def test_a_run_that_is_short_of_data_says_so_unless_it_stopped_early(capsys, step, early, says):
    plan = SimpleNamespace(
        settings=SimpleNamespace(model_dir=Path('run')), kind=SimpleNamespace(noun='images')
    )
    result = SimpleNamespace(
        **{'bad_images': 0, 'interrupted': False, 'step': step, 'max_steps': 9, 'stopped_early': early},
        **{'metrics': {}, 'checkpoint': 'run/model.ckpt'},
    )
    assert command._conclude(plan, result, SimpleNamespace()) == 0
    assert (f'The data ended at step {step} of 9.' in capsys.readouterr().out) == says
