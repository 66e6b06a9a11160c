"""Archives that are the output of a command."""

import shlex
import time

import pytest

from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.storage.commands import OPT_IN, CommandFile
from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError


@pytest.fixture
def allowed(monkeypatch):
    monkeypatch.setenv(OPT_IN, '1')


def names(members):
    return [member.name for member in members]


def test_it_is_refused_unless_the_user_opts_in(archive, monkeypatch):
    monkeypatch.delenv(OPT_IN, raising=False)
    for value in ('', '0', 'true'):
        monkeypatch.setenv(OPT_IN, value)
        for read in (
            lambda: expand_archives(['pipe:touch /tmp/x']),
            lambda: CommandFile('pipe:touch /tmp/x'),
        ):
            with pytest.raises(DataError, match=f'would run a command of the shell: set {OPT_IN}=1'):
                read()


def test_it_is_read_again_in_each_epoch(allowed, archive):
    archives = open_archives([f'pipe:cat {shlex.quote(str(archive))}'])
    assert archives.total is None
    onwards = archives.order(labels=['a']).onwards(20)
    expected = names(stream_members(archive))
    assert [next(onwards).name for _ in range(52)] == (3 * expected)[20:72]


def test_braces_and_commas(allowed):
    found = expand_archives(['pipe:cat a-{0..1}.tar,b'])
    assert len(set(found)) == 2 and all(name.startswith('pipe:cat ...') for name in found)


def test_a_command_that_fails(allowed, archive):
    with pytest.raises(
        DataError, match=r"'pipe:exit \.\.\.' cannot be read: its command ended with status 3\."
    ):
        list(stream_members(*expand_archives(['pipe:exit 3'])))
    found = []
    (name,) = expand_archives([f'pipe:cat {archive}; exit 4'])
    with pytest.raises(DataError, match='its command ended with status 4'):
        found.extend(stream_members(name))
    assert names(found) == names(stream_members(archive))


def test_no_command(allowed):
    with pytest.raises(DataError, match='names no command'):
        expand_archives(['pipe: '])


def test_its_words_are_not_shown(allowed, archive):
    (name,) = expand_archives([f"pipe:true 'Authorization: SECRET'; cat {archive}"])
    assert name.startswith('pipe:true ...') and len(list(stream_members(name))) == 24


def test_leaving_early_ends_it(allowed, archive):
    (name,) = expand_archives([f'pipe:cat {archive}; sleep 6000'])
    members = stream_members(name)
    next(members)
    begun = time.monotonic()
    members.close()
    assert time.monotonic() - begun < 600
