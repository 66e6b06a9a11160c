"""A batch that can't fit is refused before TensorFlow tries."""

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core.summaries import SCOPE
from estimator_lab.tf1 import tf
from estimator_lab.training import memory
from estimator_lab.training.memory import check_fits

pytestmark = pytest.mark.trains


def test_the_largest_layer_of_a_batch_must_fit(graph, monkeypatch):
    monkeypatch.setattr(memory, '_memory', lambda: 2**30)
    images = tf.placeholder(tf.float32, [None, 4, 4, 1], 'images')  # 64 bytes an example
    tf.layers.conv2d(images, 16, 3, padding='same', name='conv')  # 1,024
    with tf.name_scope(SCOPE):
        tf.placeholder(tf.float32, [None, 1000, 1000])  # rows of pictures
    check_fits(graph, 2**20)
    words = r'batch_size=1048577 does not fit into the 1 GB .* conv/\w+ alone takes 1 GB\. Give 262,144'
    with pytest.raises(FlagError, match=words):
        check_fits(graph, 2**20 + 1)


def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    whole = memory._memory()
    for text, found in ('4096', 4096), ('max', whole), (f'{2**60}', whole):
        (tmp_path / 'max').write_text(f'{text}\n')
        monkeypatch.setattr(memory, '_CGROUP', tmp_path / 'max')
        assert memory._memory() == found
