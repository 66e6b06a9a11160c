"""A run from its settings to its model_dir: steps, labels, archives, errors."""

import io
import os
import re
import shutil
import tarfile
import threading

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.outputs import locked
from estimator_lab.runs import precision
from estimator_lab.runs.record import read_record
from estimator_lab.tf1 import tf
from tests.small_runs import cnn_settings, opened, trained, values_in
from tests.streams import stream_members


@pytest.fixture
def settings(archive, tmp_path):
    def make(**changes):
        return cnn_settings(archive, tmp_path / 'model', **{'eval_data': [str(archive)], **changes})

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


@pytest.fixture
def trained_before(cnn_dir, tmp_path):
    """The folder of `settings` with three steps taken."""
    return shutil.copytree(cnn_dir, tmp_path / 'model')


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_trains_evaluates_and_leaves_a_model_dir(settings, tmp_path):
    result, _ = trained(settings())
    assert (result.step, result.max_steps, result.interrupted, result.bad_images) == (4, 4, False, 0)
    assert result.metrics['global_step'] == 4
    record = read_record(tmp_path / 'model')
    assert (record.model, record.image_shape) == ('cnn', (8, 8, 1))
    assert record.vocabulary == ('n000000', 'n000001', 'n000002', 'n000003')
    assert record.hparams['filters'] == 2
    assert record.versions['tensorflow'] == tf.__version__
    again, lines = trained(settings())
    assert 'Already trained for 4 steps: evaluating only.' in lines
    assert again.metrics == pytest.approx(result.metrics)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'augment': 'turn=1'}, '--augment=turn=1 is not understood'),
        ({'split': '0.5'}, '--split divides --data in two; give it without --eval_data'),
        ({'split': '0.9,0.2', 'eval_data': ()}, '--split=0.9,0.2 is not understood'),
        ({'split': '1', 'eval_data': ()}, '--split=1 is not understood'),
        ({'split': 'half', 'eval_data': ()}, '--split=half is not understood'),
        ({'split': 'nan', 'eval_data': ()}, '--split=nan is not understood'),
        ({'split': '0.5,nan', 'eval_data': ()}, '--split=0.5,nan is not understood'),
        ({'eval_data': ['-']}, '--eval_data=- can be read only once, but each'),
        ({'export': ['last']}, '--export=last is not allowed: one or more of best, latest, final'),
        ({'hparams': 'filters=1000000000'}, 'make no network: Shape'),
        ({'hparams': 'optimizer=lbfgs,memory=1000000'}, 'memory=1000000 must be 1000 or less'),
    ],
)
def test_bad_settings_change_nothing(settings, tmp_path, changes, words):
    with pytest.raises(FlagError) as caught:
        opened(settings(**changes))
    assert words in str(caught.value) and '{{node' not in str(caught.value)
    assert not (tmp_path / 'model').exists()


@pytest.mark.parametrize('half', ['float16', 'bfloat16'])
def test_a_second_order_optimizer_needs_float32(settings, half):
    with pytest.raises(FlagError, match=f'optimizer=lbfgs compares losses .* {half} does not have'):
        opened(settings(precision=half, hparams='optimizer=lbfgs'))


def test_bfloat16_and_the_profile_that_shows_it(settings, tmp_path):
    """The profile names the casts around what is computed in bfloat16; the weights differ slightly."""
    kernels, casts, operations = {}, {}, {}
    for name in precision.PRECISIONS:
        model_dir = tmp_path / name
        changes = {'precision': name, 'profile': True, 'max_steps': 12, 'model_dir': model_dir}
        result, lines = trained(settings(**changes))
        assert any(line.startswith('Profile ') and str(model_dir / 'profile') in line for line in lines)
        kernels[name] = values_in(result.checkpoint)['conv2d/kernel']
        timelines = [path.read_text() for path in (model_dir / 'profile').glob('timeline-*.json')]
        assert len(timelines) == 2
        casts[name] = {found for text in timelines for found in re.findall(r'"([^"]*CastToBf16[^"]*)"', text)}
        operations[name] = set(re.findall(r'"op": "([^"]*)"', timelines[0]))
    assert not casts['float32']
    for part in ('Conv2D', 'MatMul'):  # either may be fused with what follows
        assert any(part in operation for operation in operations['float32'])
    assert any('conv2d' in cast for cast in casts['bfloat16'])
    assert any('dense' in cast for cast in casts['bfloat16'])
    assert not np.array_equal(kernels['bfloat16'], kernels['float32'])
    assert np.allclose(kernels['bfloat16'], kernels['float32'], atol=0.02)


