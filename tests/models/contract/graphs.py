"""Checks of the graphs of TRAIN, EVAL and PREDICT, on batches of random images."""

import re

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core import keys
from estimator_lab.core.endpoints import published
from estimator_lab.tf1 import tf
from tests.models.contract.subject import Subject

_BATCH = 4
_STEPS = 3  # fill the slots of an optimizer
_LEARNING_STEPS = 60
_CLOSE = 1e-4
_DEFAULT_NAME = re.compile(r'(.*/)?Variable(_\d+)?')
_PYTHON = {'PyFunc', 'PyFuncStateless', 'EagerPyFunc'}
_MODES = tf.estimator.ModeKeys


def training_has_a_loss_and_a_step(subject: Subject) -> None:
    """In TRAIN, the EstimatorSpec has a scalar float32 loss and a train_op."""
    spec = subject.training.spec
    assert spec.train_op is not None, 'The EstimatorSpec of TRAIN has no train_op.'
    assert spec.loss is not None and spec.loss.dtype == tf.float32 and spec.loss.shape.rank == 0, (
        'The loss of TRAIN must be a float32 scalar.'
    )


def a_step_changes_weights_and_counts_one(subject: Subject) -> None:
    """A step changes a trainable variable, and counts as 1 step, however many updates it makes."""
    network = subject.training
    network.reset()
    before = network.values()
    network.run(network.spec.train_op, subject.images(_BATCH))
    after = network.values()
    changed = [name for name in network.trainable if not np.array_equal(before[name], after[name])]
    assert network.trainable, 'The graph of TRAIN has no trainable variable.'
    assert changed, 'A training step changes no trainable variable.'
    step = network.global_step()
    assert step == 1, f'One training step advances the global step by {step}, not by 1.'


def a_bad_batch_changes_nothing(subject: Subject) -> None:
    """A batch of examples of weight 0 counts as a step, but changes no weight and no optimizer slot."""
    network, images = subject.training, subject.images(2)
    network.reset()
    for _ in range(_STEPS):
        network.run(network.spec.train_op, images)
    before = network.values()
    network.run(network.spec.train_op, images, [0.0, 0.0])
    after = network.values()
    changed = sorted(name for name in before if not np.array_equal(before[name], after[name]))
    assert not changed, f'A batch of examples of weight 0 changes {", ".join(changed)}.'
    assert network.global_step() == _STEPS + 1, 'A batch of examples of weight 0 does not count as a step.'


def learns(subject: Subject) -> None:
    """The loss on one batch falls in 60 steps.

    That of a GAN, which is its discriminator's, falls while the generator stays as it is, and rises while the
    discriminator does.
    """
    falls = {'generator': True, 'discriminator': False} if subject.model.name == 'gan' else {'': True}
    for kept, is_lower in falls.items():
        first, last = _losses(subject, kept)
        steps = f'{_LEARNING_STEPS} steps{f" that leave the {kept} as it is" * bool(kept)}'
        assert (last < first) == is_lower, (
            f'The loss is {first:.4g} in the first 5 of {steps}, and {last:.4g} in the last.'
        )


def _losses(subject: Subject, kept: str) -> tuple[float, float]:
    """Returns the mean losses of the first and the last steps, after each of which a scope starts anew."""
    network, images = subject.training, subject.images()
    network.reset()
    before = {name: value for name, value in network.values().items() if kept and name.startswith(kept)}
    losses = []
    for _ in range(_LEARNING_STEPS):
        losses.append(float(network.run([network.spec.loss, network.spec.train_op], images)[0]))
        network.load(before)
    return float(np.mean(losses[:5])), float(np.mean(losses[-5:]))


def initial_weights_repeat(subject: Subject) -> None:
    """The seed of the graph determines the initial weights: name each initializer."""
    first, second = subject.training.initial_values(), subject.in_bfloat16.initial_values()
    differ = sorted(name for name, value in first.items() if not np.array_equal(value, second.get(name)))
    assert not differ, f'Two graphs of one seed begin with different values of {", ".join(differ)}.'


def bfloat16_trains(subject: Subject) -> None:
    """With --precision=bfloat16, a step has a finite loss, and variables stay float32."""
    network = subject.in_bfloat16
    loss = float(network.run([network.spec.loss, network.spec.train_op], subject.images(_BATCH))[0])
    assert np.isfinite(loss), f'The loss of a step with --precision=bfloat16 is {loss}.'
    half = [name for name, v in network.variables.items() if v.dtype.base_dtype in (tf.bfloat16, tf.float16)]
    assert not half, f'Variables must be float32: {", ".join(sorted(half))}.'


def variables_have_names(subject: Subject) -> None:
    """No variable has a default name such as Variable_1."""
    unnamed = [name for name in subject.training.variables if _DEFAULT_NAME.fullmatch(name)]
    assert not unnamed, f'Variables have no names of their own: {", ".join(sorted(unnamed))}.'


def modes_share_variables(subject: Subject) -> None:
    """EVAL and PREDICT use variables of TRAIN, with the same shapes, so that a checkpoint restores."""
    known = {name: v.shape.as_list() for name, v in subject.training.variables.items()}
    for mode, network in (('EVAL', subject.evaluation), ('PREDICT', subject.prediction)):
        for name, variable in network.variables.items():
            assert name in known, f'{mode} has the variable {name}, which TRAIN does not have.'
            assert variable.shape.as_list() == known[name], (
                f'{name} has shape {variable.shape.as_list()} in {mode}, but {known[name]} in TRAIN.'
            )


