"""Settings are declared once: flags, help page and defaults are made from them."""

import dataclasses

from estimator_lab import train
from estimator_lab.console.command import help_text
from estimator_lab.console.options import read_flags
from estimator_lab.settings import settings_of
from estimator_lab.training.settings import Settings


def test_every_setting_is_declared():
    assert set(settings_of(Settings)) == {field.name for field in dataclasses.fields(Settings)}


def test_every_setting_is_a_flag_with_its_help():
    page = help_text('', train._GROUPS, train.FLAGS)
    for name, declared in settings_of(Settings).items():
        (line,) = (line for line in page.splitlines() if line.startswith((f'  --{name}=', f'  --{name} ')))
        assert declared.help in line


def test_no_flag_of_training_is_declared_elsewhere_but_one():
    shown = {name for names in train._GROUPS.values() for name in names}
    assert shown - set(settings_of(Settings)) == {'verbose'}


def test_defaults_are_the_same_in_both():
    for name in train.FLAGS:
        train.FLAGS[name].unparse()
    train.FLAGS(['train'])
    given, plain = read_flags(Settings, train.FLAGS), Settings()
    for name in settings_of(Settings):
        assert getattr(given, name) == getattr(plain, name) or (
            list(getattr(given, name)) == list(getattr(plain, name))
        )
