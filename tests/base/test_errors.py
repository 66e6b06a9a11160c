"""Errors as text, for programs and for other processes."""

import pickle
import subprocess
import sys

import pytest

from estimator_lab.base.errors import DataError, FlagError, LabError, hparam, option


@pytest.mark.parametrize('kind', [LabError, FlagError, DataError])
def test_the_sentence_of_an_error_arrives_where_the_package_is_not_installed(kind):
    """As in the driver of Ray, whose workers have it."""
    error = kind(f'{option.data}=x does not fit {hparam.filters}.')
    load = 'import pickle, sys; print(repr(pickle.load(sys.stdin.buffer)))'
    shown = subprocess.run(
        [sys.executable, '-I', '-S', '-c', load], input=pickle.dumps(error), capture_output=True
    )
    assert shown.stdout == b"RuntimeError('data=x does not fit filters.')\n", shown.stderr
