from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from absl import flags

from estimator_lab.console.options import define_flags, groups_of, read_flags
from estimator_lab.settings import setting, settings_of


@dataclass(frozen=True)
class Oven:
    """Some settings."""

    name: str = setting('oven', 'its name', group='What')
    heat: int = setting(180, 'degrees', group='How', lower=20, upper=300)
    share: float | None = setting(None, 'of the day', group='How', lower=0)
    fan: bool = setting(False, 'whether it blows', group='How')
    trays: int = setting(1, 'how many', group='What', choices=(1, 3))
    dishes: Sequence[str] = setting((), 'that go in', group='What')
    recipe: Path | None = setting(None, 'where it stands', group='What')
    secret: int = 7


def parsed(*arguments):
    values = flags.FlagValues()
    define_flags(Oven, values)
    values(['program', *arguments])
    return read_flags(Oven, values)


def test_without_arguments_all_have_their_defaults():
    assert parsed() == Oven()


def test_flags_have_the_types_of_their_settings():
    given = parsed(
        *('--name=x', '--heat=200', '--share=0.5', '--fan', '--trays=3', '--dishes=a,b', '--recipe=r.txt')
    )
    assert given == Oven('x', 200, 0.5, True, 3, ['a', 'b'], Path('r.txt')) or given == Oven(
        'x', 200, 0.5, True, 3, ('a', 'b'), Path('r.txt')
    )
    assert type(given.trays) is int


@pytest.mark.parametrize(
    'argument', ['--heat=10', '--heat=301', '--heat=x', '--share=-1', '--trays=2', '--secret=1']
)
def test_what_is_declared_is_checked(argument):
    with pytest.raises(flags.Error):
        parsed(argument)


def test_an_empty_path_is_none():
    assert parsed('--recipe=').recipe is None


def test_some_may_be_other_than_their_flags():
    values = flags.FlagValues()
    define_flags(Oven, values)
    values(['program', '--name=x'])
    assert read_flags(Oven, values, name='y') == Oven('y')


def test_groups_are_those_of_the_help_page():
    assert groups_of(Oven) == {
        'What': ['name', 'trays', 'dishes', 'recipe'],
        'How': ['heat', 'share', 'fan'],
    }
    assert settings_of(Oven)['heat'].help == 'degrees'
