"""Parts of an evaluation are together what one evaluation is, to the last bit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.inference.evaluation import merge
from tests.support.archive_files import encoded, picture, write_tar

pytestmark = pytest.mark.once


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Paths of two archives: 53 images of 4 labels and one unknown one, three of them bad."""
    files = [
        (f'test/n{n % 5:06}/{n}.png', b'junk' if n in (4, 11, 48) else encoded(picture(100 + n)))
        for n in range(53)
    ]
    folder = tmp_path_factory.mktemp('images')
    return [
        str(write_tar(folder / f'{name}.tar', part)) for name, part in (('a', files[:20]), ('b', files[20:]))
    ]


@pytest.fixture(scope='module')
def saved(request, images, tmp_path_factory):
    """Path of the only part of an evaluation."""
    folder = tmp_path_factory.mktemp('saved')
    (name,) = request.getfixturevalue('cnn').evaluate(images[:1], part='1/1', worst=2).save(folder)
    return folder / name


@pytest.fixture
def part(saved, tmp_path):
    """Path of a copy of it, to be changed."""
    return Path(shutil.copy(saved, tmp_path))


def in_parts(run, images, folder, count, **settings):
    for number in range(1, count + 1):
        run.evaluate(images, part=(number, count), **settings).save(folder)


@pytest.mark.parametrize(('network', 'count'), [('cnn', 1), ('cnn', 7), ('vgg', 2)])
def test_all_parts_merged_are_the_whole(request, images, tmp_path, network, count):
    run = request.getfixturevalue(network)
    settings = {'batch_size': 6, 'worst': 9}
    whole = run.evaluate(images, **settings)
    in_parts(run, images, tmp_path / 'parts', count, **settings)
    merged = merge(run, [tmp_path / 'parts'])
    assert merged.json() == whole.json() and dict(merged.metrics) == dict(whole.metrics)
    assert merged.text() == whole.text()
    assert len(merged.worst) == 9 and (merged.images, merged.bad) == (50, 3)
    for one, other in zip(merged.worst, whole.worst, strict=True):
        assert np.array_equal(one.image, other.image)


def test_parts_are_of_whole_batches(cnn, images, tmp_path):
    sizes = [
        cnn.evaluate(images, part=f'{number}/4', batch_size=6, worst=0).part.seen for number in range(1, 5)
    ]
    assert sizes == [12, 12, 12, 17]


def test_a_part_without_examples(cnn, images, tmp_path):
    in_parts(cnn, images, tmp_path, 3, batch_size=40)
    whole = cnn.evaluate(images, batch_size=40)
    assert merge(cnn, [tmp_path]).json() == whole.json()


def test_parts_that_do_not_belong_together(cnn, vgg, images, tmp_path):
    def save(name, run=cnn, data=images, **settings):
        return str(tmp_path / name / run.evaluate(data, **settings).save(tmp_path / name)[0])

    first = save('one', part='1/2')
    with pytest.raises(DataError, match=r'^merge=\S+one has no part 2/2\.$'):
        merge(cnn, [tmp_path / 'one'])
    with pytest.raises(DataError, match=r'has no part 1/\.\.\.'):
        merge(cnn, [tmp_path / 'nothing'])
    for number, (data, settings) in enumerate(
        [(images, {'batch_size': 7}), (images[:1], {}), (images, {'worst': 3}), (images, {'part': '2/3'})]
    ):
        other = save(f'other{number}', data=data, **{'part': '2/2', **settings})
        with pytest.raises(DataError, match=f'^{other} is of another evaluation than {first}: '):
            merge(cnn, [tmp_path / 'one', tmp_path / f'other{number}'])
    again = save('again', part='1/2')
    with pytest.raises(DataError, match=f'^{again} is the same part as {first}'):
        merge(cnn, [tmp_path / 'one', tmp_path / 'again'])
    save('one', part='2/2')
    with pytest.raises(
        DataError, match=r'^The parts are of cnn at step 3, but model_dir=\S+ holds vgg at step 2'
    ):
        merge(vgg, [tmp_path / 'one'])


@pytest.mark.parametrize('end', [0, 500, -1])
def test_a_damaged_part_is_an_error(cnn, part, tmp_path, end):
    part.write_bytes(part.read_bytes()[:end])
    with pytest.raises(DataError, match=f'^{part} is not a part of an evaluation: '):
        merge(cnn, [tmp_path])


@pytest.mark.parametrize(
    'change',
    [
        {'number': 0},
        {'pairs': [[0, 4, 1]]},
        {'pairs': [[-1, 0, 1]]},
        {'pairs': [[0, 0, 'x']]},
        {'worst': [['x', 'k', '', '', '0']]},
        {'most': 'x'},
    ],
)
def test_a_forged_part_is_an_error(cnn, part, tmp_path, change):
    arrays = dict(np.load(part))
    record = json.loads(arrays['record'].tobytes()) | change
    arrays['record'] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    np.savez(part, **arrays)
    with pytest.raises(DataError):
        merge(cnn, [tmp_path])


@pytest.mark.parametrize('name', ['added_0', 'pictures'])
def test_a_forged_array_is_an_error(cnn, part, tmp_path, name):
    np.savez(part, **{**np.load(part), name: np.zeros((3, 4), np.int64)})
    with pytest.raises(DataError):
        merge(cnn, [tmp_path])


def test_a_part_has_no_steps(cnn, images):
    with pytest.raises(FlagError, match=r'^eval_steps and part exclude each other'):
        cnn.evaluate(images, part='1/2', eval_steps=1)
