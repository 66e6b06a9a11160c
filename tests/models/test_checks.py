"""Each check of the contract fails where it must: on a model, or a run, that breaks just what it checks."""

import dataclasses
import importlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.core.registry import find_model
from estimator_lab.tf1 import tf
from tests.models.contract import declarations, graphs, runs
from tests.models.contract.models import subject_of
from tests.models.contract.subject import Run, Subject

pytestmark = pytest.mark.once

CHECKS = {check.__name__: check for check in (*declarations.CHECKS, *graphs.CHECKS, *runs.CHECKS)}

SOURCE = '''
"""A model of another package."""

import dataclasses

from estimator_lab.base.settings import setting
from estimator_lab.core.classifier import classification_spec
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.core.model import (Model, Phase, Task, model_function)
from estimator_lab.core.noise import dropout
from estimator_lab.core.params import ClassifierParams, structural
from estimator_lab.tf1 import tf


@dataclasses.dataclass(frozen=True)
class Params(ClassifierParams):
    units: int = structural(16, 'units of the hidden layer', lower=1)
    dropout_rate: float = setting(0.1, 'share of hidden units dropped in training, in [0, 1)')


def task(params):
    return Task()


def phases(params):
    return [Phase()]


@model_function(Params)
def model_fn(args):
    start = tf.glorot_uniform_initializer()
    hidden_layer = tf.layers.Dense(args.params.units, tf.nn.relu, name='hidden', kernel_initializer=start)
    output_layer = tf.layers.Dense(args.params.num_classes, name='logits', kernel_initializer=start)
    hidden = hidden_layer(tf.layers.flatten(args.images))
    endpoints = {'hidden': hidden}
    hidden = dropout(hidden, args.params.dropout_rate, args.noise)
    logits = output_layer(hidden)
    spec = classification_spec(args, {**endpoints, LOGITS: logits})
    return spec


MODEL = Model('little', Params, model_fn, task=task, phases=phases)
'''
LOGITS, RETURNED, MADE = (
    'logits = output_layer(hidden)',
    '    return spec',
    "Model('little', Params, model_fn",
)


def in_mode(mode, change):
    """Returns the source of a model function that changes what it returns in a mode."""
    return f'    if args.mode == {mode!r}:\n        {change}\n    return spec'