def test_archives_that_cannot_be_trained_on_change_nothing(settings, archive, tmp_path):
    one_class = rewrite(archive, tmp_path / 'one.tar', lambda n, name: f'train/x/{n}.png')
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(archive.read_bytes()[:30_000])
    foreign = rewrite(archive, tmp_path / 'foreign.tar', lambda n, name: f'test/x/{n}.png')
    for changes, words in (
        ({'data': [one_class]}, "^--data=.* has one class only, 'x'"),
        ({'split': '0.2', 'eval_data': ()}, 'The part that --split=0.2 trains on of --data=.* has one class'),
        ({'data': [str(cut)]}, 'cut off at byte'),
        ({'eval_data': [foreign]}, 'no label in common'),
    ):
        with pytest.raises(DataError, match=words):
            opened(settings(**changes))
    assert not (tmp_path / 'model').exists()
    _, lines = opened(settings(data=[str(cut)], use_damaged=True))
    assert any(line.startswith(f"Warning: '{cut}' is cut off at byte 30000") for line in lines)


def test_a_model_dir_of_another_kind_is_left_alone(settings, trained_before, archive, tmp_path):
    before = files_in(trained_before)
    other = rewrite(archive, tmp_path / 'other.tar', lambda n, name: name.replace('n000003', 'n000009'))
    for changes, kind, words in (
        ({'data': [other]}, DataError, 'trained on other labels'),
        ({'image_size': 12}, FlagError, 'not 12x12x1'),
        ({'hparams': 'filters=2,dense_units=9'}, FlagError, '--hparams=dense_units=8, not 9'),
    ):
        with pytest.raises(kind, match=words):
            opened(settings(**changes))
    assert files_in(trained_before) == before


def test_evaluation_labels_that_training_never_saw(settings, archive, tmp_path):
    mixed = rewrite(archive, tmp_path / 'mixed.tar', lambda n, name: name.replace('n000003', 'n000009'))
    result, lines = trained(settings(eval_data=[mixed]))
    assert any('6 of 24 evaluation images have labels that training never saw (n000009)' in x for x in lines)
    assert (result.metrics['unknown_labels'], result.metrics['total_examples']) == (6, 18)


def test_split_trains_and_evaluates_on_different_images(settings, archive):
    experiment, _ = opened(settings(split='0.6,0.3', eval_data=()))
    seen = [
        {turn.name for turn in archives.order().epoch(0)}
        for archives in (experiment.inputs.train, experiment.inputs.evaluation)
    ]
    assert not seen[0] & seen[1] and len(seen[0]) > len(seen[1]) > 0
    assert experiment.inputs.unseen
    result = experiment.train()
    assert result.on_unseen and result.evaluated_on == len(seen[1])
    whole, _ = opened(settings(split='0.6', eval_data=(), model_dir=archive.parent / 'x'))
    assert whole.inputs.train.total + whole.inputs.evaluation.total == 24


