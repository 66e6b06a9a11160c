import io
import os
import re
import shutil
import tarfile
import threading

import numpy as np
import pytest

from estimator_lab.console.outputs import locked
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError, FlagError, LabError
from estimator_lab.runs import precision
from estimator_lab.runs.record import read_record
from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings

SMALL = 'filters=2,dense_units=8'


@pytest.fixture
def settings(archive, tmp_path):
    def make(**changes):
        defaults = {
            'model': 'cnn',
            'data': [str(archive)],
            'model_dir': tmp_path / 'model',
            'eval_data': [str(archive)],
            'batch_size': 6,
            'max_steps': 4,
            'image_size': 8,
            'hparams': SMALL,
            'save_summary_steps': 2,
            'save_checkpoints_steps': 100,  # the last step alone is evaluated
        }
        return Settings(**{**defaults, **changes})

    return make


def rewrite(archive, path, rename=lambda n, name: name, data=lambda n, data: data):
    """Writes the members of an archive again under other names or with other bytes."""
    with tarfile.open(path, 'w') as tar:
        for n, member in enumerate(stream_members(archive)):
            content = data(n, member.data)
            info = tarfile.TarInfo(rename(n, member.name))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return str(path)


def weights(result):
    reader = tf.train.load_checkpoint(result.checkpoint)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def tags(folder):
    """Returns the tags of all summaries in a folder of event files, and the names of the graph's nodes."""
    found, nodes = set(), set()
    for path in folder.glob('events*'):
        for event in tf.train.summary_iterator(str(path)):
            found |= {value.tag for value in event.summary.value}
            if event.graph_def:
                nodes |= {node.name for node in tf.GraphDef.FromString(event.graph_def).node}
    return found, nodes


@pytest.fixture
def trained_before(cnn_dir, tmp_path):
    """The folder of `settings` with three steps taken."""
    return shutil.copytree(cnn_dir, tmp_path / 'model')


def scalars_of(folder, tag):
    """Returns the values of a tag in a folder of event files, in their order."""
    events = (
        event for path in sorted(folder.glob('events*')) for event in tf.train.summary_iterator(str(path))
    )
    return [value.simple_value for event in events for value in event.summary.value if value.tag == tag]


def test_trains_evaluates_and_leaves_a_model_dir(settings, tmp_path):
    result = Experiment(settings(), lambda line: None).train()
    assert (result.step, result.max_steps, result.interrupted, result.bad_images) == (4, 4, False, 0)
    assert 0 <= result.metrics['accuracy'] <= 1
    assert result.metrics['global_step'] == 4
    record = read_record(tmp_path / 'model')
    assert (record.model, record.image_shape) == ('cnn', (8, 8, 1))
    assert record.vocabulary == ('n000000', 'n000001', 'n000002', 'n000003')
    assert record.hparams['filters'] == 2
    assert record.versions['tensorflow'] == tf.__version__


def test_tensorboard_has_all_that_is_promised(settings, tmp_path):
    Experiment(settings(), lambda line: None).train()
    train, nodes = tags(tmp_path / 'model')
    assert train >= {
        'loss',
        'accuracy',
        'learning_rate',
        'examples_per_second',
        'global_step/sec',
        'images/input/image',
    }
    assert train >= {f'weights/{layer}/kernel' for layer in ('conv1', 'conv2', 'dense', 'dense_1')}
    assert train >= {'activations/conv1', 'activations/conv2', 'activations/dense'}
    images = {tag.removesuffix('/image') for tag in train}
    assert images >= {
        f'images/{name}' for name in ('filters_conv1', 'activation_map_conv1', 'activation_map_conv2')
    }
    assert 'dense/kernel' in nodes
    evaluated, _ = tags(tmp_path / 'model' / 'eval')
    assert evaluated >= {'loss', 'accuracy', 'mean_per_class_accuracy'}


def test_goes_on_where_it_stopped_as_if_it_never_had(settings, tmp_path):
    # A schedule would spread over runs of different length.
    quiet = f'{SMALL},dropout_rate=0,learning_rate=0.01,learning_rate_schedule=constant'

    def train(folder, max_steps):
        changes = {'model_dir': tmp_path / folder, 'max_steps': max_steps, 'hparams': quiet}
        return Experiment(settings(**changes, shuffle_buffer=24), lambda line: None).train()

    whole = weights(train('whole', 9))
    train('parts', 3)
    train('parts', 4)
    parts = weights(train('parts', 9))
    assert set(whole) == set(parts)
    for name in whole:
        assert np.allclose(whole[name], parts[name], atol=1e-6), name


