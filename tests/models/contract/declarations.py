"""Checks of what a model declares; no graph is built."""

import dataclasses

from estimator_lab.base.settings import settings_of
from estimator_lab.core.model import FINAL
from estimator_lab.core.params import TrainingParams, resolve
from tests.models.contract.subject import Subject


def name_is_a_word(subject: Subject) -> None:
    """The name is one word of lower-case letters, digits and underscores, for --model and runs/NAME."""
    name = subject.model.name
    assert name.isidentifier() and name == name.lower(), (
        f'The name {name!r} must be one word of lower-case letters, digits and underscores.'
    )


def parameters_are_a_frozen_dataclass(subject: Subject) -> None:
    """The parameters are a frozen dataclass that extends TrainingParams."""
    params = subject.model.params
    assert isinstance(params, type) and issubclass(params, TrainingParams), (
        'Model.params must be a class that extends TrainingParams.'
    )
    assert dataclasses.is_dataclass(params) and params.__dataclass_params__.frozen, (
        f'{params.__name__} must be a frozen dataclass.'
    )


def settings_have_help(subject: Subject) -> None:
    """Each hyper-parameter has one line of help."""
    for name, declared in settings_of(subject.model.params).items():
        assert declared.help.strip(), f'The hyper-parameter {name} has no help text.'
        assert '\n' not in declared.help, f'The help text of the hyper-parameter {name} has several lines.'


def fields_have_a_default(subject: Subject) -> None:
    """Every parameter has a default, so that Params() is a model."""
    for field in dataclasses.fields(subject.model.params):
        assert field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING, (
            f'The parameter {field.name} has no default.'
        )


def defaults_are_allowed(subject: Subject) -> None:
    """The defaults pass the tests of their values, and Model.check."""
    subject.model.check(resolve(subject.model.params, {}))


def given_hyper_parameters_are_allowed(subject: Subject) -> None:
    """The hyper-parameters given exist and are allowed for the image shape."""
    subject.model.check(resolve(subject.model.params, subject.params))


def last_phase_is_final(subject: Subject) -> None:
    """The phases have different names, and the last one is FINAL."""
    names = [phase.name for phase in subject.model.phases(subject.model.params())]
    assert names and names[-1] == FINAL, 'The last phase of Model.phases must be core.model.FINAL.'
    assert len({*names}) == len(names), f'Two phases have one name: {", ".join(sorted(names))}.'


def task_has_a_metric(subject: Subject) -> None:
    """Model.task names the metric by which runs are compared."""
    metric = subject.model.task(subject.model.params()).primary_metric
    assert isinstance(metric, str) and metric, 'Model.task names no primary_metric.'


CHECKS = (
    name_is_a_word,
    parameters_are_a_frozen_dataclass,
    fields_have_a_default,
    settings_have_help,
    defaults_are_allowed,
    given_hyper_parameters_are_allowed,
    last_phase_is_final,
    task_has_a_metric,
)