def test_vocabulary_from_a_file(settings, tmp_path):
    labels = tmp_path / 'labels.txt'
    labels.write_text('n000003\nn000002\nn000001\nn000000\nn999999\n')
    experiment, _ = opened(settings(vocabulary=labels))
    assert experiment.inputs.labels[0] == 'n000003' and len(experiment.inputs.labels) == 5
    labels.write_text('n000003\nn000002\n')
    with pytest.raises(DataError, match=r'12 of 24 training images have .* lacks \(n000000, n000001\)'):
        opened(settings(vocabulary=labels))


def test_a_pipe_trains_with_a_vocabulary_and_says_what_it_lacks(settings, archive, tmp_path):
    fifo, labels = tmp_path / 'pipe', tmp_path / 'labels.txt'
    os.mkfifo(fifo)
    labels.write_text('n000000\nn000001\nn000002\nn000003\n')
    piped = {'data': [str(fifo)], 'vocabulary': labels, 'max_steps': 30, 'shuffle_buffer': 5}
    for changes, words in (
        ({'vocabulary': None}, 'labels cannot be looked up in advance: give --vocabulary'),
        ({'max_steps': None}, 'the number of examples in an epoch is unknown: give --max_steps'),
        ({'eval_data': ()}, 'can be read only once: give other images as --eval_data'),
        ({'eval_data': [str(fifo)]}, 'can be read only once, but each'),
    ):
        with pytest.raises(FlagError, match=words):
            opened(settings(**{**piped, **changes}))
    writer = threading.Thread(target=fifo.write_bytes, args=[archive.read_bytes()])
    writer.start()
    result, _ = trained(settings(**piped))
    writer.join()
    assert result.step == 4  # the data ends first


def test_fast_decoding_reaches_the_model(settings, monkeypatch):
    from estimator_lab.data.images import decode, reader

    used = []
    monkeypatch.setitem(
        reader.DECODERS, 'fast', lambda *arguments: used.append(1) or decode.decode_image(*arguments)
    )
    trained(settings(decode='fast', max_steps=1))
    assert used


def test_bad_images_are_counted_and_shown(settings, archive, tmp_path):
    some_bad = rewrite(archive, tmp_path / 'bad.tar', data=lambda n, data: b'junk' if n % 8 == 3 else data)
    changes = {'data': [some_bad], 'eval_data': [some_bad], 'max_bad_fraction': 0.2}
    result, lines = trained(settings(**changes))
    assert result.step == 4 and result.metrics['total_examples'] == 21
    assert any(line.startswith('evaluated at') and line.endswith('; over 21 of 24 images') for line in lines)
    assert result.bad_images == 3
    assert any('Skipped a bad image' in line and 'bad.tar' in line for line in lines)
    listed = (tmp_path / 'model' / 'bad_members.csv').read_text().splitlines()
    assert listed[0] == 'archive,member,offset,reason' and len(listed) == 4  # three bad ones, each once
    assert all(line.endswith('not an image in a known format') for line in listed[1:])


def test_too_many_bad_images_end_training_with_what_was_learned_saved(settings, archive, tmp_path):
    bad = rewrite(archive, tmp_path / 'bad.tar', data=lambda n, data: b'junk' if n >= 10 else data)
    experiment, _ = opened(settings(data=[bad], shuffle_buffer=1, max_steps=40))
    words = r'10 of 24 images could not be decoded, more than --max_bad_fraction=0.01'
    with pytest.raises(DataError, match=words):
        experiment.train()
    assert experiment.saved_step() == 3  # the tenth is in the fourth batch


def test_a_model_dir_that_cannot_be_used(settings, tmp_path):
    folder = tmp_path / 'model'
    folder.mkdir()
    experiment, _ = opened(settings(max_steps=1))
    with locked(folder, 'busy'), pytest.raises(FlagError, match='is being trained in by another'):
        experiment.train()
    assert not list(folder.iterdir())
    folder.rmdir()
    folder.write_text('')
    with pytest.raises(FlagError, match=r'--model_dir=.*model cannot be written'):
        experiment.train()
    with pytest.raises(FlagError, match='model is not a folder'):
        opened(settings())
