"""Small data sets: all images are decoded first, and batches are numbers of rows of pixels in memory."""

import numpy as np
import pytest

from estimator_lab.data.archives import open_archives
from estimator_lab.data.bad_examples import BadExamples, InputReport
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.data.kind import ReaderOptions
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.order import Part, WorkerShard
from estimator_lab.data.table import Table
from estimator_lab.tf1 import tf
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


def batches(archive, count, start=0, memory=True, size=3, shard=None, shuffle=100, **options):
    """Returns `count` batches of training, or one evaluation if `start` is None; and the report."""
    archives = open_archives([str(archive)], IMAGES)
    reader = ImageReader(SHAPE, table=Table(24, SHAPE) if memory else None, **options)
    said = []
    report = InputReport(IMAGES, said.append, bad_examples=BadExamples(IMAGES, total=24))
    order = archives.order(shuffle, seed=2)
    consumed = None if start is None else lambda: start
    more = {'shard': shard} if shard else {}
    fn = archive_input_fn(order, reader, size, report, VOCABULARY, consumed, **more)
    runs = [batches_of(fn, count) for _ in range(2)]  # the second begins with all images in memory
    return runs, said, report


def assert_same(one, other):
    for batch, expected in zip(one, other, strict=True):
        (features, labels), (those, theirs) = batch, expected
        assert labels.tolist() == theirs.tolist() and labels.dtype == theirs.dtype
        assert features.keys() == those.keys()
        for name, value in features.items():
            assert np.array_equal(value, those[name]) and value.dtype == those[name].dtype, name


@pytest.mark.parametrize('which', ['archive', 'broken'])
@pytest.mark.parametrize(
    'options',
    [
        {'start': 0},
        {'start': 31, 'size': 4},
        {'start': 7, 'size': 4},
        {'start': 6, 'size': 40},
        {'start': 5, 'size': 2, 'shuffle': 1},
        {'start': None, 'size': 5},
        {'start': 4, 'shard': WorkerShard(1, 2, 6)},
    ],
)
def test_batches_are_those_without_memory(request, which, options):
    archive = request.getfixturevalue(which)
    count = None if options['start'] is None else 40
    got, said, report = batches(archive, count, **options)
    expected, _, _ = batches(archive, count, memory=False, **options)
    for one, other in zip(got, expected, strict=True):
        assert_same(one, other)
    assert len(got[0]) == len(expected[0]) and len(said) == (3 if which == 'broken' else 0)
    if 'shard' not in options:  # of which one has five of them
        assert report.bad_examples.count == (6 if which == 'broken' else 0)


def test_an_evaluation_counts_each_image_also_from_memory(broken):
    _, _, report = batches(broken, None, start=None)
    assert (report.seen, report.bad) == (48, 12)  # in two evaluations


def test_images_are_decoded_once(archive):
    decoded = []
    decode = ImageReader(SHAPE).decode
    reader = ImageReader(SHAPE, lambda *given: decoded.append(0) or decode(*given), table=Table(24, SHAPE))
    order = open_archives([str(archive)], IMAGES).order(100, seed=2)
    fn = archive_input_fn(order, reader, 4, InputReport(IMAGES), VOCABULARY, lambda: 0)
    assert len(batches_of(fn, 300)) == 300 and len(decoded) == 24


def test_parts_of_a_data_set_share_the_memory(archive):
    archives = open_archives([str(archive)], IMAGES)
    reader = IMAGES.reader(ReaderOptions(SHAPE, cache_megabytes=1, examples=24))
    assert reader.table.array.shape == (25, *SHAPE)
    found = []
    for part in (Part(0, 0.5), Part(0.5, 1)):
        order = archives.restricted_to(part).order()
        for _ in range(2):
            fn = archive_input_fn(order, reader.plain(), 4, InputReport(IMAGES), VOCABULARY)
            found.append([key for features, _ in batches_of(fn) for key in features['key']])
    assert found[0] == found[1] and found[2] == found[3]
    assert len(set(found[0] + found[2])) == 24
    assert not IMAGES.reader(ReaderOptions(SHAPE, examples=24)).table  # 0 megabytes


def test_too_many_bad_images_end_the_input_at_the_same_place(broken):
    archives = open_archives([str(broken)], IMAGES)
    ends = []
    for table in (Table(24, SHAPE), None):
        reader = ImageReader(SHAPE, table=table)
        for _ in range(2):
            report = InputReport(IMAGES, lambda line: None, bad_examples=BadExamples(IMAGES, 0.1))
            report.bad_examples.total = 60
            fn = archive_input_fn(archives.order(), reader, 1, report, VOCABULARY)
            found = batches_of(fn)
            ends.append(str(report.error))
            assert len(found) <= 18
    assert len(set(ends)) == 1


def test_tensorflow_uses_the_memory_itself(archive):
    table = Table(24, SHAPE)
    fn = archive_input_fn(
        open_archives([str(archive)], IMAGES).order(),
        ImageReader(SHAPE, table=table),
        4,
        InputReport(IMAGES),
        VOCABULARY,
        lambda: 0,
    )
    with tf.Graph().as_default(), tf.Session() as session:
        features, _ = fn().make_one_shot_iterator().get_next()
        for _ in range(20):
            session.run(features)
        table.array[:] = 255
        for _ in range(20):  # batches that were prefetched
            images = session.run(features['image'])
        assert images.min() == 1
