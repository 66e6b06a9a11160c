"""The commands of docs, examples and benchmarks run: see `shown_commands`."""

import pytest

from tests.documentation import all_commands
from tests.shown_commands import run_command
from tests.test_readme import PAGES


@pytest.mark.parametrize('command', [each for each in all_commands() if each.file not in PAGES], ids=str)
def test_command(command, world, stdin, capfd):
    run_command(command.text, world, stdin, capfd)
