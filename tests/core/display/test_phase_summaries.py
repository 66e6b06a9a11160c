"""The summaries of a phase are written among those of its run."""

import pytest

from estimator_lab.core.display.phase_summaries import GraphHook, shown_at, summaries_in_run
from estimator_lab.runs.event_files import all_values_in
from estimator_lab.tf1 import tf

writer_of = tf.summary.FileWriterCache.get


@pytest.fixture
def phase(tmp_path):
    folder = tmp_path / 'run' / 'pretrain_1'
    with tf.Graph().as_default(), summaries_in_run(folder, tmp_path / 'run'):
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
    writer_of(str(phase)).add_summary(summary, 3)
    writer_of(str(phase / 'eval')).add_summary(summary.SerializeToString(), 4)
    for folder in (phase, phase / 'eval'):
        writer_of(str(folder)).flush()
    assert summary.value[0].tag == 'loss'  # the caller's own is unchanged
    assert written(phase.parent) == {'pretrain_1/loss': (3, 0.5)}
    assert written(phase.parent / 'eval') == {'pretrain_1/loss': (4, 0.5)}
    assert not phase.exists()


def test_the_graph_of_a_phase_is_written_at_its_first_step(phase):
    tf.constant(1.0, name='mark')
    pipeline = tf.data.Dataset.range(3).map(lambda number: number + 1)
    tf.data.make_one_shot_iterator(pipeline).get_next()
    assert tf.get_default_graph().as_graph_def().library.function
    with tf.Session() as session:
        GraphHook(phase, 7).after_create_session(session, None)
    writer_of(str(phase)).flush()
    (path,) = phase.parent.glob('events*')
    graphs = [event for event in tf.train.summary_iterator(str(path)) if b'mark' in event.graph_def]
    assert 7 in [event.step for event in graphs]
    (shown,) = (tf.GraphDef.FromString(event.graph_def) for event in graphs if event.step == 7)
    assert not shown.library.function  # TensorBoard draws a box for each of them


def test_other_files_of_a_phase_are_written_in_the_folder_of_the_run(phase):
    assert shown_at(phase) == (phase.parent, 'pretrain_1_')
    assert shown_at(phase.parent) == (phase.parent, '')


def test_a_phase_that_has_ended_redirects_nothing(tmp_path):
    phase = tmp_path / 'run' / 'pretrain_1'
    with tf.Graph().as_default():
        with summaries_in_run(phase, tmp_path / 'run'):
            pass
        writer_of(str(phase)).add_summary(tf.Summary(), 1)
        writer_of(str(phase)).flush()
        assert shown_at(phase) == (phase, '') and list(phase.glob('events*'))
        tf.summary.FileWriterCache.clear()
