"""Sentences for what is wrong with the flags of a command."""

import pytest

from estimator_lab.base.flags import parse_error


@pytest.mark.parametrize(
    ('said', 'sentence'),
    [
        ("flag --size=x: invalid literal for int() with base 10: 'x'", '--size=x is not a whole number.'),
        ("flag --share=x: could not convert string to float: 'x'", '--share=x is not a number.'),
        (
            "flag --fast=2: ('Non-boolean argument to boolean flag', '2').",
            '--fast=2 is neither true nor false.',
        ),
        ('flag --name is odd.', '--name is odd; --help lists the flags.'),
    ],
)
def test_sentences_of_absl_are_put_plainly(said, sentence):
    assert parse_error(f'ERROR:: {said}', ['size', 'share', 'fast', 'name'], '') == sentence


def test_unknown_flags_name_a_known_one():
    said = parse_error("Unknown command line flag 'siz'. Did you mean: size ?", ['size', 'share'], '')
    assert said.startswith('There is no flag --siz') and '--size' in said and '--share' not in said


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
