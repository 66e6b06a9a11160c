"""What is checked before training: settings, archives, labels and the folder; mistakes change nothing."""

import itertools
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.core.layers import MEAN_IMAGE
from estimator_lab.core.params import RAW_PIXELS
from estimator_lab.data.images.decode import GREY, decode_image
from estimator_lab.runs.record import write_record
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training.position import CONSUMED
from estimator_lab.training.train import train
from tests.support.archive_files import encoded, picture, piped, write_tar
from tests.support.small_runs import SMALL, cnn_settings, opened, values_in
from tests.support.streams import rewrite, stream_members

pytestmark = pytest.mark.trains


@pytest.fixture
def trained_before(cnn_dir, tmp_path):
    """The folder of `settings` with three steps taken."""
    return shutil.copytree(cnn_dir, tmp_path / 'model')


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_archives_that_cannot_be_trained_on_change_nothing(settings, archive, tmp_path):
    one_class = rewrite(archive, tmp_path / 'one.tar', lambda n, name: f'train/x/{n}.png')
    foreign = rewrite(archive, tmp_path / 'foreign.tar', lambda n, name: f'test/x/{n}.png')
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(archive.read_bytes()[:30_000])
    for changes, words in (
        ({'data': [one_class]}, "^data=.* has one class only, 'x'"),
        ({'split': '0.2', 'eval_data': ()}, 'The part that split=0.2 trains on of data=.* has one class'),
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
        ({'hparams': 'filters=2,dense_units=9'}, FlagError, 'dense_units=8, not 9'),
    ):
        with pytest.raises(kind, match=words):
            opened(settings(**changes))
    assert files_in(trained_before) == before


@pytest.mark.slow
def test_split_trains_and_evaluates_on_different_images(settings, archive):
    plan, _ = opened(settings(split='0.6,0.3', eval_data=()))
    seen = [
        {turn.name for turn in archives.order().epoch(0)}
        for archives in (plan.inputs.train, plan.inputs.evaluation)
    ]
    assert not seen[0] & seen[1] and len(seen[0]) > len(seen[1]) > 0
    assert plan.inputs.unseen
    result = train(plan)
    assert result.on_unseen and result.evaluated_on == len(seen[1])
    whole, _ = opened(settings(split='0.6', eval_data=(), model_dir=archive.parent / 'x'))
    assert whole.inputs.train.total + whole.inputs.evaluation.total == 24


@pytest.mark.slow
def test_weights_and_a_choice_of_images(settings, tmp_path):
    chosen = tmp_path / 'labels.txt'
    chosen.write_text('n000000\nn000001\n')
    weights = {'only': chosen, 'weights': 'n000000=3,n000001=1', 'eval_data': (), 'max_steps': 2}
    plan, _ = opened(settings(**weights))
    assert plan.inputs.train.labels == plan.inputs.evaluation.labels == ('n000000', 'n000001')
    order = plan.inputs.train.order(10, weights=plan.inputs.weights)
    labels = [one.label for one in itertools.islice(order.onwards(0), 8)]
    assert labels.count('n000000') == 6
    assert train(plan).evaluated_on == plan.inputs.train.total
    for wrong, words in (
        ({'weights': 'n000000=1'}, "weights: 'n000001' has no weight"),
        ({'weights': 'n000000'}, "takes NAME=WEIGHT,NAME=WEIGHT, not 'n000000'"),
        ({'only': tmp_path / 'none.txt'}, 'only=.*none.txt cannot be read'),
    ):
        with pytest.raises((DataError, FlagError), match=words):
            opened(settings(**{**weights, **wrong, 'model_dir': tmp_path / 'other'}))


def test_vocabulary_from_a_file(settings, tmp_path):
    labels = tmp_path / 'labels.txt'
    labels.write_text('n000003\nn000002\nn000001\nn000000\nn999999\n')
    plan, _ = opened(settings(vocabulary=labels))
    assert plan.inputs.labels[0] == 'n000003' and len(plan.inputs.labels) == 5
    labels.write_text('n000003\nn000002\n')
    with pytest.raises(DataError, match=r'12 of 24 training images have .* lacks \(n000000, n000001\)'):
        opened(settings(vocabulary=labels))


def test_a_pipe_says_what_it_lacks(settings, archive, tmp_path):
    fifo, labels = tmp_path / 'pipe', tmp_path / 'labels.txt'
    os.mkfifo(fifo)
    labels.write_text('n000000\nn000001\nn000002\nn000003\n')
    unread = {'data': [str(fifo)], 'vocabulary': labels, 'max_steps': 30}
    for changes, words in (
        ({'vocabulary': None}, 'labels cannot be looked up in advance: give vocabulary'),
        ({'max_steps': None}, 'the number of examples in an epoch is unknown: give max_steps'),
        ({'eval_data': ()}, 'can be read only once: give other images as eval_data'),
        ({'eval_data': [str(fifo)]}, 'can be read only once, but each'),
        ({'hparams': 'balanced=true'}, 'balanced=true needs data that can be counted'),
    ):
        with pytest.raises(FlagError, match=words):
            opened(settings(**{**unread, **changes}))
    with piped(tmp_path / 'short', archive.read_bytes()) as short:
        plan, _ = opened(settings(**{**unread, 'data': [str(short)]}))
        assert len(list(plan.inputs.train.begun)) == 24, 'also those that were looked at'


