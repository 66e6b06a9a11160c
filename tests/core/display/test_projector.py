import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig, projector_plugin

from estimator_lab.core.display.projector import tile_size, write_projection


def config_of(folder):
    return text_format.Parse((folder / 'projector_config.pbtxt').read_text(), ProjectorConfig())


def test_tensorboard_reads_the_points(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    images = np.linspace(0, 1, 5)[:, None, None, None] * np.ones((5, 4, 6, 1))
    write_projection(tmp_path, 'code', vectors, {'label': list('aabbc'), 'key': ['x\ty', *'1234']}, images)
    (points,) = config_of(tmp_path).embeddings
    assert points.tensor_name == 'code'
    read = projector_plugin._read_tensor_tsv_file(str(tmp_path / points.tensor_path))
    assert np.allclose(read, vectors, rtol=1e-5)
    rows = (tmp_path / points.metadata_path).read_text().splitlines()
    assert rows == ['label\tkey', 'a\tx y', 'a\t1', 'b\t2', 'b\t3', 'c\t4']
    # Five images make a square of three tiles a side, filled row by row.
    assert list(points.sprite.single_image_dim) == [6, 4]
    sprite = np.asarray(Image.open(tmp_path / points.sprite.image_path))
    assert sprite.shape == (12, 18, 3)
    centres = sprite[2::4, 3::6, 0].ravel().tolist()
    assert centres == [0, 64, 128, 191, 255, 0, 0, 0, 0]


def test_a_single_column_has_no_title(tmp_path):
    write_projection(tmp_path, 'code', np.zeros((2, 2)), {'label': ['a', 'b']})
    assert (tmp_path / 'code_metadata.tsv').read_text() == 'a\nb\n'
    assert not config_of(tmp_path).embeddings[0].HasField('sprite')


def test_points_of_the_same_name_are_replaced(tmp_path):
    for name in ('layer_1', 'layer_2', 'layer_1'):
        write_projection(tmp_path, name, np.zeros((2, 2)), {'label': ['a', 'b']})
    assert [points.tensor_name for points in config_of(tmp_path).embeddings] == ['layer_2', 'layer_1']


@pytest.mark.parametrize(
    ('count', 'height', 'width', 'tile'),
    [(4, 128, 128, (64, 64)), (40_000, 28, 28, (28, 28)), (40_000, 32, 64, (40, 20)), (4, 1, 500, (64, 1))],
)
def test_the_sprite_fits_a_browser(count, height, width, tile):
    assert tile_size(count, height, width) == tile
    assert max(tile) * int(np.ceil(np.sqrt(count))) <= 8192


def test_points_without_metadata(tmp_path):
    write_projection(tmp_path, 'code', np.zeros((2, 3)), {})
    (points,) = config_of(tmp_path).embeddings
    assert points.tensor_path == 'code.tsv' and not points.metadata_path


def test_points_in_a_plane_get_a_third_dimension(tmp_path):
    write_projection(tmp_path, 'code', np.array([[1.5, 2], [3, 4]]), {})
    assert np.loadtxt(tmp_path / 'code.tsv').tolist() == [[1.5, 2, 0], [3, 4, 0]]


@pytest.mark.parametrize(
    'text',
    [
        b'\xff\xfe',
        b'embeddings {',
        b'unknown: 3',
        b'embeddings { tensor_name: "x" tensor_path: "/etc/passwd" }',
        b'embeddings { tensor_name: "x" tensor_path: "x.tsv" metadata_path: "../other.tsv" }',
        b'embeddings { tensor_name: "../x" tensor_path: "../x.tsv" }',
        b'embeddings { tensor_name: "x" tensor_path: "x.tsv" sprite { image_path: "/x.png" } }',
        b'#' * 2**21,
    ],
    ids=['not UTF-8', 'truncated', 'unknown', 'elsewhere', 'table', 'name', 'sprite', 'large'],
)
def test_an_untrusted_configuration_is_ignored(tmp_path, text):
    (tmp_path / 'projector_config.pbtxt').write_bytes(text)
    write_projection(tmp_path, 'code', np.zeros((2, 3)), {})
    assert [points.tensor_name for points in config_of(tmp_path).embeddings] == ['code']


def test_a_configuration_is_not_written_through_a_link(tmp_path):
    (tmp_path / 'precious').write_text('precious')
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'projector_config.pbtxt').symlink_to(tmp_path / 'precious')
    write_projection(tmp_path / 'run', 'code', np.zeros((2, 3)), {})
    assert (tmp_path / 'precious').read_text() == 'precious'
