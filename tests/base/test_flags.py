"""Sentences for what is wrong with the flags of a command."""

import pytest

from estimator_lab.base.flags import parse_error

GPU = 'the variable CUDA_VISIBLE_DEVICES chooses the GPUs. --help lists all.'


@pytest.mark.parametrize(
    ('name', 'known', 'arguments', 'words'),
    [
        ('gpu', 'size', '', f'--gpu: {GPU}'),
        ('image', 'size', 'FILE...', '--image: give FILE... without a flag. --help lists all.'),
        ('image', 'size', '', '--image; --help lists all.'),
        ('image', 'data', 'FILE...', '--image; did you mean --data? --help lists all.'),
    ],
)
def test_flags_of_other_programs_are_answered(name, known, arguments, words):
    said = parse_error(f"Unknown command line flag '{name}'", [known], arguments)
    assert said == f'There is no flag {words}'
