"""What a phase shows comes among the events of its run."""

import pytest

from estimator_lab.core.display.phase_summaries import show_as_tags, shown_at
from estimator_lab.runs.event_files import all_values_in
from estimator_lab.tf1 import tf


@pytest.fixture
def phase(tmp_path):
    folder = tmp_path / 'run' / 'pretrain_1'
    show_as_tags(folder, tmp_path / 'run')
    with tf.Graph().as_default():
        yield folder
    tf.summary.FileWriterCache.clear()


def written(folder):
    return {
        value.tag: (step, value.simple_value)
        for path in folder.glob('events*')
        for step, value in all_values_in(path, pytest.fail)
    }


def test_tags_begin_with_the_name_of_the_phase(phase):
    summary = tf.Summary(value=[tf.Summary.Value(tag='loss', simple_value=0.5)])
    tf.summary.FileWriterCache.get(str(phase)).add_summary(summary, 3)
    evaluation = tf.summary.FileWriterCache.get(str(phase / 'eval'))
    evaluation.add_summary(summary.SerializeToString(), 4)
    for folder in (phase, phase / 'eval', phase.parent):
        tf.summary.FileWriterCache.get(str(folder)).flush()
    assert summary.value[0].tag == 'loss'  # the caller's own stays as it was
    assert written(phase.parent) == {'pretrain_1/loss': (3, 0.5)}
    assert written(phase.parent / 'eval') == {'pretrain_1/loss': (4, 0.5)}
    assert not phase.exists()


def test_the_graph_of_a_phase_is_one_of_the_run(phase):
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name='mark')
    tf.summary.FileWriterCache.get(str(phase)).add_graph(graph)
    tf.summary.FileWriterCache.get(str(phase)).flush()
    (path,) = phase.parent.glob('events*')
    graphs = [event.graph_def for event in tf.train.summary_iterator(str(path)) if event.graph_def]
    assert any(b'mark' in found for found in graphs)


def test_files_of_a_phase_lie_beside_those_of_the_run(phase):
    assert shown_at(phase) == (phase.parent, 'pretrain_1_')
    assert shown_at(phase.parent) == (phase.parent, '')


def test_all_writers_can_be_closed(phase):
    tf.summary.FileWriterCache.get(str(phase)).flush()
    tf.summary.FileWriterCache.clear()
    assert shown_at(phase) == (phase, '')
