"""Damaged compressed archives end in sentences: a short walk of `damage`."""

import random

import pytest

from tests.robustness.damage import COMPRESSIONS, complaints, walk
from tests.robustness.driver import Tally

pytestmark = pytest.mark.slow

MAGIC = {'gz': b'\x1f\x8b\x08', 'bz2': b'BZh91AY&SY', 'xz': b'\xfd7zXZ\0', 'zst': b'\x28\xb5\x2f\xfd'}


def test_damaged_archives_end_in_sentences(tmp_path):
    tally = Tally()
    walk(tmp_path, 32, random.Random(2), tally)
    assert not tally.problems


@pytest.mark.parametrize('kind', sorted(COMPRESSIONS.keys() & MAGIC))
def test_garbage_that_begins_as_an_archive(tmp_path, kind):
    path = tmp_path / 'b.tar'
    path.write_bytes(MAGIC[kind] + b'garbagegarbage')
    assert not list(complaints(path))
