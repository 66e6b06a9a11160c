import numpy as np
import pytest

from estimator_lab.core import summaries
from estimator_lab.tf1 import tf
from tests.core.helpers import pixels_of
from tests.support.graphs import evaluate

pytestmark = pytest.mark.both


def drawn(build):
    """Adds a picture called 'it' to a graph; returns its pixels."""

    def summary():
        build()
        return tf.summary.merge_all(summaries.PICTURES)

    (value,) = tf.Summary.FromString(evaluate(summary)).value
    assert value.tag == 'images/it/image'
    return pixels_of(value)


def test_a_grid_places_tiles_row_by_row():
    tiles = 1 + np.arange(10 * 2 * 3, dtype=np.float32).reshape(10, 2, 3, 1)
    picture = evaluate(lambda: summaries.grid(tf.constant(tiles)))
    assert picture.shape == (2 * 3, 8 * 4, 1)
    for n in range(10):
        row, column = divmod(n, 8)
        assert np.array_equal(picture[3 * row : 3 * row + 2, 4 * column : 4 * column + 3], tiles[n])
    assert not picture[3:, 8:].any()  # missing tiles
    assert not picture[2::3].any() and not picture[:, 3::4].any()  # the gaps


@pytest.mark.parametrize(('channels', 'shape'), [(1, (6, 48)), (3, (6, 48, 3)), (5, (6, 48))])
def test_filters_of_any_number_of_channels(channels, shape):
    kernel = np.random.default_rng(0).random((5, 5, channels, 8), np.float32)
    assert drawn(lambda: summaries.filters_picture('it', tf.constant(kernel))).shape == shape


def test_rows_show_the_first_examples_and_black_for_missing_ones():
    few, many = np.full((2, 3, 4, 1), 0.4, np.float32), np.full((9, 3, 4, 1), 2.0, np.float32)
    pixels = drawn(lambda: summaries.rows_picture('it', [tf.constant(few), tf.constant(few)]))
    assert pixels.shape == (2 * 4, 8 * 5)
    assert pixels[1, 1::5].tolist() == [102, 102, 0, 0, 0, 0, 0, 0] == pixels[5, 1::5].tolist()
    assert drawn(lambda: summaries.rows_picture('it', [tf.constant(many)]))[1, 1::5].tolist() == [255] * 8


@pytest.mark.parametrize('batch', [1, 3])
def test_a_network_shows_its_filters_and_maps(batch, session):
    images = tf.constant(np.random.default_rng(0).random((batch, 6, 7, 1), np.float32))
    conv = tf.layers.conv2d(images, 9, 3, activation=tf.nn.relu, name='conv2d')
    layers = {'conv1': conv, 'pool1': tf.layers.max_pooling2d(conv, 2, 2)}
    summaries.network_pictures(layers, (6, 7, 1))
    summaries.network_histograms(layers)
    session.run(tf.global_variables_initializer())
    pictures = tf.Summary.FromString(session.run(tf.summary.merge_all(summaries.PICTURES))).value
    others = tf.Summary.FromString(session.run(tf.summary.merge_all())).value
    sizes = {value.tag: (value.image.height, value.image.width) for value in pictures}
    assert sizes == {
        'images/filters_conv1/image': (2 * 4, 8 * 4),
        'images/activation_map_conv1/image': (2 * 5, 8 * 6),
    }
    assert [value.tag for value in others] == [
        'weights/conv1/kernel',
        'weights/conv1/bias',
        'activations/conv1',
    ]


@pytest.mark.parametrize(('size', 'counted'), [(100, 100), (50_000, 50_000), (170_000, 56_667)])
def test_the_histogram_of_a_large_tensor_is_a_regular_sample(size, counted):
    # 170,000 values // 50,000 = every third value: ceil(170,000 / 3) = 56,667
    def build():
        summaries.histogram('x', tf.range(size, dtype=tf.float32))
        return tf.summary.merge_all()

    histogram = tf.Summary.FromString(evaluate(build)).value[0].histo
    assert (histogram.num, histogram.min) == (counted, 0)
    assert histogram.max >= size - 3


@pytest.mark.parametrize(
    ('every', 'steps', 'drawn_at'), [(2, 40, [1, 5, 9]), (5, 40, [1, 6]), (2, 8, [1, 3, 5, 7, 9])]
)
def test_pictures_are_drawn_ten_times_in_a_run(tmp_path, every, steps, drawn_at, graph):
    count = tf.assign_add(tf.train.create_global_step(), 1)
    summaries.picture('it', tf.zeros([2, 3, 1]))
    hooks = summaries.picture_hooks(tmp_path, every, steps)
    with tf.train.MonitoredSession(hooks=hooks) as session:
        for _ in range(10):
            session.run(count)
    tf.summary.FileWriterCache.clear()
    (events,) = tmp_path.iterdir()
    assert [e.step for e in tf.train.summary_iterator(str(events)) if e.summary.value] == drawn_at
