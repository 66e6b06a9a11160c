"""Hiding what native code writes to standard error, except when it fails."""

import pytest

pytestmark = pytest.mark.once


def test_a_failing_import_prints_what_was_hidden(run_python):
    code = """
import os
from estimator_lab.base import process
process.hide_import_messages()
with process.importing_tensorflow():
    os.write(2, b'native words')
    import missing_module
"""
    done = run_python('-c', code)
    assert done.returncode == 1
    assert 'native words' in done.stderr and 'missing_module' in done.stderr


NATIVE_WORDS = """
import os
from estimator_lab.base.process import hushed
with hushed():
    os.write(2, b'native words')
    {end}
"""


def test_a_native_abort_prints_what_was_hidden(run_python):
    done = run_python('-c', NATIVE_WORDS.format(end='os.abort()'))
    assert done.returncode < 0
    assert 'native words' in done.stderr


def test_an_interrupt_prints_nothing(run_python):
    done = run_python('-c', NATIVE_WORDS.format(end='raise KeyboardInterrupt'))
    assert done.returncode and 'KeyboardInterrupt' in done.stderr and 'native words' not in done.stderr


def test_hidden_text_is_discarded_on_success(run_python):
    done = run_python('-c', NATIVE_WORDS.format(end="os.write(1, b'reached')"))
    assert (done.stdout, done.stderr) == ('reached', '')


IMPORTS = """
import sys
from estimator_lab.base import process
{before}
with process.importing_tensorflow():
    try:
        import pandas
        print('found')
    except ImportError:
        print('missing')
import pandas
print('found')
"""


def test_a_command_imports_tensorflow_without_optional_packages(run_python, tmp_path):
    (tmp_path / 'pandas.py').touch()
    for before, found in ('', 'found'), ('process.hide_optional_packages()', 'missing'):
        code = IMPORTS.format(before=f'sys.path.insert(0, {str(tmp_path)!r})\n{before}')
        assert run_python('-c', code).stdout.split() == [found, 'found']
