"""The command: what it prints for whom, and how it ends."""

import csv
import io
import json
import os
import re
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab import predict
from estimator_lab.inference import prediction_files
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.commands import invoke
from tests.support.forks import Process
from tests.support.full_disk import files_up_to
from tests.support.streams import stream_members

pytestmark = [pytest.mark.both, pytest.mark.trains]


@pytest.fixture
def run(cnn_dir, run_command):
    return partial(run_command, predict, f'--model_dir={cnn_dir}')


@pytest.fixture
def folder(tmp_path):
    """Three images, the second of them broken."""
    path = tmp_path / 'photos'
    path.mkdir()
    for name, data in (('a.png', encoded(picture(1))), ('b.png', b'junk'), ('c.png', encoded(picture(2)))):
        (path / name).write_bytes(data)
    return path


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_for_each_image_the_bad_one_in_its_place(run, folder):
    status, out, err = run(folder)
    assert status == 0
    rows = table(out)
    assert list(rows[0]) == ['key', 'label', 'probability', 'problem']
    assert [row['key'] for row in rows] == [str(folder / name) for name in ('a.png', 'b.png', 'c.png')]
    assert [row['problem'] for row in rows] == ['', 'not an image in a known format', '']
    assert rows[1]['label'] == '' and 0.25 <= float(rows[0]['probability']) <= 1
    assert err == '1 of 3 images could not be decoded.\n'


def test_json_lines_into_a_file(run, folder, archive, tmp_path):
    out = tmp_path / 'rows.jsonl'
    status, said, _ = run('--format=jsonl', f'--data={archive}', folder, '--top=4', f'--out={out}')
    assert (status, said) == (0, f'Predicted 26 images: {out}\n')
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows[1] == {'key': str(folder / 'b.png'), 'problem': 'not an image in a known format'}
    assert [row['key'] for row in rows[3:]] == [member.key for member in stream_members(archive)]
    chances = [rows[0]['probability'], *(rows[0][f'probability_{n}'] for n in (2, 3, 4))]
    assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1, abs=1e-5)


