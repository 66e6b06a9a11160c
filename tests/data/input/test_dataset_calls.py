"""Wrong calls of data sets, orders and states, each with a sentence; and what they show of themselves."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from estimator_lab.api import dataset, input_fn, stream
from estimator_lab.base.errors import DataError, FlagError
from tests.support.archive_files import encoded, picture, write_tar

SHAPE = {'image_shape': (9, 7, 3)}


@pytest.mark.parametrize(
    ('read', 'wrong', 'nearest'),
    [
        (dataset, 'imageshape', 'image_shape'),
        (stream, 'vocab', 'vocabulary'),
        (lambda path, **given: dataset(path).order(**given), 'worldsize', 'world_size'),
    ],
)
def test_a_wrong_name_lists_the_nearest(archive, read, wrong, nearest):
    with pytest.raises(FlagError, match=rf'{wrong}.*\b{nearest}\b'):
        read(archive, **{wrong: 3})


@pytest.mark.parametrize(('of_data', 'of_order'), [('split', 'epochs'), ('shuffle_blocks', 'weights')])
def test_a_setting_of_the_order_or_of_the_data_set_is_given_there(archive, of_data, of_order):
    with pytest.raises(FlagError, match=rf'{of_data} is a setting of the data set: .*, {of_data}='):
        dataset(archive).order(**{of_data: None})
    with pytest.raises(FlagError, match=rf'{of_order} is a setting of the order: .*order\({of_order}='):
        dataset(archive, **{of_order: None})


@pytest.mark.parametrize('size', [0, 8 * 2**20])
def test_a_size_may_be_a_number(archive, size):
    assert dataset(archive, shuffle_blocks=size).settings.shuffle_blocks == str(size)
    for wrong in (True, 1.5):
        with pytest.raises(FlagError, match=f'shuffle_blocks={wrong} must be a text'):
            dataset(archive, shuffle_blocks=wrong)


def test_collate_says_what_it_takes(archive):
    faces, encoded = dataset(archive, **SHAPE), dataset(archive)
    with pytest.raises(FlagError, match='a list of examples, not a single one'):
        faces.collate(faces[0])
    small = faces[0]._replace(data=faces[0].data[:4])
    wide = faces[0]._replace(data=faces[0].data[:, :1])  # NumPy would broadcast it
    floats = faces[0]._replace(data=faces[0].data / 255)
    for others in (encoded[:2], [faces[1], small], [wide], [floats]):
        with pytest.raises(FlagError, match=r'of shape \(9, 7, 3\)'):
            faces.collate(others)


def test_a_mask_chooses_examples(archive):
    faces = dataset(archive)
    mask = [number in (3, 20) for number in range(24)]
    assert faces[mask] == faces[np.array(mask)] == faces[[3, 20]]
    with pytest.raises(IndexError, match='a mask of 2'):
        faces[[True, False]]


def test_a_transform_is_a_function(archive):
    with pytest.raises(FlagError, match="transform='resize' must be a function"):
        dataset(archive, transform='resize')


@pytest.mark.parametrize('name', ['seed', 'shuffle', 'split', 'data', 'format'])
def test_a_state_with_an_array_is_another_one(archive, name):
    order = dataset(archive).order()
    with pytest.raises(DataError):
        order.load_state_dict({**order.state_dict(), name: np.array([1, 2])})


def test_what_is_shown_is_short(archive):
    faces = dataset(archive, **SHAPE)
    assert repr(faces) == '<Dataset: 24 examples, 4 labels, 9x7x3>'
    assert repr(faces.order(5)) == '<BatchOrder: 24 examples, batch_size=5; 0 consumed>'
    assert repr(stream(archive)) == '<Stream: 24 examples, 4 labels, encoded; 0 consumed>'
    assert repr(faces.collate(faces[:5])) == '<Batch: 5 examples, 0 bad, data: uint8 [5, 9, 7, 3]>'
    assert repr(faces[0]).endswith("label 'n000000', class_id 0, data: uint8 [9, 7, 3]>")


def test_a_notebook_shows_pixels(archive):
    faces = dataset(archive, **SHAPE)
    pictures = re.findall(r'base64,(\S+)" title="(\w+)"', faces.collate(faces[:3])._repr_html_())
    assert [label for _, label in pictures] == [one.label for one in faces[:3]]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[1][0]))))
    assert np.array_equal(shown, faces[1].data)
    assert faces[1]._repr_html_().count('<img') == 1
    grey = dataset(archive, image_shape=(9, 7, 1))
    assert grey[0]._repr_html_().count('<img') == 1
    encoded = dataset(archive)[0]._repr_html_()
    assert encoded.startswith('<p>&lt;Example: ') and '<img' not in encoded


def test_what_is_read_are_paths(archive):
    with pytest.raises(FlagError, match=r'paths=\[3\] must be paths of archives and folders'):
        dataset([3])
    assert len(dataset([archive], augment='')) == len(dataset(str(archive))) == 24, 'nothing changes'


def test_trees_have_no_shape_and_a_table_names_some(archive, tmp_path):
    trees = tmp_path / 'trees.txt'
    trees.write_text('(3 (2 not) (4 bad))\n')
    with pytest.raises(FlagError, match=rf"^image_shape=\(9, 7, 3\) is for images, but '{trees}' has trees"):
        dataset(trees, **SHAPE)
    table = tmp_path / 'labels.csv'
    table.write_text('no/such.png,a\n')
    with pytest.raises(DataError, match=rf'labels={table} names none of the 24 images of {archive}'):
        dataset(archive, labels=table)


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ({'batch_size': None}, 'batch_size=None must be a whole number'),
        ({'rank': 0}, 'rank is for `stream`: an Estimator divides the data, by its input_context'),
        ({'world_size': 2}, 'world_size is for `stream`'),
    ],
)
def test_an_input_function_reads_batches_of_all_processes(archive, given, words):
    with pytest.raises(FlagError, match=words):
        input_fn(archive, **SHAPE, **given)


def test_an_input_function_has_labels_or_none(archive, tmp_path):
    path = write_tar(tmp_path / 'bare.tar', [('1.png', encoded(picture(1)))])
    with pytest.raises(FlagError, match=rf'The labels of {path} are unknown: give vocabulary, or labelled=F'):
        input_fn(path, **SHAPE)
    assert input_fn(path, **SHAPE, labelled=False).size == 1 and input_fn(archive, **SHAPE).size == 24
