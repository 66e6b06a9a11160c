"""Comparing the examples of archives, and the memory of the input."""

import random

import numpy as np
import pytest

from estimator_lab.data.checking import Checker
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.input_memory import Data, input_memory
from tests.archive_files import write_tar


@pytest.mark.parametrize('seed', range(3))
def test_copies_are_those_that_a_dictionary_finds(tmp_path, seed):
    rng = random.Random(seed)
    files = [(f'{rng.randrange(3)}/{rng.randrange(20)}.jpg', b'%d' % rng.randrange(30)) for _ in range(60)]
    checker, bytes_of, names, copies, same = Checker(), {}, set(), 0, 0
    # None of them decodes: equal bytes are looked for among good examples only.
    kind = type('Anything', (type(IMAGES),), {'examine': lambda self, data: (len(data),)})()
    contents = checker.read(str(write_tar(tmp_path / 'a.tar', files)), kind)
    for name, data in files:
        copies += data in bytes_of
        bytes_of.setdefault(data, name)
        same += name in names
        names.add(name)
    assert contents.same_names == same == len(checker.duplicate_names)
    found = checker.copies()
    assert found.examples == copies
    assert sum(len(group) - 1 for group in found.groups) <= copies
    assert found.with_other_labels == sum(bytes_of[data][0] != name[0] for name, data in files)


def test_without_examples():
    checker = Checker()
    assert checker.copies().examples == 0 and len(checker) == 0


def test_input_memory():
    data = Data(examples=10_000, bytes=110_000_000, name_bytes=300_000, most_pixels=10**9, random_access=True)
    found = input_memory(data, (128, 128, 1), 32, 10_000, 256)
    assert found.decoded_cache == 10_000 * (128 * 128 + 300)
    assert found.shuffle_buffer == 0 and found.decoding == 512 * 2**20
    stream = input_memory(data._replace(random_access=False), (128, 128, 1), 32, 1_000, 16)
    assert stream.shuffle_buffer == 1_000 * 11_000 and stream.decoded_cache == 0
    assert np.all(np.array(found) >= 0)