def test_progress_is_shown_of_files_alone(run, folder, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(prediction_files, 'progress_of', lambda *of: nullcontext(seen.append))
    run(folder)
    assert seen == []  # the rows show it
    run(folder, f'--out={tmp_path / "rows.csv"}')
    assert seen == [1, 2, 3]


def test_vectors_into_a_folder(run, folder, tmp_path):
    status, _, _ = run(folder, f'--files={tmp_path / "new"}')
    assert status == 0
    loaded = np.load(tmp_path / 'new' / 'vectors-00000.npz')
    assert loaded['key'].tolist() == [str(folder / 'a.png'), str(folder / 'c.png')]
    assert loaded['probabilities'].shape == (2, 4)


def test_nothing_predicted_is_an_error(run, folder, tmp_path):
    (folder / 'a.png').unlink()
    (folder / 'c.png').unlink()
    status, out, err = run(folder)
    assert status == 1
    assert [row['problem'] for row in table(out)] == ['not an image in a known format']
    assert err == (
        f"error: The only image could not be decoded: '{folder}/b.png': not an image in a known format.\n"
    )
    assert run(folder, f'--files={tmp_path / "new"}')[0] == 1
    assert not (tmp_path / 'new').exists()
    (folder / 'b.png').unlink()
    assert run(folder) == (1, '', f'error: {folder}/: no image was found.\n')


def test_a_pipe_in_and_a_pipe_that_closes(cnn_dir, archive, tmp_path):
    """As `predict - <copies.tar | head -2`, with more rows than fit into a pipe's buffer."""
    image = encoded(picture(1, 4, 4))
    copies = write_tar(tmp_path / 'copies.tar', [(f'{"x" * 60}/{n}.png', image) for n in range(1000)])
    pipe, err = tmp_path / 'pipe', tmp_path / 'err'
    os.mkfifo(pipe)
    words = ['-m', 'estimator_lab.predict', f'--model_dir={cnn_dir}', '-', '--batch_size=16']
    process = Process(words, pipe, err, stdin=copies)
    with pipe.open('rb') as stdout:
        assert stdout.readline() == b'key,label,probability,problem\n'
        assert stdout.readline().startswith(b'stdin:xxx')
    assert (process.wait(300), err.read_text()) == (0, '')


def test_paintings_in_their_photos_sizes(style_dir, folder, tmp_path, capsys):
    out = tmp_path / 'out'
    flags = (f'--files={out}', '--style=oil', '--top=1')
    status = invoke(predict, f'--model_dir={style_dir}', *flags, str(folder))
    said, err = capsys.readouterr()
    assert status == 0
    rows = table(said)
    assert [row['problem'] for row in rows] == ['', 'not an image in a known format', '']
    assert rows[1]['painted'] == '' and '1 of 3 images could not be decoded.\n' in err
    assert '--top=1 has no effect: this model predicts no labels.\n' in err
    for row, name in ((rows[0], 'a.png'), (rows[2], 'c.png')):
        assert row['key'] == str(folder / name)
        with Image.open(out / row['painted']) as painted, Image.open(folder / name) as photo:
            assert painted.size == photo.size and painted.mode == 'RGB'


def test_paintings_need_a_folder(style_dir, folder, capsys):
    assert invoke(predict, f'--model_dir={style_dir}', str(folder)) == 2
    assert '--files is missing: the new folder for the paintings.' in capsys.readouterr().err


def kept_rows(err, out):
    """Returns how many rows a failed command says that it has kept, which are whole lines of a file."""
    ((unfinished, kept),) = re.findall(
        rf'^({out}\.unfinished\S*) has the first (\d+) rows; the rest is missing\.$', err, re.MULTILINE
    )
    text = Path(unfinished).read_text()
    assert text.endswith('\n') and len(table(text)) == int(kept)
    return int(kept)


def test_rows_before_a_damage_are_kept(run, archive, tmp_path):
    cut, out = tmp_path / 'cut.tar', tmp_path / 'rows.csv'
    cut.write_bytes(archive.read_bytes()[:30_000])
    status, _, err = run(cut, f'--out={out}', '--batch_size=2')
    assert status == 1 and kept_rows(err, out) > 0 and 'cut off at byte 30000' in err
    assert run(archive, f'--out={out}')[0] == 0
    complete = out.read_text()
    assert len(table(complete)) == 24
    status, _, err = run(cut, f'--out={out}', '--batch_size=2')
    assert f'{out} is there already: it is replaced when all rows are written.\n' in err
    assert status == 1 and kept_rows(err, out) > 0 and out.read_text() == complete
    assert {path.name for path in tmp_path.iterdir()} >= {'rows.csv.unfinished', 'rows.csv.unfinished-2'}
    (tmp_path / '.rows.csv.0.partial').touch()
    status, _, err = run(archive, f'--out={out}')
    left = (
        f'{tmp_path / ".rows.csv.0.partial"} has rows of a prediction that was killed, or is still running.\n'
    )
    assert status == 0 and err.endswith(left) and out.read_text() == complete


def test_rows_before_the_disk_was_full_are_kept(run, archive, tmp_path):
    out = tmp_path / 'rows.csv'
    with files_up_to(1500):
        status, _, err = run(archive, f'--out={out}', '--batch_size=2')
    assert status == 1 and 0 < kept_rows(err, out) < 24 and f'--out={out} cannot be written: ' in err
    assert not list(tmp_path.glob('.rows*'))


def test_an_error_before_the_first_row_leaves_a_file_as_it_was(run, tmp_path):
    out = tmp_path / 'rows.csv'
    out.write_text('of yesterday')
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(b'junk')
    assert run(cut, f'--out={out}')[0] == 1
    assert out.read_text() == 'of yesterday'
