"""Defaults and bounds of hyper-parameters, flags and public functions, in golden/settings.txt.

    python -m tests.test_settings

writes that file anew, after an intended change.
"""

import difflib
import importlib
import inspect
from collections.abc import Iterator

from estimator_lab.__main__ import COMMANDS
from estimator_lab.base.settings import settings_of
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.input.dataset import DatasetSettings
from estimator_lab.data.input.stream_settings import StreamSettings
from tests.support.places import GOLDEN, ROOT, load_script

PATH = GOLDEN / 'settings.txt'
MARKS = ('structural', 'of_training', 'recorded', 'of_order', 'of_one_run', 'of_command')


def lines() -> Iterator[str]:
    """Yields a line for each setting of each model and command, and each default of a public function."""
    commands = {name: importlib.import_module(f'estimator_lab.{name}').COMMAND.settings for name in COMMANDS}
    models = {name: find_model(name).params for name in MODELS}
    for holder, declared in {
        **models,
        **commands,
        'stream': StreamSettings,
        'dataset': DatasetSettings,
    }.items():
        for name, setting in settings_of(declared).items():
            marks = [mark for mark in MARKS if getattr(setting, mark)]
            yield '; '.join(
                [f'{holder} {name}={setting.default}', *filter(None, [setting.allowed(), *marks])]
            )
    for module, names in load_script(ROOT / 'tools/public_names.py').PUBLIC.items():
        for value in (getattr(importlib.import_module(module), name) for name in names):
            function = value.__init__ if inspect.isclass(value) else value
            if inspect.isfunction(function):
                for parameter in inspect.signature(function).parameters.values():
                    if isinstance(parameter.default, bool | int | float | str | tuple):
                        yield f'{module}.{value.__name__} {parameter.name}={parameter.default}'


def test_defaults_and_bounds():
    known, found = PATH.read_text().splitlines(), [*lines()]
    changes = '\n'.join(difflib.unified_diff(known, found, PATH.name, 'the package', lineterm='', n=0))
    assert not changes, f'if all of it is intended, run `python -m tests.test_settings`\n{changes}'


if __name__ == '__main__':
    PATH.write_text('\n'.join([*lines(), '']))
