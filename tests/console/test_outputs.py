"""Results are written beside and renamed, and take the place of nothing that is read."""

import os
from pathlib import Path

import pytest
from absl import flags

from estimator_lab.console import command
from estimator_lab.console.outputs import check_no_input, written_whole
from estimator_lab.data.cache import publish
from estimator_lab.errors import DataError, FlagError


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / 'rows.csv'
    path.write_text('old')
    with written_whole('out', path) as partial:
        partial.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert [each.name for each in tmp_path.iterdir()] == ['rows.csv']


@pytest.mark.parametrize('error', [DataError('broken off'), KeyboardInterrupt()])
def test_what_broke_off_stays_beside(tmp_path, capsys, error):
    path = tmp_path / 'rows.csv'
    path.write_text('old')
    with pytest.raises(type(error)), written_whole('out', path) as partial:
        partial.write_text('half')
        raise error
    assert path.read_text() == 'old'
    assert (tmp_path / 'rows.partial.csv').read_text() == 'half'
    assert capsys.readouterr().err == f'What was written so far is in {tmp_path / "rows.partial.csv"}.\n'


def test_nothing_written_leaves_nothing(tmp_path):
    with pytest.raises(DataError), written_whole('out', tmp_path / 'x') as partial:
        partial.touch()
        raise DataError('broken off')
    assert not list(tmp_path.iterdir())


def test_devices_and_folders(tmp_path):
    with written_whole('out', Path(os.devnull)) as path:
        assert str(path) == os.devnull
    with pytest.raises(FlagError, match='is a folder: name a file in it'), written_whole('out', tmp_path):
        pass
    gone = tmp_path / 'none' / 'x'
    with pytest.raises(FlagError, match='cannot be written'), written_whole('out', gone) as partial:
        partial.write_text('x')


def test_results_are_no_inputs(tmp_path):
    path = tmp_path / 'a.tar'
    path.touch()
    (tmp_path / 'link.tar').symlink_to(path)
    check_no_input('out', tmp_path / 'b.csv', [str(path), '-', 'none', 'https://example.com/a.tar'])
    for name in ('a.tar', 'link.tar'):
        with pytest.raises(FlagError, match=r'--out=\S+ is .*, which is read'):
            check_no_input('out', tmp_path / name, ['-', str(path)])


def test_a_finished_file_takes_no_others_place(tmp_path):
    partial, path = tmp_path / 'partial', tmp_path / 'train.tar'
    for _ in range(2):  # the same bytes may come again
        partial.write_bytes(b'faces')
        publish(partial, path)
    partial.write_bytes(b'others')
    with pytest.raises(DataError, match='is there already, and holds something else'):
        publish(partial, path)
    assert path.read_bytes() == b'faces'


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--size=x'], 'error: --size=x is no whole number.'),
        (['--rate=x'], 'error: --rate=x is no number.'),
        (['--fast=maybe'], 'error: --fast=maybe is neither true nor false.'),
        (['--sise=3'], 'error: There is no flag --sise; did you mean --size? --help lists all.'),
        (['--nonsense'], 'error: There is no flag --nonsense; --help lists all.'),
        (['--own=3'], 'error: of its own'),
        (['--size=0'], 'error: --size=0: 0 is not a positive integer; --help lists the flags.'),
    ],
)
def test_wrong_flags_are_one_sentence(monkeypatch, capsys, arguments, words):
    values = given_flags()
    assert run(monkeypatch, values, arguments, lambda: 0) == 2
    assert capsys.readouterr().err == f'{words}\n'


@pytest.mark.parametrize(
    ('error', 'status', 'words'),
    [
        (MemoryError(), 1, 'error: This machine has not enough memory for that.'),
        (PermissionError(13, 'Permission denied', 'x'), 1, "error: 'x' cannot be used: Permission denied."),
    ],
)
def test_what_nobody_expected_is_a_sentence(monkeypatch, capsys, error, status, words):
    def fail():
        raise error

    assert run(monkeypatch, given_flags(), [], fail) == status
    assert capsys.readouterr().err == f'{words}\n'


def test_home_is_expanded_in_flags(monkeypatch):
    monkeypatch.setenv('HOME', '/home/anna')
    values, seen = given_flags(), []
    arguments = ['--path=~/a', '--paths=~/a,b~/c,~/d/*.tar']
    assert run(monkeypatch, values, arguments, lambda: seen.append((values.path, values.paths))) == 0
    assert seen == [('/home/anna/a', ['/home/anna/a', 'b~/c', '/home/anna/d/*.tar'])]


def given_flags():
    values = flags.FlagValues()
    flags.DEFINE_integer('size', 1, 'x', lower_bound=1, flag_values=values)
    flags.DEFINE_float('rate', 1.0, 'x', flag_values=values)
    flags.DEFINE_bool('fast', False, 'x', flag_values=values)
    flags.DEFINE_string('path', None, 'x', flag_values=values)
    flags.DEFINE_list('paths', [], 'x', flag_values=values)
    return values


def run(monkeypatch, values, arguments, main):
    monkeypatch.setattr('sys.argv', ['program', *arguments])
    with pytest.raises(SystemExit) as ended:
        unknown = {'own': 'of its own'}
        command.run(main, 'usage', {}, flag_values=values, unknown=lambda name: unknown.get(name, ''))
    return ended.value.code or 0