# By check: what is replaced, by what, and words of the message.
BROKEN = {
    'settings_have_help': ("'units of the hidden layer'", "' '", 'units has no help text'),
    'defaults_are_allowed': ('structural(16', 'structural(0', 'units=0 must be 1 or more'),
    'last_phase_is_final': ('Phase()', "Phase('first')", 'must be core.model.FINAL'),
    'training_has_a_loss_and_a_step': (
        RETURNED,
        in_mode('train', 'spec = spec._replace(loss=tf.cast(spec.loss, tf.float64))'),
        'float32 scalar',
    ),
    'a_step_counts_one': (
        RETURNED,
        in_mode(
            'train',
            'more = tf.assign_add(tf.train.get_global_step(), 1)\n'
            '        spec = spec._replace(train_op=tf.group(spec.train_op, more))',
        ),
        'advances the global step by 2',
    ),
    'a_step_changes_weights': (
        RETURNED,
        in_mode('train', 'spec = spec._replace(train_op=tf.assign_add(tf.train.get_global_step(), 1))'),
        'changes no trainable variable',
    ),
    'learns': (
        RETURNED,
        in_mode(
            'train',
            'up = tf.train.GradientDescentOptimizer(1.0).minimize(-spec.loss, tf.train.get_global_step())\n'
            '        spec = spec._replace(train_op=up)',
        ),
        'The loss is',
    ),
    'a_bad_batch_changes_nothing': (
        RETURNED,
        in_mode(
            'train',
            'decayed = tf.assign_sub(output_layer.bias, tf.ones_like(output_layer.bias))\n'
            '        spec = spec._replace(train_op=tf.group(spec.train_op, decayed))',
        ),
        'changes logits/bias.',
    ),
    'initial_weights_repeat': (', kernel_initializer=start', '', 'begin with different values of'),
    'variables_have_names': (LOGITS, f'{LOGITS} * tf.Variable(1.0)', 'no names of their own: Variable'),
    'bfloat16_trains': (
        LOGITS,
        f"{LOGITS} + tf.cast(tf.get_variable('half', [], tf.float16), tf.float32)",
        'must be float32: half',
    ),
    'unknown_parameters_are_rejected': (
        MADE,
        "Model('little', Params, lambda x, y, mode, params: model_fn(x, y, mode, {'image_shape': (8, 8, 1)})",
        'DID NOT RAISE',
    ),
    'evaluation_has_its_metrics': ('Task()', "Task('recall')", 'lack recall'),
    'evaluation_can_rank_examples': (
        RETURNED,
        in_mode('eval', "spec = spec._replace(predictions={'logits': logits})"),
        'must have classes and probabilities',
    ),
    'evaluation_counts_examples': (
        RETURNED,
        in_mode('eval', "spec.eval_metric_ops['total_examples'] = tf.metrics.mean(1.0)"),
        'total_examples is 1',
    ),
    'evaluations_repeat': (
        LOGITS,
        f'{LOGITS}\n    logits += 9 * tf.random.normal(tf.shape(logits))',
        'differ in the metric',
    ),
    'prediction_needs_no_labels': (
        RETURNED,
        in_mode('infer', "assert args.labels is not None, 'no labels'"),
        'no labels',
    ),
    'modes_share_variables': (
        "name='hidden'",
        "name='hidden' if args.training else 'other'",
        'EVAL has the variable',
    ),
    'predictions_have_a_row_for_each_example': (
        RETURNED,
        in_mode('infer', "spec.predictions['all'] = tf.zeros([7, 3])"),
        'all has shape',
    ),
    'predictions_repeat': (LOGITS, f'{LOGITS} + tf.random.uniform([])', 'differ in probabilities'),
    'an_example_is_predicted_alone': (
        LOGITS,
        'logits = output_layer(hidden - tf.reduce_mean(hidden, 0))',
        'depends on the other images of its batch',
    ),
    'predictions_need_no_python': (
        LOGITS,
        'logits = output_layer(tf.ensure_shape(tf.py_func(lambda x: x, [hidden], tf.float32), hidden.shape))',
        'calls Python (PyFunc)',
    ),
    'endpoints_have_a_row_for_each_example': (
        RETURNED,
        "    tf.get_default_graph().clear_collection('estimator_lab/endpoints')\n    return spec",
        'publishes no endpoints',
    ),
    'probabilities_sum_to_one': (
        RETURNED,
        in_mode('infer', "spec.predictions['probabilities'] *= 2"),
        'with a sum of 1',
    ),
}


@pytest.fixture
def little(tmp_path, monkeypatch):
    """Returns a function that imports the model, with a change, from a package outside this one."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(old='', new=''):
        assert old in SOURCE
        module = tmp_path / f'little_{len(list(tmp_path.glob("*.py")))}_{tmp_path.name}.py'
        module.write_text(SOURCE.replace(old, new) if old else SOURCE)
        folder = tmp_path / module.stem
        folder.mkdir()
        importlib.invalidate_caches()
        return Subject(importlib.import_module(module.stem).MODEL, {'units': 6}, (8, 8, 1), folder)

    return load


@pytest.mark.parametrize('check', BROKEN)
def test_a_broken_model_fails(little, check):
    old, new, words = BROKEN[check]
    CHECKS[check](little())
    with pytest.raises(BaseException, match='(?s)' + words.replace('(', r'\(').replace(')', r'\)')):
        CHECKS[check](little(old, new))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A model whose training run is sound."""
    subject = subject_of('mlp', tmp_path_factory.mktemp('mlp'))
    assert subject.run and subject.resumed
    return subject


def result_with(**changes):
    """Returns a damage: another result."""
    return lambda run: dataclasses.replace(run, result=dataclasses.replace(run.result, **changes))


def weights_with(value):
    """Returns a damage: a checkpoint in which one weight has a value."""

    def damage(run):
        reader = tf.train.load_checkpoint(run.result.checkpoint)
        values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
        values['logits/kernel'][0, 0] = value
        with tf.Graph().as_default(), tf.Session() as session:
            saver = tf.train.Saver({n: tf.Variable(v, name=n) for n, v in values.items()})
            session.run(tf.global_variables_initializer())
            saver.save(session, str(run.model_dir / f'model.ckpt-{run.result.step}'), write_meta_graph=False)
        return run

    return damage


