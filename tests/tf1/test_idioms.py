"""Old expressions that are replaced in the syntax tree of a program."""

import ast

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from estimator_lab.tf1.idioms import with_idioms

pytestmark = pytest.mark.both

BEFORE = """
import math
one, two = np.array([3]), np.array([[7.5]])
"""


def run(text):
    """Returns the names of a program after it has run."""
    names = {'np': np, 'tf': tf}
    exec(compile(with_idioms(ast.parse(BEFORE + text)), 'program.py', 'exec'), names)
    return names


@pytest.mark.parametrize(
    ('expression', 'value'),
    [
        ('int(one)', 3),
        ('float(two)', 7.5),
        ('int("7", base=8)', 7),
        ('math.floor(two)', 7),
        ('math.atan2(one, 4)', np.arctan2(3, 4)),
        ("'%d' % one", '3'),
        ("'%s %d %.1f' % (one, one, two)", '[3] 3 7.5'),
        ("'%(a)d %(a)r' % {'a': one}", '3 array([3])'),
        ("'%x' % one", '3'),
        ('7 % int(one)', 1),
        ('one.tostring() == one.tobytes()', True),
        ('np.float32(1).tostring()', b'\0\0\x80?'),
        ('np.array([[1, 5], [2, 9]]).ptp(axis=0).tolist()', [1, 4]),
        ("np.array([1], '<u2').newbyteorder().tolist()", [256]),
        ('np.ptp([1, 4])', 3),
        ('type(tf.zeros([])) is tf.Tensor', True),
        ('type(tf.zeros([])) in (tf.Tensor, int)', True),
        ('type(one) == np.ndarray and type(one) is not tf.Tensor', True),
        ('list(tf.train.Int64List(value=[True, np.bool_(False), 7]).value)', [1, 0, 7]),
        ("tf.ConfigProto(device_count={'GPU': False}, log_device_placement=True).device_count['GPU']", 0),
    ],
)
def test_expressions(expression, value, graph):
    assert run(f'found = {expression}')['found'] == pytest.approx(value)


def test_elements_are_set_to_arrays_of_one_element():
    found = run(
        'a = np.zeros(3)\na[1] = two\na[2] += one\nb = {}, [0]\nb[0]["x"], b[1][0] = one, 2\ndel b[1][0]'
    )
    assert found['a'].tolist() == [0, 7.5, 3]
    assert found['b'] == ({'x': np.array([3])}, [])


def test_items_are_set_by_itemset():
    found = run('a = np.arange(6).reshape(2, 3)\na.itemset(4, 9)\na.itemset((0, 1), 8)\na.itemset(1, 2, 7)')
    assert found['a'].tolist() == [[0, 8, 2], [3, 9, 7]]


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('int([1])', TypeError),
        ('int(np.array([1, 2]))', TypeError),
        ("'%d' % 'x'", TypeError),
        ("'%d' % np.array([1, 2])", TypeError),
        ('np.zeros(3)[0:1].no_such()', AttributeError),
        ('[].tostring()', AttributeError),
        ('a = np.zeros(3)\na[0] = [1, 2]', ValueError),
        ('tf.train.Int64List(value=["x"])', TypeError),
    ],
)
def test_other_errors_are_those_of_the_program(text, error):
    with pytest.raises(error):
        run(text)


def test_names_of_the_program_and_line_numbers_stay():
    text = 'def int(x):\n    return x\nassert int(one) is one\n'
    run(text)
    tree = with_idioms(ast.parse('\n\nx = float(y) % 2\n'))
    assert {node.lineno for node in ast.walk(tree) if hasattr(node, 'lineno')} == {3}


OLD = """
import contextlib
import cPickle
from cPickle import loads
import helper
import tensorflow as tf

def generator(n):
    \'\'\'Yields.\'\'\'
    source = iter(range(n))
    while True:
        yield next(source)

@contextlib.contextmanager
def context():
    yield

d = {'a': tf.constant(1), 'b': tf.constant(2)}
with tf.Session() as session:
    print(session.run([d.values()]), session.run({tf.constant(3): 0}.keys()))
print([*generator(3)], generator.__doc__, d.has_key('a'), d.has_key('c'))
print([k for k, _ in d.iteritems()], len([*d.itervalues()]), generator(3).next())
try:
    with context():
        next(iter(''))
except StopIteration:
    print('ended')
print([unicode(i) for i in xrange(2)], loads(cPickle.dumps(5)), helper.found())
"""
HELPER = """
try:
    import cPickle as pickle
except ImportError:
    import pickle
try:
    unicode
    kind = 'two'
except NameError:
    kind = 'three'

def found():
    def inner():
        return [*generator()]
    def generator():
        yield kind
        raise StopIteration
    return inner(), pickle.__name__
"""


def test_what_python_took_from_programs(run_forked, tmp_path):
    (tmp_path / 'old.py').write_text(OLD)
    (tmp_path / 'helper.py').write_text(HELPER)
    done = run_forked('-m', 'estimator_lab.run', str(tmp_path / 'old.py'))
    assert done.stdout.splitlines() == [
        '[[1, 2]] [3]',
        '[0, 1, 2] Yields. True False',
        "['a', 'b'] 2 0",
        'ended',
        "['0', '1'] 5 (['three'], 'pickle')",
    ], done.stderr
    used = ['cPickle', 'the keys or values of a dict as a list', 'a generator that StopIteration ends']
    used += ['dict.has_key', 'dict.iteritems', 'dict.itervalues', 'iterator.next', 'xrange', 'unicode']
    lines = [f'The program uses {each}, which Python 3 does not have; it works as before.' for each in used]
    assert done.stderr.splitlines() == lines
