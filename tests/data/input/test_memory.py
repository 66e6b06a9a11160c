"""Small data sets: each image is decoded once, and its pixels stay in memory."""

from dataclasses import replace

import numpy as np
import pytest

from estimator_lab.base.shares import Slice
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.archives.part import Part
from estimator_lab.data.examples.kind import ReaderOptions
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import DECODERS, IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.input_fns import Epochs, Onwards, archive_input_fn
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.input_batches import batches_of

SHAPE = ImageShape(8, 10, 1)
VOCABULARY = Vocabulary(('n000000', 'n000001', 'n000003'))


@pytest.fixture
def broken(tmp_path):
    """An archive of 24 images, of which six can't be decoded, two of them next to each other."""
    bad = {4, 9, 10, 11, 19, 20}
    members = [(f'n{n // 6:06}/{n}.png', b'bad' if n in bad else encoded(picture(n))) for n in range(24)]
    return write_tar(tmp_path / 'broken.tar', members)


def batches(archive, count, kept, start=0, size=3, shuffle=100, **options):
    """Returns `count` batches of training, or one evaluation if `start` is None, twice; and the report."""
    report = InputReport(IMAGES, lambda line: None)
    order = open_archives([str(archive)], IMAGES).order(shuffle, seed=2)
    reader = ImageReader(ImageOptions(SHAPE), kept=kept)
    span = Epochs(order, size) if start is None else Onwards(order, size, lambda: start, **options)
    fn = archive_input_fn(span, reader, report, VOCABULARY)
    return [batches_of(fn, count) for _ in range(2)], report


@pytest.mark.slow
@pytest.mark.parametrize('which', ['archive', 'broken'])
@pytest.mark.parametrize(
    'options',
    [
        {'start': 31, 'size': 4},
        {'start': 5, 'size': 2, 'shuffle': 1},
        {'start': None, 'size': 5},
        {'start': 4, 'own': Slice(1, 2, 6)},
    ],
)
def test_batches_are_those_without_memory(request, which, options):
    archive = request.getfixturevalue(which)
    count = None if options['start'] is None else 40
    (got, report), (expected, _) = (batches(archive, count, kept, **options) for kept in ({}, None))
    for one, other in zip(got, expected, strict=True):
        for (features, labels), (those, theirs) in zip(one, other, strict=True):
            assert np.array_equal(labels, theirs) and features.keys() == those.keys()
            for name, value in features.items():
                assert np.array_equal(value, those[name]) and value.dtype == those[name].dtype, name
    if options['start'] is None:  # two evaluations, which count each image
        assert (report.seen, report.bad) == (48, 12 if which == 'broken' else 0)


def test_after_a_whole_epoch_no_member_is_looked_at(archive, monkeypatch):
    seen, read = [], ImageReader.read
    monkeypatch.setattr(ImageReader, 'read', lambda self, some: seen.extend(some) or read(self, some))
    (got, _), report = batches(archive, 40, {}, start=5, size=4)
    assert len(got) == 40 and report.seen >= 40 * 4 * 2
    assert len(seen) == 44 * 2  # of 24 images: 19, an epoch, and one more to fill the batch; in two runs


def test_images_are_decoded_once(archive, monkeypatch):
    decoded = []
    decode = DECODERS['exact']
    monkeypatch.setitem(
        DECODERS, 'exact', lambda several, *how: decoded.extend(several) or decode(several, *how)
    )
    reader = ImageReader(ImageOptions(SHAPE), kept={})
    order = open_archives([str(archive)], IMAGES).order(100, seed=2)
    fn = archive_input_fn(Onwards(order, 24), reader, InputReport(IMAGES), VOCABULARY)
    assert len(batches_of(fn, 30)) == 30 and 24 <= len(decoded) < 4 * 24  # epochs that were read ahead


def test_parts_of_a_data_set_share_the_memory(archive):
    archives = open_archives([str(archive)], IMAGES)
    reader = IMAGES.reader(ReaderOptions(ImageOptions(SHAPE), cache_megabytes=1, examples=24))
    for part in (Part(0, 0.5), Part(0.5, 1)):
        order = replace(archives, part=part).order()
        batches_of(archive_input_fn(Epochs(order, 4), reader.plain(), InputReport(IMAGES), VOCABULARY))
    assert len(reader.kept) == 24
    assert IMAGES.reader(ReaderOptions(ImageOptions(SHAPE), examples=24)).kept is None  # 0 megabytes