def test_a_finished_run_only_evaluates(settings, trained_before, tmp_path):
    lines = []
    again = Experiment(settings(max_steps=3), lines.append).train()
    assert 'Already trained for 3 steps: evaluating only.' in lines
    found = scalars_of(tmp_path / 'model' / 'eval', 'accuracy')
    assert again.metrics['accuracy'] == pytest.approx(found[0])


@pytest.mark.parametrize(
    ('changes', 'steps'),
    [
        ({'epochs': 1}, 4),  # 24 images / 6
        ({'epochs': 2.5}, 10),
        ({'epochs': 1, 'batch_size': 7}, 4),
        ({}, 40),  # 10 epochs
        ({'max_steps': 3}, 3),
    ],
)
def test_length_of_training(settings, changes, steps):
    experiment = Experiment(settings(**{'max_steps': None, **changes}), lambda line: None)
    assert experiment.max_steps == steps


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'epochs': 1}, '--max_steps and --epochs exclude each other'),
        ({'epochs': 0, 'max_steps': None}, '--epochs=0 must be more than 0'),
        ({'model': 'cmm'}, '--model=cmm is unknown; known are: .*cnn'),
        ({'hparams': 'filter=3'}, "Unknown hyper-parameter 'filter'; known are: optimizer"),
        ({'hparams': 'optimizer=adm'}, 'optimizer=adm is not allowed: one of adadelta, adagrad, adam'),
        ({'hparams': 'dropout_rate=1'}, 'dropout_rate=1.0 is not allowed'),
        ({'image_size': 3}, '--image_size=3 is too small: 2 poolings'),
        ({'augment': 'turn=1'}, '--augment=turn=1 is not understood'),
        ({'split': '0.5'}, '--split divides --data in two; give it without --eval_data'),
        ({'split': '0.9,0.2', 'eval_data': ()}, '--split=0.9,0.2 is not understood'),
        ({'split': '1', 'eval_data': ()}, '--split=1 is not understood'),
        ({'split': 'half', 'eval_data': ()}, '--split=half is not understood'),
    ],
)
def test_bad_settings_change_nothing(settings, tmp_path, changes, words):
    with pytest.raises(FlagError, match=words):
        Experiment(settings(**changes), lambda line: None)
    assert not (tmp_path / 'model').exists()


