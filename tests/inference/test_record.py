import dataclasses
import json

import pytest

from estimator_lab.errors import DataError, FlagError
from estimator_lab.inference.record import FORMAT, Record, check_same, read_record, versions, write_record

RECORD = Record('cnn', (8, 8, 1), ('a', 'b', 'ü'), {'filters': 3, 'optimizer': 'adam'}, versions('2.21.0'))


def test_what_is_written_is_read(tmp_path):
    assert read_record(tmp_path) is None
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ['experiment.json']


@pytest.mark.parametrize('text', ['', '{', '[]', '{}', '{"model": "cnn"}', '"x"', '{"image_shape": 3}'])
def test_a_file_that_is_no_record(tmp_path, text):
    (tmp_path / 'experiment.json').write_text(text)
    with pytest.raises(DataError, match=r'experiment\.json cannot be read'):
        read_record(tmp_path)


def test_an_older_folder_opens_with_defaults(tmp_path):
    write_record(tmp_path, RECORD)
    path = tmp_path / 'experiment.json'
    fields = json.loads(path.read_text())
    for name in ('value_range', 'decode', 'format'):
        del fields[name]
    path.write_text(json.dumps(fields))
    assert read_record(tmp_path) == dataclasses.replace(
        RECORD, value_range=(0.0, 1.0), decode='exact', format=0
    )


def test_a_newer_format_is_refused_whatever_its_fields(tmp_path):
    fields = {'format': FORMAT + 1, 'layers': [], 'versions': {'estimator_lab': '9.1'}}
    (tmp_path / 'experiment.json').write_text(json.dumps(fields))
    with pytest.raises(DataError, match=rf'has format {FORMAT + 1}, written by estimator_lab 9\.1; this is '):
        read_record(tmp_path)


def test_fields_of_a_newer_program_are_named(tmp_path):
    write_record(tmp_path, RECORD)
    path = tmp_path / 'experiment.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'colour': 'red'}))
    with pytest.raises(DataError, match='colour'):
        read_record(tmp_path)


def test_going_on_with_the_same(tmp_path):
    other_rate = dataclasses.replace(RECORD, hparams={'filters': 3, 'optimizer': 'sgd'})
    check_same(tmp_path, RECORD, other_rate, ['filters'])


@pytest.mark.parametrize(
    ('change', 'error', 'words'),
    [
        ({'model': 'dbn'}, FlagError, 'was made by --model=cnn'),
        ({'image_shape': (9, 8, 1)}, FlagError, '8x8x1 pixels and channels, not 9x8x1'),
        ({'hparams': {'filters': 4}}, FlagError, '--hparams=filters=3, not 4'),
        ({'vocabulary': ('a', 'c')}, DataError, "2 missing, such as 'b'; 1 new, such as 'c'"),
    ],
)
def test_what_does_not_go_together(tmp_path, change, error, words):
    with pytest.raises(error, match=words) as caught:
        check_same(tmp_path, RECORD, dataclasses.replace(RECORD, **change), ['filters'])
    assert f'--model_dir={tmp_path}' in str(caught.value)
