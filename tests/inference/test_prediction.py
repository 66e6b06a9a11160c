import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.core import keys
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.input.batches import BadExample, Batch
from estimator_lab.inference import prediction, prediction_files
from estimator_lab.inference.prediction import Table
from estimator_lab.inference.prediction_files import PredictionFiles
from estimator_lab.inference.run import Run
from estimator_lab.inference.settings import PredictionSettings
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.full_disk import files_up_to
from tests.support.input_batches import numpy_input_fn
from tests.support.streams import stream_members

pytestmark = pytest.mark.trains


@pytest.fixture(scope='module')
def good_rows(cnn, tmp_path_factory):
    """Rows of eleven good images."""
    path = some_bad(tmp_path_factory.mktemp('good') / 'x.tar')
    return [row for batch in predict(cnn, path, batch_size=4) for row in Table(cnn).rows(batch)]


def predicted(keys, bad, values):
    """Returns a batch of examples whose class ids and data do not matter."""
    return Batch({}, [''] * len(keys), keys, np.full(len(keys), -1), bad, values)


def some_bad(path, *bad, count=11):
    files = [(f'{n}.png', b'junk' if n in bad else encoded(picture(n))) for n in range(count)]
    return write_tar(path, files)


def predict(cnn, path, batch_size=4):
    settings = PredictionSettings(batch_size=batch_size)
    return prediction.predict(cnn, cnn.examples(path, once=True).order(), settings)


def test_predictions_are_those_of_the_network_for_each_image(cnn, archive):
    members = list(stream_members(archive))
    images = np.stack([decode_image(member.data, *cnn.shape) for member in members])
    expected = [p[keys.PROBABILITIES] for p in cnn.estimator.predict(numpy_input_fn(images))]
    got = list(predict(cnn, archive, batch_size=5))
    assert [key for batch in got for key in batch.keys] == [member.key for member in members]
    found = np.concatenate([batch.values[keys.PROBABILITIES] for batch in got])
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize('bad', [(0, 3, 4, 10), (4, 5, 6, 7), range(11)])
def test_bad_images_have_their_row_in_their_place(cnn, tmp_path, good_rows, bad):
    path = some_bad(tmp_path / 'x.tar', *bad)
    table = Table(cnn)
    rows = [row for batch in predict(cnn, path) for row in table.rows(batch)]
    assert [row['key'] for row in rows] == [f'{path}:{n}.png' for n in range(11)]
    assert [n for n, row in enumerate(rows) if 'problem' in row] == list(bad)
    for row, other in zip(rows, good_rows, strict=True):
        assert list(row) == (['key', 'problem'] if 'problem' in row else ['key', 'label', 'probability'])
        if 'problem' not in row:
            assert row['label'] == other['label']
            assert row['probability'] == pytest.approx(other['probability'], abs=1e-6)


def test_batches_of_a_stream_have_the_rows_of_their_archive(cnn_dir, tmp_path):
    run, path = Run.open(cnn_dir), some_bad(tmp_path / 'x.tar', 0, 4, 5, 6, 7)
    expected = list(run.predict(path, batch_size=4))
    stream = run.stream(path, batch_size=4)
    assert list(run.predict(stream)) == expected and len(expected) == 11
    assert list(run.predict(list(run.stream(path, batch_size=4)))) == expected
    assert [row for batch in run.stream(path, batch_size=4) for row in run.predict(batch)] == expected
    arrays = run.predict_arrays(run.stream(path, batch_size=3))
    assert arrays['key'].tolist() == [row['key'] for row in expected if 'label' in row]


def test_a_stream_of_a_run_has_the_examples_of_its_training(cnn_dir, archive):
    run = Run.open(cnn_dir)
    stream = run.stream(archive, batch_size=24)
    batch = next(stream)
    assert batch.data.shape == (24, *run.shape) and run.shape == (8, 8, 1)
    assert stream.labels == run.labels and (batch.class_ids >= 0).all()
    assert batch.keys == [member.key for member in stream_members(archive)]
    record = dataclasses.replace(run.record, decode='fast', background='white')
    settings = dataclasses.replace(run, record=record).stream(archive).settings
    assert (settings.decode, settings.background) == ('fast', 'white')
    assert run.stream(archive, decode='fast', shuffle=True).settings.shuffle


