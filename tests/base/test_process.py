"""Hiding what native code writes to standard error, except when it fails."""


def test_a_failing_import_prints_what_was_hidden(run_python):
    code = """
import os
from estimator_lab.base import process
with process.importing_tensorflow():
    os.write(2, b'E0000 00:00:1796173368.329567 1 port.cc:1] native words\\n')
    import missing_module
"""
    done = run_python('-c', code)
    assert done.returncode == 1
    assert 'native words' in done.stderr and 'missing_module' in done.stderr


HIDDEN = [
    'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR',
    'I0000 00:00:1796173368.329567   10202 port.cc:153] oneDNN custom operations are on.',
    'E0000 00:00:1796173368.329567   10202 cuda_dnn.cc:8579] Unable to register cuDNN factory',
    '2024-05-01 12:00:00.123456: I tensorflow/core/util/port.cc:113] oneDNN custom operations are on.',
]
SHOWN = ['UserWarning: of the program', 'F0000 00:00:1796173368.329567 cpu_guard.cc:1] Aborting']
HUSHED = f"""
import os
from estimator_lab.base.process import hushed
with hushed():
    for line in {HIDDEN + SHOWN}:
        os.write(2, line.encode() + b'\\n')
    {{end}}
"""


def test_lines_of_tensorflows_native_code_are_hidden_and_no_others(run_python):
    done = run_python('-c', HUSHED.format(end="os.write(1, b'reached')"))
    assert (done.stdout, done.stderr.splitlines()) == ('reached', SHOWN)
    done = run_python('-c', HUSHED.format(end='raise KeyboardInterrupt'))
    assert done.returncode and done.stderr.splitlines()[:2] == SHOWN


def test_only_a_log_level_of_0_or_1_requests_messages(run_python):
    for level, lines in ('0', HIDDEN + SHOWN), ('1', HIDDEN + SHOWN), ('2', SHOWN), ('3', SHOWN):
        done = run_python('-c', HUSHED.format(end=''), TF_CPP_MIN_LOG_LEVEL=level)
        assert done.stderr.splitlines() == lines, level


def test_a_native_abort_says_where(run_python):
    done = run_python('-c', HUSHED.format(end='os.abort()'))
    assert done.returncode < 0 and 'Fatal Python error: Aborted' in done.stderr


def test_standard_error_is_the_programs_own_again(run_python):
    own = "import faulthandler\nos.write(2, b'own')\nprint(faulthandler.is_enabled())"
    done = run_python('-c', HUSHED.format(end='') + own)
    assert (done.stdout, done.stderr.splitlines()[-1]) == ('False\n', 'own')


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
