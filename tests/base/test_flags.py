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
