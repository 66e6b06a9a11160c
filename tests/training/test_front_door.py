"""Mistakes give one sentence, and leave folders unchanged."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.runs.model import open_trained
from estimator_lab.runs.weights.checkpoint import all_finite, write_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training import inputs as inputs_module
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.position import CONSUMED
from tests.archive_files import encoded, picture, write_tar
from tests.small_runs import SMALL, cnn_settings, opened, trained, values_in

CONSTANT = f'{SMALL},learning_rate_schedule=constant,warmup_steps=0'


@pytest.fixture
def folder(tmp_path):
    """24 images of 3 labels in folders."""
    for number in range(24):
        path = tmp_path / 'images' / f'n{number % 3}' / f'{number:02}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(number)))
    return tmp_path / 'images'


@pytest.fixture
def settings(folder, tmp_path):
    def make(**changes):
        return cnn_settings(folder, tmp_path / 'model', **{'max_steps': 2, 'hparams': CONSTANT, **changes})

    return make


def members_of(experiment, count):
    """Returns the names of the images that training takes next."""
    plan = experiment.trainer.plan
    order = plan.inputs.train.order(plan.run.settings.shuffle_buffer, 1)
    return [each.name for each in itertools.islice(order.onwards(plan.resumption.position), count)]


def test_a_run_on_a_folder_goes_on_at_the_very_image(settings, folder, tmp_path):
    whole = members_of(opened(settings())[0], 40)
    assert len(set(whole[:24])) == 24 and whole[:24] != whole[24:]
    trained(settings())
    assert members_of(opened(settings(max_steps=4))[0], 28) == whole[2 * 6 :]
    moved = folder.rename(tmp_path / 'moved')
    assert opened(settings(data=[str(moved)], max_steps=4))[1] == [
        'Since the last start: --data: moved was images.'
    ]
    moved.rename(folder)
    (folder / 'n0' / 'new.png').write_bytes(encoded(picture(99)))
    with pytest.raises(FlagError, match='--data: images has changed'):
        opened(settings(max_steps=4))
    result, said = trained(settings(max_steps=4, resume_changed=True))
    assert result.step == 4 and any('--data: images has changed' in line for line in said)


def test_labels_of_a_table_and_next_to_images(settings, tmp_path):
    table = tmp_path / 'labels.csv'
    table.write_text(''.join(f'{n:02}.png,{"ab"[n % 2]}\n' for n in range(24)))
    assert opened(settings(labels=table))[0].inputs.labels == ('a', 'b')
    pairs = [((f'{n}.cls', b'%d' % (n % 2)), (f'{n}.png', encoded(picture(n)))) for n in range(6)]
    shard = write_tar(tmp_path / 'shard.tar', itertools.chain(*pairs))
    assert opened(settings(data=[str(shard)]))[0].inputs.labels == ('0', '1')


def is_a_run(model_dir):
    """Whether a folder would bind the next start to the settings of an earlier one."""
    return (model_dir / 'experiment.json').exists() or bool(list(model_dir.glob('*ckpt*')))


def test_a_failed_start_removes_only_its_own_files(settings, tmp_path):
    """Files that others wrote into the folder in the meantime stay: predictions, notes, another run."""
    bad = write_tar(tmp_path / 'bad.tar', [(f'n{n % 2}/{n}.png', b'junk') for n in range(40)])
    trained(settings(model_dir=tmp_path / 'other'))
    model_dir = tmp_path / 'model'
    with pytest.raises(DataError, match='max_bad_fraction'):
        trained(settings(data=[str(bad)], batch_size=12))
    assert {path.name for path in model_dir.iterdir()} >= {'bad_members.csv'} and not is_a_run(model_dir)
    (model_dir / 'notes.txt').write_text('mine')
    others = ['predictions.csv', 'eval/mine.txt', 'events.out.tfevents.1.elsewhere', 'export/mine/model.txt']

    def meanwhile(line):
        if line.startswith('Skipped a bad image') and not (model_dir / 'other').exists():
            shutil.copytree(tmp_path / 'other', model_dir / 'other')
            for path in map(model_dir.joinpath, others):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text('mine')

    with pytest.raises(DataError, match='max_bad_fraction'):
        Experiment(
            settings(data=[str(bad)], export=['final'], profile=True, batch_size=12), meanwhile
        ).train()
    assert open_trained(model_dir / 'other').step == 2
    shutil.rmtree(model_dir / 'other')
    left = {str(path.relative_to(model_dir)) for path in model_dir.rglob('*') if path.is_file()}
    assert left >= {'bad_members.csv', 'notes.txt', *others} and not is_a_run(model_dir)


def test_a_failed_restart_loses_nothing(settings, tmp_path, folder):
    trained(settings())
    before = values_in(tmp_path / 'model')
    for path in folder.rglob('*.png'):
        path.rename(path.with_suffix('.good'))
        path.write_bytes(b'junk')
    with pytest.raises(DataError, match='max_bad_fraction'):
        trained(settings(max_steps=4, resume_changed=True, batch_size=12))
    after = values_in(tmp_path / 'model')
    assert all(np.array_equal(before[name], after[name]) for name in before if name != CONSUMED)
    for path in folder.rglob('*.good'):
        path.rename(path.with_suffix('.png'))
    assert trained(settings(max_steps=4, resume_changed=True))[0].step == 4


def test_unused_weights_are_reported(settings, tmp_path):
    trained(settings())
    shutil.copytree(tmp_path / 'model', tmp_path / 'other')
    _, said = opened(settings(max_steps=3, warm_start=tmp_path / 'other'))
    assert any('--warm_start=' in line and 'goes on from its own checkpoint' in line for line in said)
    (tmp_path / 'model' / 'checkpoint').unlink()
    _, said = opened(settings(max_steps=3))
    assert any("holds model.ckpt-2, but no file 'checkpoint'" in line for line in said)
    assert not opened(settings(model_dir=tmp_path / 'other'))[1]


def test_a_loss_of_nan_says_how_to_go_on(settings, tmp_path):
    # Rectified units may all be off behind such a step, and the loss a number.
    hparams = f'{CONSTANT},activation=linear'
    wild = settings(
        hparams=f'{hparams},optimizer=sgd,learning_rate=1e38', max_steps=9, save_checkpoints_steps=9
    )
    with pytest.raises(LabError, match=r'not a number any more, so training ends\. Give a smaller'):
        trained(wild)
    trained(settings(hparams=hparams))
    again = settings(hparams=f'{hparams},learning_rate=1e38', max_steps=9)
    with pytest.raises(LabError, match=r'model\.ckpt-\d is intact: go on from it|Start again with') as caught:
        trained(again)
    checkpoint = tf.train.latest_checkpoint(str(tmp_path / 'model'))
    assert ('is intact' in str(caught.value)) == all_finite(checkpoint)
    values = values_in(checkpoint)
    write_checkpoint(Path(checkpoint), {**values, 'dense/bias': values['dense/bias'] * np.nan})
    with pytest.raises(LabError, match=r'Start again with a smaller .* and another --model_dir'):
        trained(settings(hparams=hparams, max_steps=19))


def test_training_data_is_not_unseen(settings, folder, tmp_path):
    experiment, said = opened(settings(eval_data=[str(folder)]))
    assert not experiment.inputs.unseen
    assert said == ['--eval_data has images in common with --data: no unseen examples.']
    other = write_tar(tmp_path / 'other.tar', [(f'n{n % 3}/{n}.png', encoded(picture(n))) for n in range(6)])
    experiment, said = opened(settings(eval_data=[str(other)]))
    assert experiment.inputs.unseen and not any('in common' in line for line in said)
    experiment, said = opened(settings(eval_data=[str(other), str(folder)]))
    assert experiment.inputs.unseen
    assert '--eval_data has images in common with --data: only the others are unseen.' in said


def test_a_large_training_set_is_evaluated_in_part_and_that_is_mixed(settings, monkeypatch):
    monkeypatch.setattr(inputs_module, '_MOST_EVALUATED', 12)
    experiment, _ = opened(settings())
    assert experiment.inputs.evaluated == 12
    result = experiment.train()
    assert result.metrics['total_examples'] == 12
    order = [s.label for s in experiment.inputs.evaluation.order(10_000).epoch(0)]
    assert len(set(order[:12])) == 3  # the first images of a sorted folder have one label
    chosen, _ = opened(settings(eval_steps=4))
    assert chosen.inputs.evaluated == 24


def test_a_folder_of_runs_is_not_a_run(tmp_path):
    runs = tmp_path / 'runs'
    for name in ('cnn', 'mine'):
        (runs / name).mkdir(parents=True)
        (runs / name / 'experiment.json').write_text(json.dumps({'model': 'cnn'}))
    with pytest.raises(DataError, match=r'holds no model itself, but 2 folders of models: name one .*runs/'):
        open_trained(runs)


def test_a_checkpoint_without_a_record_is_refused(settings, tmp_path):
    """It would be where its variables have the same names, in whatever order its labels were."""
    opened(settings())[0].train()
    (tmp_path / 'model' / 'experiment.json').unlink()
    before = sorted((tmp_path / 'model').rglob('*'))
    with pytest.raises(
        FlagError, match=r'holds the checkpoint model.ckpt-2, but no experiment.json'
    ) as refused:
        opened(settings(max_steps=4))
    assert sorted((tmp_path / 'model').rglob('*')) == before
    warm_start = str(refused.value).partition('--warm_start=')[2].split()[0]
    anew, _ = opened(settings(model_dir=tmp_path / 'other', warm_start=Path(warm_start)))
    assert anew.train().step == 2


def test_accumulation_may_not_change_between_starts(settings):
    """Part of an update may be in the checkpoint."""
    trained(settings(accumulate=2))
    with pytest.raises(FlagError, match='was trained with --accumulate=2, not 1'):
        opened(settings(max_steps=4))
    trained(settings(accumulate=2, max_steps=4))


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'hparams': 'optimizer=lbfgs'}, 'for first-order optimizers, not for lbfgs'),
        ({'model': 'gan', 'hparams': ''}, 'A GAN cannot accumulate gradients'),
    ],
)
def test_accumulation_that_cannot_work(settings, changes, words):
    with pytest.raises(FlagError, match=words):
        opened(settings(accumulate=2, **changes))
