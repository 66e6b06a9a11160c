import io

import numpy as np
import pytest
from PIL import Image

from estimator_lab.core.display import summaries
from estimator_lab.core.display.drawing import DoublingTimer
from estimator_lab.tf1 import tf
from tests.graphs import evaluate


def drawn(build):
    """Builds a drawing, and draws it; returns the pixels of its picture."""
    with tf.Graph().as_default(), tf.Session() as session:
        drawing = build()
        (value,) = drawing.draw(session.run(drawing.fetches))
    assert value.tag == 'images/it/image'
    return np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))


def test_grid_places_tiles_row_by_row():
    tiles = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3, 1)
    picture = summaries.grid(tiles, columns=2)
    assert picture.shape == (3 * 3, 2 * 4, 1)
    for n in range(5):
        row, column = divmod(n, 2)
        assert np.array_equal(picture[3 * row : 3 * row + 2, 4 * column : 4 * column + 3], tiles[n])
    assert not picture[6:, 4:].any()  # the missing sixth tile
    assert not picture[2::3].any() and not picture[:, 3::4].any()  # the gaps


def test_each_filter_is_scaled_to_its_own_range():
    kernel = np.array([[1.0, 3.0], [10.0, 20.0], [4.0, 4.0]], np.float32).T.reshape(1, 2, 1, 3)
    pixels = drawn(lambda: summaries.filter_drawing('it', tf.constant(kernel)))
    assert pixels[0, :9].tolist() == [0, 255, 0, 0, 255, 0, 0, 0, 0]  # 0 in the gaps


@pytest.mark.parametrize(('channels', 'shape'), [(1, (6, 48)), (3, (6, 48, 3)), (5, (6, 48))])
def test_filters_of_any_number_of_channels(channels, shape):
    kernel = np.random.default_rng(0).random((5, 5, channels, 8), np.float32)
    assert drawn(lambda: summaries.filter_drawing('it', tf.constant(kernel))).shape == shape


def test_rows_show_the_first_examples_and_black_for_missing_ones():
    few, many = np.full((2, 3, 4, 1), 0.5, np.float32), np.full((9, 3, 4, 1), 2.0, np.float32)
    pixels = drawn(lambda: summaries.rows_drawing('it', [('', tf.constant(few)), ('', tf.constant(many))]))
    assert pixels.shape == (2 * 4, 8 * 5)
    assert pixels[1, 1::5].tolist() == [128, 128, 0, 0, 0, 0, 0, 0]
    assert pixels[5, 1::5].tolist() == [255] * 8


def test_rows_have_their_texts_at_the_left():
    rows = np.full((8, 28, 28, 1), 0.5, np.float32)
    pixels = drawn(
        lambda: summaries.rows_drawing('it', [('0 steps', tf.constant(rows)), ('more', tf.constant(rows))])
    )
    width = 8 * 29 * 2
    assert pixels.shape[0] == 2 * 29 * 2  # enlarged, so that a row has 48 pixels or more
    images, texts = pixels[:, -width:], pixels[:, :-width]
    assert images[29, 29] == 128 and not images[57].any()
    assert (texts[:58] < 128).any() and (texts[58:] < 128).any() and texts.max() == 255


@pytest.mark.parametrize('batch', [1, 3])
def test_activation_maps_show_the_first_example(batch):
    activations = np.random.default_rng(0).random((batch, 4, 5, 9), np.float32)
    activations[0, 0, 0, 8] = 7.0
    pixels = drawn(lambda: summaries.activation_map_drawing('it', tf.constant(activations)))
    assert pixels.shape == (2 * 5, 8 * 6) and pixels[5, 0] == 255


@pytest.mark.parametrize(('size', 'counted'), [(100, 100), (50_000, 50_000), (170_000, 56_667)])
def test_histogram_of_large_tensors_is_a_regular_sample(size, counted):
    # 170,000 values // 50,000 = every third value: ceil(170,000 / 3) = 56,667
    def build():
        summaries.histogram_summary('x', tf.range(size, dtype=tf.float32))
        return tf.summary.merge_all()

    histogram = tf.Summary.FromString(evaluate(build)).value[0].histo
    assert (histogram.num, histogram.min) == (counted, 0)
    assert histogram.max >= size - 3


def due(apart, steps):
    timer = DoublingTimer(apart)
    return [step for step in range(1, steps + 1) if timer.is_due(step)]


def test_drawings_double_their_distance_up_to_a_maximum():
    assert due(500, 300) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert due(10, 50) == [1, 2, 4, 8, 16, 26, 36, 46]
    assert due(1, 5) == [1, 2, 3, 4, 5]
