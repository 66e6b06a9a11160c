import dataclasses
import json
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.version import __version__
from estimator_lab.runs.record import FORMAT, Record, check_same, link_model, read_record, write_record

pytestmark = pytest.mark.both

RECORD = Record(
    'cnn', (8, 8, 1), ('a', 'b', 'ü'), {'filters': 3, 'optimizer': 'adam'}, {'tensorflow': '2.21.0'}
)


def test_what_is_written_is_read(tmp_path):
    assert read_record(tmp_path) is None
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ['experiment.json']
    assert (RECORD.decode, RECORD.background, RECORD.kind) == ('exact', 'black', 'image')  # if imported


@pytest.mark.parametrize(
    'text',
    [
        *('', '{', '[]', '{}', '{"model": "cnn"}', '"x"', '{"image_shape": 3}', '{"a": 1, "a": 2}'),
        *('[' * 100_000, '{"a":' * 9999, '{"format": 1e999}', '{"format": NaN}'),
    ],
)
def test_a_file_that_is_not_a_record(tmp_path, text):
    (tmp_path / 'experiment.json').write_text(text)
    with pytest.raises(DataError, match=r'experiment\.json cannot be read as'):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ('writer', 'words'),
    [
        ({'estimator_lab': '9.1'}, r'estimator_lab 9\.1'),
        *((writer, 'another version of estimator_lab') for writer in (None, 3, {}, {'estimator_lab': ['x']})),
        ({'estimator_lab': 'a\x1bb'}, 'another version of estimator_lab'),
    ],
)
@pytest.mark.parametrize(
    ('found', 'remedy'), [(FORMAT + 1, 'install that'), (FORMAT - 1, 'train the'), (-1, 'train the')]
)
def test_another_format_is_refused_whatever_its_fields(tmp_path, writer, words, found, remedy):
    fields = {'layers': [], 'versions': writer, 'format': found}
    (tmp_path / 'experiment.json').write_text(json.dumps(fields))
    sentence = rf'has format {found}, written by {words}; this .* format {FORMAT}: {remedy}'
    with pytest.raises(DataError, match=sentence):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ('found', 'words'),
    [
        (FORMAT - 1, 'an older state of {}; this .*: train the model again'),
        (FORMAT + 1, 'a newer .*: install it'),
    ],
)
def test_another_format_of_this_version(tmp_path, found, words):
    fields = {'versions': {'estimator_lab': __version__}, 'format': found}
    (tmp_path / 'experiment.json').write_text(json.dumps(fields))
    with pytest.raises(DataError, match=f'by {words.format(f"estimator_lab {__version__}")}'):
        read_record(tmp_path)


def test_going_on_with_the_same(tmp_path):
    other_rate = dataclasses.replace(RECORD, hparams={'filters': 3, 'optimizer': 'sgd'})
    check_same(tmp_path, RECORD, other_rate, ['filters'])


@pytest.mark.parametrize(
    ('change', 'error', 'words'),
    [
        ({'model': 'dbn'}, FlagError, 'was made by model=cnn'),
        ({'kind': 'tree'}, FlagError, 'was trained on images, but data holds trees'),
        ({'image_shape': (9, 8, 1)}, FlagError, '8x8x1 pixels and channels, not 9x8x1'),
        ({'hparams': {'filters': 4}}, FlagError, 'filters=3, not 4'),
        ({'vocabulary': ('a', 'c')}, DataError, "2 missing, such as 'b'; 1 new, such as 'c'"),
    ],
)
def test_what_does_not_match(tmp_path, change, error, words):
    with pytest.raises(error, match=words) as caught:
        check_same(tmp_path, RECORD, dataclasses.replace(RECORD, **change), ['filters'])
    assert f'model_dir={tmp_path}' in str(caught.value)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'model': 'cnn\x1b[2J'}, r"its 'model' is 'cnn\\x1b\[2J'"),
        ({'image_shape': [8, 8, '1']}, r"its image_shape\[2\] is '1', not a whole number"),
        ({'image_shape': [0, 8, 1]}, r'its image_shape is \[0, 8, 1\]'),
        ({'image_shape': [-8, -8, 1]}, r'its image_shape is \[-8, -8, 1\]'),
        ({'image_shape': [65535, 65535, 1]}, 'its image_shape is'),
        ({'image_shape': [8, 8, 7]}, 'its images have 7 channels'),
        ({'vocabulary': ['a', 1]}, r'its vocabulary\[1\] is 1, not a text'),
        ({'vocabulary': ['a', 'b', 'a']}, "its vocabulary holds 'a' twice"),
        ({'hparams': [1]}, r'its hparams is \[1\], not an object'),
        ({'hparams': {'optimizer': 'a\nb'}}, r"its 'optimizer' is 'a\\nb'"),
        ({'versions': {'estimator_lab': 1}}, r"its versions\['estimator_lab'\] is 1"),
        ({'decode': 'x' * 5000}, "its 'decode' is 'xxx"),
        ({'hparams': {'x' * 5000: 1}}, "its 'xxx"),
        ({'input': {'settings': {'seed': [1]}}}, r'its seed is \[1\]'),
        ({'input': {'first_step': -1}}, 'its steps are -1 and 0'),
        ({'input': {'step': 2**62}}, r'its steps are 0 and 4611686018427387904'),
        ({'input': {'position': -1}}, 'its position is -1'),
        (
            {'input': {'archives': [{'name': 'a.tar', 'fingerprint': 'f', 'images': -1}]}},
            r'one of its archives is ',
        ),
        ({'format': True}, 'its format is True, not a whole number'),
        ({'colour': 'red'}, 'colour'),
    ],
)
def test_fields_of_other_types_and_values(tmp_path, change, words):
    write_record(tmp_path, RECORD)
    path = tmp_path / 'experiment.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match=rf'experiment\.json cannot be read as .*{words}') as caught:
        read_record(tmp_path)
    assert str(caught.value).isprintable()


def test_a_long_value_is_cut_in_messages(tmp_path):
    long = dataclasses.replace(RECORD, hparams={**RECORD.hparams, 'filters': list(range(300))})
    with pytest.raises(FlagError, match=r'filters=\[0, 1, .*\.\.\., not 3: name') as caught:
        check_same(tmp_path, long, RECORD, ['filters'])
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize('links', [True, False])
def test_a_checkpoint_becomes_a_folder_of_its_own(tmp_path, monkeypatch, links):
    """Of files for another step, nothing is taken; without links in the file system, files are copied."""
    write_record(tmp_path, RECORD)
    for name in ('model.ckpt-3.index', 'model.ckpt-3.data', 'model.ckpt-33.index', 'judge.npz'):
        (tmp_path / name).write_text(name)
    if not links:
        monkeypatch.setattr(Path, 'hardlink_to', lambda *paths: exec('raise OSError'))
    made = tmp_path / 'made'
    link_model(tmp_path / 'model.ckpt-3', made)
    names = {'model.ckpt-3.index', 'model.ckpt-3.data', 'judge.npz'}
    assert {path.name for path in made.iterdir()} == {*names, 'experiment.json', 'checkpoint'}
    assert all((made / name).read_text() == name for name in names)
    assert (made / 'judge.npz').samefile(tmp_path / 'judge.npz') == links
    assert read_record(made) == RECORD
    assert (made / 'checkpoint').read_text() == 'model_checkpoint_path: "model.ckpt-3"\n'
    link_model(tmp_path / 'model.ckpt-4', tmp_path / 'none')
    (tmp_path / 'experiment.json').unlink()
    link_model(tmp_path / 'model.ckpt-3', tmp_path / 'none')
    assert not (tmp_path / 'none').exists()