def without_events(folder):
    """Returns a damage: event files are missing."""

    def damage(run):
        for path in run.model_dir.joinpath(folder).glob('events.*'):
            path.unlink()
        return run

    return damage


def with_event(folder, **value):
    """Returns a damage: one more summary."""

    def damage(run):
        with tf.Graph().as_default(), tf.summary.FileWriter(str(run.model_dir / folder)) as writer:
            writer.add_summary(tf.Summary(value=[tf.Summary.Value(**value)]), 3)
        return run

    return damage


DAMAGED = {
    'training_reaches_its_last_step': (result_with(step=4), 'ends with step 4'),
    'a_bad_image_is_skipped': (result_with(bad_images=0), 'counts 0 bad images'),
    'metrics_are_finite': (
        result_with(metrics={'accuracy': 1.0, 'loss': np.nan}),
        'loss of the evaluation is nan',
    ),
    'resuming_is_exact': (weights_with(9.0), 'ends with other logits/kernel'),
    'the_trained_model_opens': (result_with(step=4), 'opened model is at step'),
    'the_verdict_is_one_sentence': (result_with(verdict='One.\nTwo.'), 'The verdict is'),
    'the_report_has_a_section_for_each_picture': (
        with_event('', tag='images/strange/image', image=tf.Summary.Image(height=1, width=1)),
        'no section for the picture strange',
    ),
    'tags_have_one_layout': (with_event('more', tag='x', simple_value=1.0), 'Event files are in'),
    'training_is_summarized': (without_events(''), 'writes no scalar loss'),
    'evaluation_is_summarized': (without_events('eval'), 'writes no scalar loss'),
    'pictures_are_drawn_early': (
        with_event('', tag='images/late/image', image=tf.Summary.Image(height=1, width=1)),
        'images/late/image is first drawn at step 3',
    ),
    'a_layer_has_one_name': (
        with_event('', tag='activations/ghost', histo=tf.HistogramProto()),
        'activations of ghost',
    ),
}


@pytest.mark.parametrize('check', DAMAGED)
def test_a_damaged_run_fails(trained, check, tmp_path):
    damage, words = DAMAGED[check]
    CHECKS[check](trained)
    folder = shutil.copytree(trained.run.model_dir, tmp_path / 'run')
    result = dataclasses.replace(
        trained.run.result, checkpoint=str(folder / f'model.ckpt-{trained.run.result.step}')
    )
    subject = subject_of('mlp', tmp_path)
    subject.run, subject.resumed = damage(Run(folder, result)), trained.resumed
    with pytest.raises(AssertionError, match=words):
        CHECKS[check](subject)


def test_an_export_of_other_weights_fails(trained, tmp_path, monkeypatch):
    folder = shutil.copytree(trained.run.model_dir, tmp_path / 'run')
    result = dataclasses.replace(
        trained.run.result, checkpoint=str(folder / f'model.ckpt-{trained.run.result.step}')
    )
    other = weights_with(9.0)(Run(folder, result))
    export = runs.export_saved_model
    monkeypatch.setattr(
        runs, 'export_saved_model', lambda _, out: export(runs.open_trained(other.model_dir), out)
    )
    with pytest.raises(AssertionError, match='The export returns other values of'):
        runs.an_export_predicts_the_same(trained)


def test_a_run_that_shows_nothing_or_changes_its_samples_fails(trained, monkeypatch):
    images = iter([np.zeros((3, 8, 8, 1)), np.ones((3, 8, 8, 1))])
    run = SimpleNamespace(
        inspect=lambda image: SimpleNamespace(pictures={}),
        sample=lambda count: SimpleNamespace(images=next(images)),
    )
    monkeypatch.setattr(runs, 'open_run', lambda folder: run)
    with pytest.raises(AssertionError, match='An inspection has the pictures'):
        runs.an_example_is_inspected(trained)
    drawing = SimpleNamespace(model=find_model('rbm'), run=trained.run, image_shape=(8, 8, 1))
    with pytest.raises(AssertionError, match='Samples of one seed differ'):
        runs.samples_are_images_of_their_seed(drawing)


def test_every_check_is_shown_to_fail():
    shown = {'an_export_predicts_the_same', 'an_example_is_inspected', 'samples_are_images_of_their_seed'}
    assert {*BROKEN, *DAMAGED, *shown} == {*CHECKS}
