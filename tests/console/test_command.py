import sys
from pathlib import Path

import pytest

from estimator_lab.console import command


@pytest.fixture
def interpreter(tmp_path, monkeypatch):
    """Pretends that this Python is .venv/bin/python below the current folder."""
    path = tmp_path / '.venv' / 'bin' / 'python'
    path.parent.mkdir(parents=True)
    path.write_text('#!/bin/sh\n')
    path.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(path))
    monkeypatch.chdir(tmp_path)
    return path


def test_an_environment_that_is_not_activated_is_named_by_its_path(interpreter, monkeypatch):
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    assert command.python() == '.venv/bin/python'
    assert command.tensorboard(Path('a b')) == ".venv/bin/python -m tensorboard.main --logdir='a b'"


def test_an_activated_one_by_its_name(interpreter, monkeypatch):
    monkeypatch.setenv('PATH', str(interpreter.parent))
    assert command.python() == 'python'
    assert command.tensorboard(Path('runs')) == 'tensorboard --logdir=runs'


def test_one_elsewhere_by_its_whole_path(interpreter, monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    (tmp_path / 'other').mkdir()
    monkeypatch.chdir(tmp_path / 'other')
    assert command.python() == str(interpreter)
