import sys

import pytest

from estimator_lab.base.python_2 import python_2_advice

OLD = [
    "print 'x'",
    "exec 'x'",
    '010',
    '10L',
    '`1`',
    '1 <> 2',
    "raise A, 'x'",
    "ur'x'",
    'def f((a, b)): pass',
    'lambda (a, b): 1',
    'try: pass\nexcept A, e: pass',
    'if 1:\n\ta=1\n        b=1',
]


@pytest.mark.parametrize('line', OLD)
def test_syntax_of_python_2_is_recognised(line):
    with pytest.raises(SyntaxError) as caught:
        compile(line, 'a b.py', 'exec')
    assert "modernize -wn -x import 'a b.py'" in python_2_advice(caught.value) or sys.version_info >= (3, 14)


@pytest.mark.parametrize('line', ['def f(:', 'x = = 1', 'print(1', "a = 'b"])
def test_other_mistakes_are_not_taken_for_python_2(line):
    with pytest.raises(SyntaxError) as caught:
        compile(line, 'a.py', 'exec')
    assert python_2_advice(caught.value) == ''


def test_a_cell_is_rewritten_by_hand():
    error = SyntaxError("Missing parentheses in call to 'print'", ('a.ipynb, cell 2', 1, 1, 'print x'))
    advice = 'This is Python 2, in a.ipynb, cell 2: write `print(x)` for `print x`, and the like.'
    assert python_2_advice(error) == advice