def test_bfloat16_is_refused_where_the_processor_lacks_it(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(precision, 'supports_bfloat16', lambda: False)
    with pytest.raises(FlagError, match='--precision=bfloat16 needs a processor with AVX512-BF16'):
        Experiment(settings(precision='bfloat16'), lambda line: None)
    assert not (tmp_path / 'model').exists()


def test_bfloat16_reaches_training(settings, monkeypatch, tmp_path):
    """The profile names the casts around what is computed in bfloat16; the weights differ slightly."""
    # Slow where the processor lacks it, but right.
    monkeypatch.setattr(precision, 'supports_bfloat16', lambda: True)
    kernels, casts = {}, {}
    for name in precision.PRECISIONS:
        model_dir = tmp_path / name
        changes = {'precision': name, 'profile': True, 'max_steps': 12, 'model_dir': model_dir}
        result = Experiment(settings(**changes), lambda line: None).train()
        kernels[name] = weights(result)['conv2d/kernel']
        timelines = [path.read_text() for path in (model_dir / 'profile').glob('timeline-*.json')]
        casts[name] = {found for text in timelines for found in re.findall(r'"([^"]*CastToBf16[^"]*)"', text)}
    assert not casts['float32']
    assert any('conv2d' in cast for cast in casts['bfloat16'])
    assert any('dense' in cast for cast in casts['bfloat16'])
    assert not np.array_equal(kernels['bfloat16'], kernels['float32'])
    assert np.allclose(kernels['bfloat16'], kernels['float32'], atol=0.02)


def test_bad_data_changes_nothing(settings, archive, tmp_path):
    one_class = rewrite(archive, tmp_path / 'one.tar', lambda n, name: f'train/x/{n}.png')
    text = tmp_path / 'text.tar'
    text.write_text('no tar at all')
    empty = tmp_path / 'empty.tar'
    tarfile.open(empty, 'w').close()
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(archive.read_bytes()[:9000])
    cases = {
        'none.tar': 'There is no file',
        str(text): 'not a tar archive',
        str(empty): 'holds no images',
        one_class: "has one class only, 'x'",
        str(cut): 'cut off at byte',
    }
    for data, words in cases.items():
        with pytest.raises(DataError, match=words):
            Experiment(settings(data=[data]), lambda line: None)
    assert not (tmp_path / 'model').exists()


def test_a_model_dir_of_another_kind_is_left_alone(settings, trained_before, archive, tmp_path):
    before = {path: path.read_bytes() for path in (tmp_path / 'model').rglob('*') if path.is_file()}
    other = rewrite(archive, tmp_path / 'other.tar', lambda n, name: name.replace('n000003', 'n000009'))
    with pytest.raises(DataError, match='trained on other labels'):
        Experiment(settings(data=[other]), lambda line: None)
    with pytest.raises(FlagError, match='not 12x12x1'):
        Experiment(settings(image_size=12), lambda line: None)
    with pytest.raises(FlagError, match='--hparams=dense_units=8, not 9'):
        Experiment(settings(hparams='filters=2,dense_units=9'), lambda line: None)
    assert before == {path: path.read_bytes() for path in (tmp_path / 'model').rglob('*') if path.is_file()}


def test_evaluation_labels_that_training_never_saw(settings, archive, tmp_path):
    mixed = rewrite(archive, tmp_path / 'mixed.tar', lambda n, name: name.replace('n000003', 'n000009'))
    lines = []
    result = Experiment(settings(eval_data=[mixed]), lines.append).train()
    assert any('6 of 24 evaluation images have labels that training never saw (n000009)' in x for x in lines)
    assert (result.metrics['unknown_labels'], result.metrics['evaluated_images']) == (6, 18)
    foreign = rewrite(archive, tmp_path / 'foreign.tar', lambda n, name: f'test/x/{n}.png')
    with pytest.raises(DataError, match='no label in common'):
        Experiment(settings(eval_data=[foreign]), lambda line: None)


def test_split_trains_and_evaluates_on_different_images(settings, archive):
    experiment = Experiment(settings(split='0.6,0.3', eval_data=()), lambda line: None)
    seen = [
        {turn.name for turn in archives.order().epoch(0)}
        for archives in (experiment.inputs.train, experiment.inputs.evaluation)
    ]
    assert not seen[0] & seen[1] and len(seen[0]) > len(seen[1]) > 0
    assert experiment.inputs.unseen
    result = experiment.train()
    assert result.on_unseen and result.evaluated_on == len(seen[1])
    whole = Experiment(settings(split='0.6', eval_data=(), model_dir=archive.parent / 'x'), lambda line: None)
    assert whole.inputs.train.total + whole.inputs.evaluation.total == 24


def test_vocabulary_from_a_file(settings, tmp_path):
    labels = tmp_path / 'labels.txt'
    labels.write_text('n000003\nn000002\nn000001\nn000000\nn999999\n')
    experiment = Experiment(settings(vocabulary=labels), lambda line: None)
    assert experiment.inputs.labels[0] == 'n000003' and len(experiment.inputs.labels) == 5
    labels.write_text('n000003\nn000002\n')
    with pytest.raises(DataError, match=r'12 of 24 training images have .* lacks \(n000000, n000001\)'):
        Experiment(settings(vocabulary=labels), lambda line: None)


def test_a_pipe_trains_with_a_vocabulary_and_says_what_it_lacks(settings, archive, tmp_path):
    fifo, labels = tmp_path / 'pipe', tmp_path / 'labels.txt'
    os.mkfifo(fifo)
    labels.write_text('n000000\nn000001\nn000002\nn000003\n')
    piped = {'data': [str(fifo)], 'vocabulary': labels, 'max_steps': 30, 'shuffle_buffer': 5}
    for changes, words in (
        ({'vocabulary': None}, 'labels cannot be looked up in advance: give --vocabulary'),
        ({'max_steps': None}, 'the number of examples in an epoch is unknown: give --max_steps'),
        ({'eval_data': ()}, 'can be read only once: give other images as --eval_data'),
    ):
        with pytest.raises(FlagError, match=words):
            Experiment(settings(**{**piped, **changes}), lambda line: None)
    writer = threading.Thread(target=fifo.write_bytes, args=[archive.read_bytes()])
    writer.start()
    lines = []
    result = Experiment(settings(**piped), lines.append).train()
    writer.join()
    assert result.step == 4  # the data ends first
    assert any('Warning: the archive is sorted by label. Its first 5 images' in line for line in lines)


def test_a_damaged_archive_is_used_up_to_the_break_on_request(settings, archive, tmp_path):
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(archive.read_bytes()[:30_000])
    lines = []
    result = Experiment(settings(data=[str(cut)], use_damaged=True), lines.append).train()
    assert result.step == 4
    assert any(line.startswith(f"Warning: '{cut}' is cut off at byte 30000") for line in lines)


def test_fast_decoding_reaches_the_model(settings, monkeypatch):
    from estimator_lab.data.images import decode, reader

    used = []
    monkeypatch.setitem(
        reader.DECODERS, 'fast', lambda *arguments: used.append(1) or decode.decode_image(*arguments)
    )
    Experiment(settings(decode='fast'), lambda line: None).train()
    assert used


def test_bad_images_are_counted_and_shown(settings, archive, tmp_path):
    some_bad = rewrite(archive, tmp_path / 'bad.tar', data=lambda n, data: b'junk' if n % 8 == 3 else data)
    lines = []
    changes = {'data': [some_bad], 'eval_data': [some_bad], 'max_bad_fraction': 0.2}
    result = Experiment(settings(**changes), lines.append).train()
    assert result.step == 4 and result.metrics['evaluated_images'] == 21
    assert any(line.startswith('evaluated at') and line.endswith('; over 21 of 24 images') for line in lines)
    assert result.bad_images >= 3
    assert any('Skipped a bad image' in line and 'bad.tar' in line for line in lines)
    listed = (tmp_path / 'model' / 'bad_members.csv').read_text().splitlines()
    assert listed[0] == 'archive,member,offset,reason' and len(listed) == 4  # three bad ones, each once
    assert all(line.endswith('not an image in a known format') for line in listed[1:])


def test_too_many_bad_images_end_training_with_what_was_learned_saved(settings, archive, tmp_path):
    bad = rewrite(archive, tmp_path / 'bad.tar', data=lambda n, data: b'junk' if n >= 20 else data)
    experiment = Experiment(settings(data=[bad], shuffle_buffer=1, max_steps=40), lambda line: None)
    with pytest.raises(DataError, match=r'1 image could not be decoded, more than --max_bad_fraction=0.01'):
        experiment.train()
    assert experiment.saved_step() == 3  # 18 good images / 6


@pytest.mark.parametrize('part', ['model.ckpt-3.index', 'model.ckpt-3.data-00000-of-00001'])
def test_a_damaged_checkpoint_is_named(settings, trained_before, part):
    with (trained_before / part).open('r+b') as file:
        file.truncate(20)
    with pytest.raises(DataError, match=r'The checkpoint .*model\.ckpt-3 in --model_dir cannot be read'):
        Experiment(settings(), lambda line: None).saved_step()


def test_a_model_dir_that_cannot_be_written(settings, tmp_path):
    blocked = tmp_path / 'file'
    blocked.write_text('')
    with pytest.raises(FlagError, match='is a file, not a folder'):
        Experiment(settings(model_dir=blocked), lambda line: None)
    experiment = Experiment(settings(model_dir=tmp_path / 'new'), lambda line: None)
    (tmp_path / 'new').write_text('')
    with pytest.raises(FlagError, match=r'--model_dir=.*new cannot be written'):
        experiment.train()


def test_a_loss_of_nan_ends_training_in_one_sentence(settings):
    wild = f'{SMALL},optimizer=sgd,learning_rate=1e38,warmup_steps=0'
    with pytest.raises(LabError, match='not a number any more'):
        Experiment(settings(hparams=wild), lambda line: None).train()


def test_a_second_training_in_the_same_folder_is_refused(settings, tmp_path):
    (tmp_path / 'model').mkdir()
    experiment = Experiment(settings(), lambda line: None)
    with locked(tmp_path / 'model', 'busy'), pytest.raises(FlagError, match='is being trained in by another'):
        experiment.train()
    assert not list((tmp_path / 'model').iterdir())
    assert experiment.train().step == settings().max_steps
