"""Training from settings to a model_dir: what it leaves, reports and exports, and how it fails."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tensorflow.python.framework import config

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.base.outputs import locked
from estimator_lab.core.keys import MAJORITY_SHARE
from estimator_lab.data.images.reader import DECODERS
from estimator_lab.inference.run import Run
from estimator_lab.runs.record import read_record
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.checkpoint import all_finite, write_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training import inputs as inputs_module
from estimator_lab.training.plan import make_plan
from estimator_lab.training.position import CONSUMED
from estimator_lab.training.train import newest_step, train
from tests.support.archive_files import encoded, picture, piped, write_tar
from tests.support.exports import signatures_of
from tests.support.small_runs import SMALL, opened, trained, values_in
from tests.support.streams import rewrite

pytestmark = pytest.mark.trains

CONSTANT = f'{SMALL},learning_rate_schedule=constant,warmup_steps=0'


def test_trains_evaluates_and_leaves_a_model_dir(settings, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        now = iter(range(0, 10**9, 20))  # seconds
        patch.setattr('time.monotonic', lambda: next(now))
        result, lines = trained(settings())
    assert (result.step, result.max_steps, result.interrupted, result.bad_images) == (4, 4, False, 0)
    assert result.metrics['global_step'] == 4
    layer = 'conv1                        8x8x2                        52'
    for words in (layer, 'step 3/4  loss ', 'evaluating 12 of 24 images'):
        assert any(line.startswith(words) for line in lines)
    assert capsys.readouterr().out == ''
    record = read_record(tmp_path / 'model')
    assert (record.model, record.image_shape, record.hparams['filters']) == ('cnn', (8, 8, 1), 2)
    assert record.vocabulary == ('n000000', 'n000001', 'n000002', 'n000003')
    assert record.versions['tensorflow'] == tf.__version__
    again, lines = trained(settings())
    assert 'Already trained for 4 steps: evaluating only.' in lines
    assert again.metrics == pytest.approx(result.metrics)
    assert not any(line.startswith('It was trained with') for line in lines)
    _, lines = trained(settings(hparams=f'{SMALL},optimizer=sgd'))
    assert any(line.startswith('It was trained with optimizer=adam: for other') for line in lines)


def test_a_deleted_run_is_trained_anew_in_the_same_process(settings, tmp_path):
    first, _ = trained(settings())
    shutil.rmtree(tmp_path / 'model')
    again, _ = trained(settings())
    assert again.metrics == pytest.approx(first.metrics) and first.metrics
    assert Run.open(tmp_path / 'model').metrics['accuracy'] == pytest.approx(first.metrics['accuracy'])
    assert len(list((tmp_path / 'model').glob('events.out.tfevents.*'))) == 1


@pytest.mark.slow
def test_evaluation_labels_that_training_never_saw(settings, archive, tmp_path):
    mixed = rewrite(archive, tmp_path / 'mixed.tar', lambda n, name: name.replace('n000003', 'n000009'))
    result, lines = trained(settings(eval_data=[mixed]))
    assert any('6 of 24 evaluation images have labels that training never saw (n000009)' in x for x in lines)
    assert (result.metrics['unknown_labels'], result.metrics['total_examples']) == (6, 18)


@pytest.mark.slow
def test_a_pipe_trains_as_the_same_file_does(settings, tmp_path):
    """The images that its range and mean are of are trained on as well, each image once."""
    labels = tmp_path / 'labels.txt'
    labels.write_text('n000000\nn000001\nn000002\nn000003\n')
    dark = [picture(n).point(lambda value: value // 4) for n in range(60)]  # more than are looked at
    files = [(f'n{n % 4:06}/{n}.png', encoded(each)) for n, each in enumerate(dark)]
    stored = write_tar(tmp_path / 'dark.tar.gz', files, 'w:gz')
    same = {'vocabulary': labels, 'shuffle_buffer': 5, 'deterministic': True, 'hparams': CONSTANT}
    weights = []
    with piped(tmp_path / 'pipe', stored.read_bytes()) as fifo:
        for path, steps in ((fifo, 30), (stored, 10)):  # the data of the pipe end first
            model_dir = tmp_path / f'{path.stem} run'
            result, _ = trained(settings(data=[str(path)], model_dir=model_dir, max_steps=steps, **same))
            assert result.step == 10
            weights.append(values_in(result.checkpoint))
            pixels = read_record(model_dir).hparams['pixels']
            assert 0 <= pixels['low'] < pixels['high'] < 0.3
    for name in weights[0].keys() - {CONSUMED}:
        assert np.array_equal(weights[0][name], weights[1][name]), name


@pytest.mark.slow
def test_evaluation_sees_the_images_without_augmentation(settings, archive, tmp_path):
    result, _ = trained(settings(augment='shift=3,mirror', max_steps=1))
    evaluated = Run.open(tmp_path / 'model').evaluate(str(archive)).metrics
    assert result.metrics['loss'] == pytest.approx(evaluated['loss'], rel=1e-6)


def test_the_reader_decodes_as_the_setting_says(settings):
    for name in DECODERS:
        assert opened(settings(decode=name))[0].reader.options.decode == name


@pytest.mark.slow
def test_bad_images_are_counted_and_shown(settings, archive, tmp_path):
    some_bad = rewrite(archive, tmp_path / 'bad.tar', data=lambda n, data: b'junk' if n % 8 == 3 else data)
    changes = {'data': [some_bad], 'eval_data': [some_bad], 'max_bad_fraction': 0.2}
    result, lines = trained(settings(**changes))
    assert result.step == 4 and result.metrics['total_examples'] == 21
    assert any(line.startswith('evaluated at') and line.endswith('; over 21 of 24 images') for line in lines)
    assert result.bad_images == 3
    said = [line for line in lines if 'Skipped a bad image' in line and 'bad.tar' in line]
    assert len(said) == len(set(said)) == 3, 'each once, though training and both evaluations read it'
    listed = (tmp_path / 'model' / 'bad_members.csv').read_text().splitlines()
    assert listed[0] == 'archive,member,offset,reason' and len(listed) == 4  # three bad ones, each once
    assert all(line.endswith('not an image in a known format') for line in listed[1:])


def test_too_many_bad_images_end_training_with_what_was_learned_saved(settings, archive, tmp_path):
    bad = rewrite(archive, tmp_path / 'bad.tar', data=lambda n, data: b'junk' if n >= 10 else data)
    plan, _ = opened(settings(data=[bad], shuffle_buffer=1, max_steps=40))
    with pytest.raises(DataError, match=r'10 of 24 images could not be decoded, more than max_bad_fraction'):
        train(plan)
    assert newest_step(plan) == 3  # the tenth is in the fourth batch


def test_a_model_dir_that_cannot_be_used(settings, tmp_path):
    folder = tmp_path / 'model'
    folder.mkdir()
    plan, _ = opened(settings(max_steps=1))
    with locked(folder, 'busy'), pytest.raises(FlagError, match='is being trained in by another'):
        train(plan)
    assert not list(folder.iterdir())
    folder.rmdir()
    folder.write_text('')
    with pytest.raises(FlagError, match=r'model_dir=.*model cannot be written'):
        train(plan)


def is_a_run(model_dir):
    """Whether a folder would bind the next start to the settings of an earlier one."""
    return (model_dir / 'experiment.json').exists() or bool(list(model_dir.glob('*ckpt*')))


def test_sizes_that_make_no_network_leave_nothing(settings, tmp_path):
    with pytest.raises(FlagError, match='channels and hparams make no network: Shape') as caught:
        trained(settings(hparams='filters=1000000000'))
    assert '{{node' not in str(caught.value)
    assert not (tmp_path / 'model').exists()


@pytest.mark.slow
def test_a_failed_start_removes_only_its_own_files(settings, cnn_dir, tmp_path):
    """Files that others wrote into the folder in the meantime stay: predictions, notes, another run."""
    bad = write_tar(tmp_path / 'bad.tar', [(f'n{n % 2}/{n}.png', b'junk') for n in range(40)])
    model_dir = tmp_path / 'model'
    with pytest.raises(DataError, match='max_bad_fraction'):
        trained(settings(data=[str(bad)], eval_data=(), batch_size=12))
    assert {path.name for path in model_dir.iterdir()} >= {'bad_members.csv'} and not is_a_run(model_dir)
    (model_dir / 'notes.txt').write_text('mine')
    others = ['predictions.csv', 'eval/mine.txt', 'events.out.tfevents.1.elsewhere', 'export/mine/model.txt']

    def meanwhile(line):
        if line.startswith('Skipped a bad image') and not (model_dir / 'other').exists():
            shutil.copytree(cnn_dir, model_dir / 'other')
            for path in map(model_dir.joinpath, others):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text('mine')

    with pytest.raises(DataError, match='max_bad_fraction'):
        train(make_plan(settings(data=[str(bad)], eval_data=(), export=['final'], batch_size=12), meanwhile))
    assert Trained.open(model_dir / 'other').step == 3
    shutil.rmtree(model_dir / 'other')
    left = {str(path.relative_to(model_dir)) for path in model_dir.rglob('*') if path.is_file()}
    assert left >= {'bad_members.csv', 'notes.txt', *others} and not is_a_run(model_dir)


@pytest.mark.slow
def test_a_failed_restart_loses_nothing(settings, cnn_dir, archive, tmp_path):
    before = values_in(shutil.copytree(cnn_dir, tmp_path / 'model'))
    bad = rewrite(archive, tmp_path / 'bad.tar', data=lambda n, data: b'junk')
    with pytest.raises(DataError, match='max_bad_fraction'):
        trained(settings(data=[bad], max_steps=8, resume_changed=True, batch_size=12))
    after = values_in(tmp_path / 'model')
    assert all(np.array_equal(before[name], after[name]) for name in before if name != CONSUMED)
    assert trained(settings(max_steps=8, resume_changed=True))[0].step == 8


@pytest.mark.slow
def test_a_loss_of_nan_says_how_to_go_on(settings, tmp_path):
    # After such a step, rectified units may all be off, and the loss a number.
    hparams = f'{CONSTANT},activation=linear'
    with pytest.raises(LabError, match=r'not a number any more, so training ends\. Give a smaller'):
        trained(settings(hparams=f'{hparams},optimizer=sgd,learning_rate=1e38', max_steps=9))
    trained(settings(hparams=hparams))
    again = settings(hparams=f'{hparams},learning_rate=1e38', max_steps=9)
    with pytest.raises(LabError, match=r'model\.ckpt-\d is intact: go on from it|Start again with') as caught:
        trained(again)
    checkpoint = tf.train.latest_checkpoint(str(tmp_path / 'model'))
    assert ('is intact' in str(caught.value)) == all_finite(checkpoint)
    values = values_in(checkpoint)
    write_checkpoint(Path(checkpoint), {**values, 'dense/bias': values['dense/bias'] * np.nan})
    with pytest.raises(LabError, match=r'Start again with a smaller .* and another model_dir'):
        trained(settings(hparams=hparams, max_steps=19))


def test_a_large_training_set_is_evaluated_in_part_and_that_is_mixed(settings, monkeypatch):
    """Also if training takes the stored order, in which the first 12 images have two labels."""
    monkeypatch.setattr(inputs_module, '_MOST_EVALUATED', 12)
    plan, _ = opened(settings(eval_data=(), shuffle_buffer=1))
    assert plan.inputs.evaluated == 12
    result = train(plan)
    assert result.metrics['total_examples'] == 12 and result.metrics[MAJORITY_SHARE] < 0.5
    order = [s.label for s in plan.inputs.evaluation.order(10_000).epoch(0)]
    assert len(set(order[:12])) > 2  # the first images of a sorted archive have one label or two
    chosen, _ = opened(settings(eval_data=(), eval_steps=4))
    assert chosen.inputs.evaluated == 24


@pytest.fixture
def accuracies(monkeypatch):
    """Decides what the evaluations at steps 1, 2, ... come to."""

    def decide(*values):
        evaluate = tf.estimator.Estimator.evaluate

        def as_decided(self, input_fn, steps=None, hooks=None, checkpoint_path=None, name=None):
            found = evaluate(self, input_fn, steps, hooks, checkpoint_path, name)
            step = int(found['global_step'])
            found['accuracy'] = values[step - 1]
            # Where Estimator has written what it found, we write what was decided.
            writer = tf.summary.FileWriterCache.get(self.eval_dir(name))
            value = tf.Summary.Value(tag='accuracy', simple_value=values[step - 1])
            writer.add_summary(tf.Summary(value=[value]), step)
            writer.flush()
            return found

        monkeypatch.setattr(tf.estimator.Estimator, 'evaluate', as_decided)

    return decide


def exported(model_dir, name):
    """The steps of the exports of that name."""
    folders = sorted((model_dir / 'export' / name).glob('*'))
    return [int(tf.train.load_variable(str(f / 'variables' / 'variables'), 'global_step')) for f in folders]


def test_early_stopping_and_exports(settings, accuracies):
    accuracies(0.25, 0.75, 0.5, 0.75, 0.9, 0.9)
    chosen = settings(
        early_stopping=2, max_steps=6, save_checkpoints_steps=1, export=['best', 'latest', 'final']
    )
    result, lines = trained(chosen)
    assert (result.step, result.metrics['global_step'], result.interrupted) == (4, 4, False)
    assert result.stopped_early
    assert lines[-1] == 'No better for 2 evaluations: stopped early.'
    assert exported(chosen.model_dir, 'best') == [2]
    assert exported(chosen.model_dir, 'latest') == [4]
    assert exported(chosen.model_dir, 'final') == [4]
    (folder,) = (chosen.model_dir / 'export' / 'best').glob('*')
    assert set(signatures_of(folder)) == {'serving_default', 'pixels:serving_default'}
    best = Run.open(folder / 'model_dir')
    assert best.step == 2 and best.evaluate(chosen.data).metrics['total_examples'] == 24
    again, lines = trained(chosen)
    assert (again.step, again.metrics['accuracy']) == (4, 0.75)
    assert 'Already trained for 4 steps: evaluating only.' in lines
    assert trained(settings(early_stopping=3, max_steps=5))[0].step == 5


@pytest.mark.slow
def test_a_deterministic_run_gives_the_same_bits_and_leaves_the_process_as_it_was(settings, tmp_path):
    def bits(folder):
        more = {'hparams': 'filters=16,dense_units=64', 'augment': 'shift=2,mirror', 'deterministic': True}
        chosen = settings(model_dir=tmp_path / folder, image_size=32, max_steps=6, **more)
        trained(chosen)
        return {name: value.tobytes() for name, value in values_in(chosen.model_dir).items()}

    assert bits('a') == bits('b')
    assert not config.is_op_determinism_enabled()


@pytest.mark.slow
def test_half_precision_reaches_the_session(settings, cnn_dir):
    result, _ = trained(settings(precision='bfloat16', max_steps=3))
    half, single = (values_in(folder)['conv2d/kernel'] for folder in (result.checkpoint, cnn_dir))
    assert not np.allclose(half, single, atol=1e-5)
    assert np.allclose(half, single, atol=0.02)
