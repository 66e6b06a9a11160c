"""Folders of others: a user who is not root meets folders that can't be listed, entered or written.

Nothing outside of the folders is read, changed or deleted, and what can't be done is one sentence.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.robustness.shim import COMPILER
from tests.support.archive_files import encoded, picture, write_tar

NOBODY = 65534

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMPILER, reason='there is no C compiler'),
    pytest.mark.skipif(os.geteuid() != 0, reason='only root can start a process of another user'),
]

_TRAIN = (
    'train --model=mlp --hparams=layers=4 --data={home}/train.tar --model_dir={home}/run --batch_size=6 '
    '--image_size=8 --deterministic --max_steps='
)
_READ = '--model_dir={home}/run --out={home}/out/new'
_COMMANDS = {
    'start': f'{_TRAIN}2',
    'resume': f'{_TRAIN}3',
    'best': f'{_TRAIN}3 --export=best',
    'evaluate': f'evaluate {_READ}_tables --data={{home}}/train.tar',
    'predict': f'predict {_READ}.csv {{home}}/train.tar',
    'inspect': f'inspect {_READ} --image={{home}}/train.tar:n0/0.png',
    'inspect_here': 'inspect --model_dir={home}/run --image={home}/train.tar:n0/0.png',
    'export': f'export {_READ}_models',
    'export_here': 'export --model_dir={home}/run',
    'report': f'report {_READ}.html',
}


@pytest.fixture(scope='module')
def place():
    """A folder that everybody may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope='module')
def template(runner, place):
    """A folder with an archive and a run that has exported its best evaluation."""
    home = place / 'template'
    home.mkdir()
    files = [(f'n{n % 2}/{n}.png', encoded(picture(n, 8, 8, 'L'))) for n in range(12)]
    write_tar(home / 'train.tar', files)
    done = runner.run(f'{_TRAIN}2 --export=best'.format(home=home).split(), home)
    assert done.status == 0, done
    return home


@pytest.fixture
def home(template, place):
    """A copy of it that belongs to nobody, as does all in it; root owns a victim next to it."""
    home = Path(shutil.copytree(template, place / 'home'))
    (home / 'out').mkdir()
    give(home)
    yield home
    shutil.rmtree(home)


def give(folder):
    for path in (folder, *folder.rglob('*')):
        os.lchown(path, NOBODY, NOBODY)


@pytest.fixture
def victim(place):
    """A folder of nobody's own, outside of the run."""
    folder = place / 'victim'
    (folder / '1000000001').mkdir(parents=True)
    (folder / '1000000001' / 'thesis.txt').write_text('of the user')
    (folder / 'receptive_fields.png').write_text('of the user')
    give(folder)
    yield folder
    shutil.rmtree(folder)


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def run(runner, home, name):
    """Runs a command as nobody; returns its status, after checking that a failure is one sentence."""
    done = runner.run(_COMMANDS[name].format(home=home).split(), home, user=NOBODY)
    errors = [line for line in done.err.splitlines() if line.startswith('error: ')]
    assert 'Traceback' not in done.err + done.out, done
    assert done.status in (0, 1, 2) and len(errors) == bool(done.status), done
    return done


def test_a_command_succeeds_in_folders_of_ones_own(runner, home):
    for name in _COMMANDS:
        assert run(runner, home, name).status == 0


@pytest.mark.parametrize('mode', [0o311, 0o711, 0o000])
def test_training_follows_no_link_in_a_folder_that_it_cannot_list(runner, home, victim, mode):
    """TensorFlow would delete the oldest export behind the link `best`, whatever it is."""
    shutil.rmtree(home / 'run' / 'export')
    (home / 'run' / 'export').mkdir()
    (home / 'run' / 'export' / 'best').symlink_to(victim)
    os.chown(home / 'run' / 'export', 0, 0)
    (home / 'run' / 'export').chmod(mode)
    before, kept = files_in(victim), files_in(home / 'run')
    done = run(runner, home, 'best')
    assert (done.status, files_in(victim)) == (1, before)
    assert f'{home}/run/export' in done.err and 'cannot be read: Permission denied' in done.err
    assert files_in(home / 'run') == kept


@pytest.mark.parametrize('mode', [0o311, 0o711, 0o000])
def test_inspecting_follows_no_link_in_a_folder_that_it_cannot_list(runner, home, victim, mode):
    assert run(runner, home, 'inspect_here').status == 0
    (folder,) = (path for path in (home / 'run' / 'inspect').iterdir() if path.is_dir())
    shutil.rmtree(folder)
    folder.symlink_to(victim)
    os.chown(home / 'run' / 'inspect', 0, 0)
    (home / 'run' / 'inspect').chmod(mode)
    before = files_in(victim)
    done = run(runner, home, 'inspect_here')
    assert (done.status, files_in(victim)) == (1, before)
    assert f'{home}/run/inspect' in done.err and 'cannot be read: Permission denied' in done.err


@pytest.mark.parametrize(
    ('folder', 'mode', 'names'),
    [
        *(('run', mode, sorted(_COMMANDS)) for mode in (0o311, 0o000, 0o555)),
        ('run/eval', 0o311, ['best', 'evaluate']),
        ('run/eval', 0o000, ['best', 'report']),
        *(
            ('out', mode, ['evaluate', 'predict', 'inspect', 'export', 'report'])
            for mode in (0o311, 0o000, 0o555)
        ),
    ],
)
def test_what_cannot_be_listed_entered_or_written_is_one_sentence(runner, home, folder, mode, names):
    before = {path: data for path, data in files_in(home).items() if path.parent.name != 'eval'}
    os.chown(home / folder, 0, 0)
    (home / folder).chmod(mode)
    for name in names:
        done, after = run(runner, home, name), files_in(home)
        check(done, name, folder, mode)
        assert done.status == 0 or {path: after.get(path) for path in before} == before  # nothing is lost


def check(done, name, folder, mode):
    """What can't be listed is an error; what can't be written is one for those that write there."""
    only_reads = folder == 'run' and name not in ('resume', 'best', 'inspect_here')
    if done.status or mode != 0o555 or not only_reads:
        assert done.status and 'Permission denied' in done.err, (name, done)
    if (folder, mode, name) == ('run', 0o555, 'resume'):  # told before anything is trained
        assert done.status == 2 and '--model_dir=' in done.err


@pytest.mark.parametrize(
    'path',
    [
        'experiment.json',
        'checkpoint',
        'model.ckpt-2.index',
        'model.ckpt-2.data-00000-of-00001',
        'eval/events',
    ],
)
@pytest.mark.parametrize('name', ['resume', 'best', 'evaluate', 'report'])
def test_a_file_that_cannot_be_read_is_one_sentence(runner, home, name, path):
    (file,) = (home / 'run').glob(f'{path}*')
    before = files_in(home)
    os.chown(file, 0, 0)
    file.chmod(0o000)
    done = run(runner, home, name)
    if path == 'eval/events' and name in ('evaluate', 'report'):
        assert done.status == 0
        assert name != 'report' or f'{file} cannot be read: Permission denied' in done.err
    else:
        assert done.status == 1 and 'Permission denied' in done.err and 'an older' not in done.err, done
    after = files_in(home)
    assert {path: after.get(path) for path in before} == before
