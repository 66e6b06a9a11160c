"""A full disk is one sentence with the path; nothing saved is lost, and with space the command goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from estimator_lab import export, predict
from estimator_lab.base.errors import LabError
from estimator_lab.data import pack, tar_index
from estimator_lab.data.archives.index_file import path_in_cache, path_next_to
from estimator_lab.data.sources.source import source_of
from estimator_lab.tf1 import tf
from tests.support.commands import invoke
from tests.support.full_disk import files_up_to
from tests.support.places import ROOT
from tests.support.small_runs import cnn_settings, trained

pytestmark = pytest.mark.trains

FULL = '/dev/full'


def one_sentence(text, *words):
    assert text.startswith('error: ') and text.count('\n') == 1 and 'Traceback' not in text, text
    for word in words:
        assert str(word) in text


@pytest.mark.slow
def test_a_checkpoint(archive, tmp_path, monkeypatch):
    folder, save = tmp_path / 'run', tf.train.Saver.save

    def train(max_steps):
        return trained(cnn_settings(archive, folder, max_steps=max_steps, save_checkpoints_steps=2))[0]

    def full(self, session, path, global_step=None, **kwargs):
        if int(global_step) > 2:
            message = f'{path}-{global_step}.data-00000-of-00001.tempstate7; No space left on device'
            raise tf.errors.ResourceExhaustedError(None, None, message)
        return save(self, session, path, global_step, **kwargs)

    train(2)
    monkeypatch.setattr(tf.train.Saver, 'save', full)
    with pytest.raises(LabError) as caught:
        train(6)
    monkeypatch.setattr(tf.train.Saver, 'save', save)
    assert str(caught.value).startswith(f'{folder}/model.ckpt-')
    assert str(caught.value).endswith(' cannot be written: No space left on device.')
    assert tf.train.latest_checkpoint(str(folder)).endswith('model.ckpt-2')
    assert train(6).step == 6


@pytest.mark.skipif(not Path(FULL).exists(), reason=f'there is no {FULL}')
@pytest.mark.parametrize('format', ['csv', 'jsonl'])
def test_predictions_to_standard_output(cnn_dir, archive, monkeypatch, capsys, format):
    with open(FULL, 'w') as full:  # noqa: PTH123
        monkeypatch.setattr(sys, 'stdout', full)
        status = invoke(predict, f'--model_dir={cnn_dir}', f'--format={format}', str(archive))
    assert status == 1
    one_sentence(capsys.readouterr().err, 'Standard output cannot be written: No space left on device.')


def test_predictions_to_a_file_and_an_export(cnn_dir, archive, tmp_path, capsys):
    out = tmp_path / 'out'
    exported, model = tmp_path / 'model', f'--model_dir={cnn_dir}'
    with files_up_to(100):
        assert invoke(predict, model, f'--out={out}', str(archive)) == 1
        one_sentence(capsys.readouterr().err, f'--out={out} cannot be written: File too large')
        assert invoke(export, model, f'--out={exported}') == 1
        one_sentence(capsys.readouterr().err, f'--out={exported} cannot be written: File too large')
    assert not [*tmp_path.glob('model/*'), *tmp_path.glob('*out*')]
    assert invoke(predict, model, f'--out={out}', str(archive)) == 0
    assert len(out.read_text().splitlines()) == 25
    assert invoke(export, model, f'--out={exported}') == 0


def run(module, *arguments, most_bytes=None):
    """Runs a command that needs no TensorFlow, in a process of its own."""
    limit = f'ulimit -f {most_bytes // 512}; ' if most_bytes is not None else ''
    words = [sys.executable, '-m', module.__name__, *map(str, arguments)]
    shell = ['sh', '-c', f'{limit}exec "$@"', 'sh', *words]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_shards(archive, tmp_path):
    out = tmp_path / 'out'
    done = run(pack, archive, f'--out={out}', '--shards=2', most_bytes=1024)
    assert done.returncode == 1
    one_sentence(done.stderr, f'--out={out} cannot be written: File too large')
    assert not out.exists()
    assert run(pack, archive, f'--out={out}', '--shards=2').returncode == 0


def test_an_index(archive):
    done = run(tar_index, archive, most_bytes=512)
    assert done.returncode == 1
    source = source_of(str(archive))
    one_sentence(done.stderr, path_in_cache(source), 'cannot be written: File too large; set XDG')
    assert not path_next_to(source).exists()
    assert run(tar_index, archive).returncode == 0
    assert path_next_to(source).exists()
