"""Checks of what a model declares; no graph is built."""

from estimator_lab.base.settings import settings_of
from estimator_lab.core.model import FINAL
from estimator_lab.core.params import resolve
from tests.models.contract.subject import Subject


def settings_have_help(subject: Subject) -> None:
    """Each hyper-parameter has one line of help."""
    for name, declared in settings_of(subject.model.params).items():
        assert declared.help.strip(), f'The hyper-parameter {name} has no help text.'
        assert '\n' not in declared.help, f'The help text of the hyper-parameter {name} has several lines.'


def defaults_are_allowed(subject: Subject) -> None:
    """The defaults pass the tests of their values, and `Params.check`."""
    resolve(subject.model.params, {}).check()


def last_phase_is_final(subject: Subject) -> None:
    """The phases have different names, and the last one is FINAL."""
    names = [phase.name for phase in subject.model.phases(subject.model.params())]
    assert names and names[-1] == FINAL, 'The last phase of Model.phases must be core.model.FINAL.'
    assert len({*names}) == len(names), f'Two phases have one name: {", ".join(sorted(names))}.'


CHECKS = (settings_have_help, defaults_are_allowed, last_phase_is_final)