def unknown_parameters_are_rejected(subject: Subject) -> None:
    """The model function raises FlagError for an unknown hyper-parameter."""
    with tf.Graph().as_default():
        features = {'image': tf.zeros([1, *subject.image_shape]), 'key': tf.constant(['a'])}
        with pytest.raises(FlagError):
            subject.model.model_fn(features, None, _MODES.PREDICT, {'no_such_parameter': 1})


def evaluation_has_its_metrics(subject: Subject) -> None:
    """In EVAL, the metrics include total_examples and the primary metric of Model.task."""
    task = subject.model.task(subject.model.params())
    for name in (keys.TOTAL_EXAMPLES, task.primary_metric):
        assert name in (subject.evaluation.spec.eval_metric_ops or {}), f'The metrics of EVAL lack {name}.'


def evaluation_can_rank_examples(subject: Subject) -> None:
    """In EVAL, the predictions have classes and probabilities, or the error of each example."""
    predictions = set(subject.evaluation.spec.predictions or {})
    assert {keys.CLASSES, keys.PROBABILITIES} <= predictions or keys.ERROR in predictions, (
        'The predictions of EVAL must have classes and probabilities, or the error of each example.'
    )


def evaluations_repeat_and_count_examples(subject: Subject) -> None:
    """In EVAL, total_examples is the number of examples, and the metrics of the same examples are equal."""
    images = subject.images(_BATCH)
    first, second = subject.evaluation.metrics(images), subject.evaluation.metrics(images)
    found = first[keys.TOTAL_EXAMPLES]
    assert found == _BATCH, f'total_examples is {found} after {_BATCH} examples.'
    for name, value in first.items():
        assert np.allclose(value, second[name], _CLOSE, _CLOSE, equal_nan=True), (
            f'Two evaluations of the same examples differ in the metric {name}: {value} and {second[name]}.'
        )


def predictions_have_a_row_for_each_example(subject: Subject) -> None:
    """In PREDICT, which is built without labels and weights, predictions have as many rows as examples."""
    network = subject.prediction
    assert network.spec.predictions, 'The EstimatorSpec of PREDICT has no predictions.'
    for count in (1, _BATCH):
        for name, values in network.run(network.spec.predictions, subject.images(count)).items():
            rows = np.shape(values)[:1]
            assert rows == (count,), f'The prediction {name} has shape {np.shape(values)} for {count} images.'


def predictions_depend_on_the_example_alone(subject: Subject) -> None:
    """In PREDICT, there is no dropout and no other noise, and the rest of the batch has no effect."""
    network, images = subject.prediction, subject.images(_BATCH)
    predictions = network.spec.predictions.items()
    numbers = {name: each for name, each in predictions if each.dtype.is_floating or each.dtype.is_integer}
    first, second = (network.run(numbers, images) for _ in range(2))
    alone = network.run(numbers, images[:1])
    for name, values in first.items():
        assert np.array_equal(values, second[name]), f'Two predictions of the same images differ in {name}.'
        assert np.allclose(values[0], alone[name][0], _CLOSE, _CLOSE), (
            f'The prediction {name} of an image depends on the other images of its batch.'
        )


def predictions_need_no_python(subject: Subject) -> None:
    """In PREDICT, the graph has no Python functions, so that an export runs without this package."""
    found = sorted({op.type for op in subject.prediction.graph.get_operations()} & _PYTHON)
    assert not found, f'The graph of PREDICT calls Python ({", ".join(found)}), which no export can.'


def endpoints_have_a_row_for_each_example(subject: Subject) -> None:
    """In PREDICT, endpoints are published for inspection, each with a value for each example."""
    network = subject.prediction
    endpoints = published(network.graph)
    assert endpoints, 'The graph of PREDICT publishes no endpoints; inspection needs them.'
    for name, values in network.run(endpoints, subject.images(_BATCH)).items():
        assert np.shape(values)[:1] == (_BATCH,), (
            f'The endpoint {name} has shape {np.shape(values)} for {_BATCH} images.'
        )


def probabilities_sum_to_one(subject: Subject) -> None:
    """The probabilities of a classifier are in [0, 1] and sum to 1."""
    network = subject.prediction
    if keys.PROBABILITIES not in network.spec.predictions:
        return
    found = network.run(network.spec.predictions[keys.PROBABILITIES], subject.images(_BATCH))
    assert np.all(found >= 0) and np.allclose(found.sum(-1), 1, atol=_CLOSE), (
        'The probabilities are not in [0, 1] with a sum of 1.'
    )


CHECKS = (
    training_has_a_loss_and_a_step,
    a_step_changes_weights_and_counts_one,
    a_bad_batch_changes_nothing,
    learns,
    initial_weights_repeat,
    variables_have_names,
    bfloat16_trains,
    unknown_parameters_are_rejected,
    evaluation_has_its_metrics,
    evaluation_can_rank_examples,
    evaluations_repeat_and_count_examples,
    modes_share_variables,
    predictions_have_a_row_for_each_example,
    predictions_depend_on_the_example_alone,
    predictions_need_no_python,
    endpoints_have_a_row_for_each_example,
    probabilities_sum_to_one,
)