def test_labels_of_a_table_and_next_to_images(settings, archive, tmp_path):
    table = tmp_path / 'labels.csv'
    names = [member.name for member in stream_members(archive)]
    table.write_text(''.join(f'{name},{"ab"[n % 2]}\n' for n, name in enumerate(names)))
    assert opened(settings(labels=table))[0].inputs.labels == ('a', 'b')
    pairs = [((f'{n}.cls', b'%d' % (n % 2)), (f'{n}.png', encoded(picture(n)))) for n in range(6)]
    shard = write_tar(tmp_path / 'shard.tar', itertools.chain(*pairs))
    assert opened(settings(data=[str(shard)], eval_data=()))[0].inputs.labels == ('0', '1')


def test_training_data_is_not_unseen(settings, archive, tmp_path):
    plan, said = opened(settings())
    assert not plan.inputs.unseen
    assert said[0] == '--eval_data has train.tar in common with --data: no unseen examples.'
    files = [(f'n00000{n % 3}/{n}.png', encoded(picture(n))) for n in range(6)]
    other = str(write_tar(tmp_path / 'other.tar', files))
    plan, said = opened(settings(eval_data=[other]))
    assert plan.inputs.unseen and not [line for line in said if 'common' in line]
    plan, said = opened(settings(eval_data=[other, str(archive)]))
    assert plan.inputs.unseen
    assert said[0] == '--eval_data has train.tar in common with --data: only the others are unseen.'


def test_balanced_classes_have_the_same_weight_in_all(settings, archive, tmp_path):
    fewer = rewrite(archive, tmp_path / 'fewer.tar', lambda n, name: name.replace('n000003', 'n000002'))
    params = opened(settings(data=[fewer], hparams='balanced=true'))[0].params
    assert params.class_weights == pytest.approx([24 / (3 * count) for count in (6, 6, 12)])
    assert opened(settings())[0].params.class_weights == ()


@pytest.mark.slow
def test_a_checkpoint_without_a_record_is_rejected(settings, tmp_path):
    """It would be where its variables have the same names, in whatever order its labels were."""
    train(opened(settings(max_steps=1))[0])
    (tmp_path / 'model' / 'experiment.json').unlink()
    before = files_in(tmp_path / 'model')
    with pytest.raises(FlagError, match=r'holds the checkpoint model.ckpt-1, but no experiment.json'):
        opened(settings(max_steps=4))
    assert files_in(tmp_path / 'model') == before


def test_unused_weights_are_reported(settings, trained_before, tmp_path):
    shutil.copytree(trained_before, tmp_path / 'other')
    _, said = opened(settings(warm_start=tmp_path / 'other'))
    assert any('--warm_start=' in line and 'goes on from its own checkpoint' in line for line in said)


def test_checkpoints_that_no_list_names_are_not_overwritten(settings, trained_before):
    listed, parts = trained_before / 'checkpoint', list(trained_before.glob('model.ckpt-3.*'))
    listed.unlink()
    before = files_in(trained_before)
    with pytest.raises(FlagError, match=r"holds model\.ckpt-3, but no file 'checkpoint' that lists it"):
        opened(settings())
    assert files_in(trained_before) == before
    for path in parts:  # as a start leaves it that is killed before its first list
        path.rename(path.with_name(path.name.replace('-3.', '-0.')))
    opened(settings())


def test_pale_images_fill_the_range_of_the_network(archive, tmp_path):
    pixels = (204 + 51 * np.random.default_rng(1).random((24, 8, 8))).astype(np.uint8)
    files = [(f'n00000{n % 4}/{n}.png', encoded(Image.fromarray(each))) for n, each in enumerate(pixels)]
    pale = write_tar(tmp_path / 'pale.tar', files)

    def pixels_of(data, **changes):
        return opened(cnn_settings(data, tmp_path / 'model', **changes))[0].params.pixels

    found = pixels_of(pale, model='mlp', hparams='layers=4')
    assert (found.low, found.high) == pytest.approx((0.8, 1.0), abs=0.01) and found.mean_image
    usual = pixels_of(archive)
    assert (usual.low, usual.high) == (0, 1)
    assert pixels_of(pale, hparams=f'{SMALL},stretch=false') == RAW_PIXELS