@pytest.mark.parametrize(
    ('settings', 'more', 'words'),
    [
        ({'image_shape': (9, 8, 1), 'batch_size': 4}, {}, 'has other examples than the model in .* accepts:'),
        ({'image_shape': None, 'batch_size': 4}, {}, 'has other examples than the model in .* accepts: run'),
        ({'batch_size': None}, {}, r'has other examples than the model in .* accepts: run\.str'),
        ({'batch_size': 4}, {'batch_size': 5}, '^batch_size is of the stream'),
        ({'batch_size': 4}, {'part': '1/2'}, '^part is of the stream'),
    ],
)
def test_a_stream_that_does_not_fit(cnn_dir, archive, settings, more, words):
    run = Run.open(cnn_dir)
    with pytest.raises(FlagError, match=words):
        next(run.predict(run.stream(archive, **settings), **more))


@pytest.mark.parametrize('count', [1, 3, 12])
def test_parts_have_the_rows_of_the_whole(cnn_dir, tmp_path, count):
    run = Run.open(cnn_dir)
    paths = [some_bad(tmp_path / f'{number}.tar', 3, 7) for number in range(2)]
    expected = list(run.predict(paths))
    for part in ('{}/{}'.format, lambda *numbers: numbers):
        found = [run.predict(paths, part=part(n, count)) for n in range(1, count + 1)]
        assert [row for rows in found for row in rows] == expected


def test_rows_of_a_classifier(cnn):
    labels = cnn.record.vocabulary
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.25, 0.25, 0]], np.float32)
    values = {
        keys.CLASSES: np.array([3, 0]),
        keys.LABELS: np.array([b'n000003', b'n000000'], object),
        keys.PROBABILITIES: probabilities,
        'score': np.array([0.1, np.nan], np.float32),
    }
    rows = list(Table(cnn, top=2).rows(predicted(['a', 'b'], [BadExample(1, 'x', 'broken')], values)))
    shown = {'label': labels[3], 'probability': 0.4, 'label_2': labels[2], 'probability_2': 0.3, 'score': 0.1}
    assert rows[0] == {'key': 'a', **shown}
    assert rows[1] == {'key': 'x', 'problem': 'broken'}
    assert rows[2]['label_2'] == labels[1] and rows[2]['score'] is None
    assert json.loads(json.dumps(rows[0]))['probability'] == 0.4
    assert Table(cnn).left_out(values) == []


def test_rows_of_anything_else(cnn):
    values = {
        'error': np.array([0.5, 1e-9], np.float32),
        'name': np.array([b'\xff', 'ü'.encode()], object),
        'code': np.zeros((2, 3), np.float32),
        'reconstruction': np.zeros((2, 8, 8, 1), np.float32),
    }
    table = Table(cnn)
    assert list(table.rows(predicted(['a', 'b'], [], values))) == [
        {'key': 'a', 'error': 0.5, 'name': '\\xff'},
        {'key': 'b', 'error': 1e-9, 'name': 'ü'},
    ]
    assert table.left_out(values) == ['code', 'reconstruction']


def test_an_archive_that_breaks_off_is_an_error_behind_the_predictions(cnn, archive, tmp_path):
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(archive.read_bytes()[:30_000])
    got = []
    with pytest.raises(DataError, match='cut off at byte 30000'):
        got.extend(predict(cnn, cut))
    assert sum(len(batch.keys) for batch in got) >= 8