@pytest.mark.slow
def test_a_run_keeps_the_mean_image_of_its_first_data(archive, tmp_path):
    files = [(f'n{n % 4:06}/{n}.png', encoded(picture(n))) for n in range(40, 50)]
    other = write_tar(tmp_path / 'other.tar', files)
    images = [decode_image(member.data, 8, 8, 3) @ GREY for member in stream_members(archive)]
    plan, _ = opened(cnn_settings(archive, tmp_path / 'model'))
    low, high = plan.params.pixels.low, plan.params.pixels.high
    kept = values_in(train(plan).checkpoint)[MEAN_IMAGE]
    assert kept[..., 0] == pytest.approx((np.mean(images, axis=0) / 255 - low) / (high - low), abs=0.01)
    record = json.loads((tmp_path / 'model/experiment.json').read_text())
    assert record['hparams']['pixels']['mean_image'] is True and 'first_mean' not in record['hparams']
    later = opened(cnn_settings(other, tmp_path / 'model', max_steps=9, resume_changed=True))[0]
    assert np.array_equal(values_in(train(later).checkpoint)[MEAN_IMAGE], kept)
    plan, _ = opened(cnn_settings(other, tmp_path / 'warm', warm_start=tmp_path / 'model'))
    assert MEAN_IMAGE not in plan.warm_start.taken
    assert not np.array_equal(plan.params.first_mean, kept), 'that of its own data'


def test_a_recurrent_run_keeps_the_deviation_of_images_that_hardly_differ(tmp_path):
    def framed(name, first):
        dim = [np.asarray(picture(n, 8, 8, 'L')) // 4 for n in range(first, first + 12)]
        images = [np.pad(pixels, 4, constant_values=255) for pixels in dim]
        files = [(f'{n % 2}/{n}.png', encoded(Image.fromarray(pixels))) for n, pixels in enumerate(images)]
        return write_tar(tmp_path / name, files), np.array(images) / 255

    def planned(data, **changes):
        chosen = {'model': 'recurrent', 'hparams': 'layers=4', 'image_size': 16, **changes}
        return opened(cnn_settings(data, tmp_path / 'model', **chosen))[0]

    (data, images), (other, _) = framed('data.tar', 0), framed('other.tar', 40)
    plan = planned(data, max_steps=1)
    low, high = plan.params.pixels.low, plan.params.pixels.high
    train(plan)
    record = json.loads((tmp_path / 'model/experiment.json').read_text())
    deviation = np.std(images - images.mean(0)) / (high - low)
    assert record['hparams']['pixels']['gain'] == pytest.approx(0.35 / max(deviation, 0.05), rel=0.02)
    later = planned(other, max_steps=9, resume_changed=True)
    assert later.params.pixels == plan.params.pixels and later.params.first_mean is None


def test_a_run_keeps_the_network_that_its_first_data_chose(archive, tmp_path):
    """A small linear autoencoder, as there were fewer images than an image of 16 pixels has values."""
    files = [(f'{n}.png', encoded(picture(n))) for n in range(12)]
    few, folder = write_tar(tmp_path / 'few.tar', files), tmp_path / 'model'

    def planned(data):
        chosen = {'model': 'autoencoder', 'hparams': '', 'image_size': 4, 'resume_changed': True}
        return opened(cnn_settings(data, folder, **chosen))[0]

    first, fresh = planned(few), planned(archive)
    assert (first.params.few_images, first.params.layers, first.params.output) == (True, '30', 'linear')
    assert not fresh.params.few_images and fresh.params.layers != '30'
    for plan, other in ((first, archive), (fresh, few)):
        folder.mkdir(exist_ok=True)
        write_record(folder, plan.stages[-1].record)
        values = {'global_step': np.int64(1), CONSUMED: np.int64(6)}
        write_checkpoint(folder / 'model.ckpt-1', {name: np.array(value) for name, value in values.items()})
        tf.train.update_checkpoint_state(str(folder), 'model.ckpt-1')
        resumed = planned(other).params
        assert (resumed.few_images, resumed.layers) == (plan.params.few_images, plan.params.layers)


def test_a_start_that_saved_nothing_takes_the_mean_image_again(archive, tmp_path):
    """As a worker of a cluster does before the chief's first checkpoint: the record is there already."""
    plan, _ = opened(cnn_settings(archive, tmp_path / 'model'))
    (tmp_path / 'model').mkdir()
    write_record(tmp_path / 'model', plan.stages[-1].record)
    again, _ = opened(cnn_settings(archive, tmp_path / 'model'))
    assert np.array_equal(again.params.first_mean, plan.params.first_mean)


def test_a_worker_looks_at_the_archives_in_the_chiefs_order(settings, tmp_path):
    """Else what the first images show would differ, though the examples of each step are the same."""
    paths = []
    for name, first in (('dark', 0), ('light', 190)):
        files = [(f'n{n % 2}/{n}.png', encoded(Image.new('L', (8, 8), first + n))) for n in range(60)]
        paths.append(str(write_tar(tmp_path / f'{name}.tar', files)))
    chief, _ = opened(settings(model='mlp', hparams='', data=paths, eval_data=()))
    chief.settings.model_dir.mkdir()
    write_record(chief.settings.model_dir, chief.stages[-1].record)
    worker, _ = opened(settings(model='mlp', hparams='', data=paths[::-1], eval_data=()))
    assert worker.stages[-1].record.hparams == chief.stages[-1].record.hparams