def test_pictures_keep_their_pixels(tmp_path):
    grey = np.linspace(0, 1, 2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4, 1)
    with PredictionFiles(tmp_path / 'out') as files:
        paths = files.write(predicted(['a.tar:x/1.png', 'b'], [], {'dream': grey}))['dream']
        more = files.write(predicted(['b'], [], {'dream': grey[:1]}))['dream']
    assert [*paths, *more] == ['dream/000000_x_1.png', 'dream/000001_b.png', 'dream/000002_b.png']
    for path, image in zip(paths, grey, strict=True):
        stored = np.asarray(Image.open(tmp_path / 'out' / path))
        assert np.array_equal(stored, np.rint(image[:, :, 0] * 255))


def test_vectors_lie_in_files_of_bounded_size_with_their_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_files, 'FILE_BYTES', 5 * 3 * 4)
    codes = np.arange(36, dtype=np.float32).reshape(12, 3)
    with PredictionFiles(tmp_path / 'out') as files:
        for n in range(0, 12, 2):
            values = {'code': codes[n : n + 2], 'map': np.full((2, 2, 2, 7), n), 'error': np.zeros(2)}
            assert files.write(predicted([f'k{n}', f'ü{n}'], [], values)) == {}
        assert files.write(predicted([], [BadExample(0, 'x', 'bad')], {'code': codes[:0]})) == {}
    paths = sorted((tmp_path / 'out').iterdir())
    assert [path.name for path in paths] == [f'vectors-{n:05}.npz' for n in range(len(paths))]
    assert len(paths) > 1
    loaded = [np.load(path) for path in paths]
    assert [key for part in loaded for key in part['key']] == [
        f'{k}{n}' for n in range(0, 12, 2) for k in 'kü'
    ]
    assert np.array_equal(np.concatenate([part['code'] for part in loaded]), codes)
    assert np.concatenate([part['map'] for part in loaded]).shape == (12, 2, 2, 7)


@pytest.mark.parametrize(
    'key', ['../../../etc/passwd', '/abs/x.png', '..', 'a\\b\0c\nd', 'ü' * 300, '', '.' * 9]
)
def test_no_key_leads_out_of_the_folder(tmp_path, key):
    with PredictionFiles(tmp_path / 'out') as files:
        (path,) = files.write(predicted([key], [], {'..': np.zeros((1, 2, 2, 3))}))['..']
    written = [p for p in tmp_path.rglob('*') if p.is_file()]
    assert written == [tmp_path / 'out' / path]
    assert written[0].parent.parent == tmp_path / 'out'


def test_unfinished_predictions_begin_anew_in_their_folder(tmp_path, monkeypatch):
    folder = tmp_path / 'out'
    monkeypatch.setattr(prediction_files, 'FILE_BYTES', 3000)

    def write(source='model\narchive', batches=2):
        with PredictionFiles(folder, source) as files:
            for number in range(batches):
                code = np.ones((2, 400 + 4000 * number), np.float32)
                files.write(predicted([f'a{number}', f'b{number}'], [], {'code': code}))

    with files_up_to(1000), pytest.raises(LabError, match=r'files=.*out cannot be written: File too large'):
        write()
    assert not folder.exists()
    (tmp_path / 'out').mkdir()
    with files_up_to(10_000), pytest.raises(LabError, match='File too large'):
        write()
    assert {path.name for path in folder.iterdir()} == {'.unfinished', 'vectors-00000.npz'}
    assert np.load(folder / 'vectors-00000.npz')['key'].tolist() == ['a0', 'b0']
    with pytest.raises(FlagError, match='is not empty'):
        write('model\nother archive')
    write()
    assert {path.name for path in folder.iterdir()} == {'vectors-00000.npz', 'vectors-00001.npz'}
    with pytest.raises(FlagError, match='is not empty'):
        write()


def test_one_long_key_makes_no_file_large(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_files, 'FILE_BYTES', 2**16)
    keys = ['k' * 4096, *map(str, range(99))]
    with PredictionFiles(tmp_path) as files:
        for start in range(0, 100, 4):
            files.write(predicted(keys[start : start + 4], [], {'code': np.ones((4, 2))}))
    found = np.concatenate([np.load(path)['key'] for path in sorted(tmp_path.iterdir())])
    assert found.tolist() == keys and max(path.stat().st_size for path in tmp_path.iterdir()) < 70_000
