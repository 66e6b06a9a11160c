"""Names and modules that Python, NumPy, SciPy and Pillow have dropped."""

import types

import pytest

from estimator_lab.tf1.dropped_names import _accepting, restore_pillow

pytestmark = pytest.mark.both

PROGRAM = """
from estimator_lab.tf1.dropped_names import print_numbers_as_before, restore_dropped_names
restore_dropped_names()
print_numbers_as_before()
import collections, collections.abc, inspect, time
from collections import OrderedDict, Mapping
import numpy as np

def two(a, b=1, *more): pass
spec = inspect.getargspec(two)
assert spec == (['a', 'b'], 'more', None, (1,)) and spec.args == ['a', 'b']
assert Mapping is collections.abc.Mapping and OrderedDict is collections.OrderedDict
assert time.clock() > 0 and np.object is object and np.float is float and np.float_ is np.float64
assert np.array([1], np.int).dtype.kind == 'i' and np.isnan(np.NaN)
assert np.bool_ is not bool
assert inspect.formatargspec(*spec) == '(a, b=1, *more)'
def many(a, b=1, *c, d, e=2, **k): pass
def bare(*, a): pass
texts = [inspect.formatargspec(*inspect.getfullargspec(each)) for each in (many, bare)]
assert texts == ['(a, b=1, *c, d, e=2, **k)', '(*, a)']
import unittest
case = unittest.TestCase()
case.assertEquals(1, 1)
case.assertNotAlmostEquals(1, 2)
case.assertRegexpMatches('abc', 'b')
with case.assertRaisesRegexp(ValueError, 'x'):
    raise ValueError('x')
import base64, fractions
assert fractions.gcd(12, 18) == 6 and base64.decodestring(base64.encodestring(b'x')) == b'x'
assert np.asscalar(np.array([4])) == 4 and np.round_(1.26, 1) == 1.3
assert np.mat('1 2; 3 4').shape == (2, 2) and np.cast['int8']([1.7, -2.2]).tolist() == [1, -2]
assert np.msort(np.array([[3, 1], [2, 5]])).tolist() == [[2, 1], [3, 5]]
assert np.alltrue([1, 1]) and not np.alltrue([0, 1]) and np.sometrue([0, 1])
assert np.NINF == -np.infty and np.in1d([[1, 2]], [2]).tolist() == [False, True]
assert np.array([[1], [2, 3]]).tolist() == [[1], [2, 3]] and np.array([1, 2]).dtype.kind == 'i'
assert np.reshape(np.arange(4), newshape=(2, 2)).tolist() == np.reshape([[0, 1, 2, 3]], (2, 2)).tolist()
for function in (np.quantile, np.percentile, np.nanquantile, np.nanpercentile):
    assert function([1, 2], 0.5, interpolation='lower') == function([1, 2], 0.5, method='lower') == 1
assert np.array(range(3), copy=False).tolist() == [0, 1, 2] and np.array(np.ones(2), copy=False).sum() == 2
assert np.fromstring(b'ab', np.uint8).tolist() == [97, 98] == np.fromstring('97 98', sep=' ').tolist()
assert np.asfarray([1]).dtype == float and np.asfarray([1], np.float32).dtype == np.float32
assert np.lib.pad([1], 1, 'constant').tolist() == [0, 1, 0] and np.rank([[1]]) == 2
assert np.histogram([1, 3], 2, normed=True)[0].tolist() == [0.5, 0.5]
assert np.vstack(np.ones(2) for _ in '123').shape == np.stack(dict.fromkeys('123', [1, 2]).values()).shape
assert np.concatenate(map(np.ones, [1, 2])).shape == (3,) and np.sum(n for n in (1, 2)) == 3
assert issubclass(np.VisibleDeprecationWarning, Warning)
try:
    np.array([[1], [2, 3]], np.float32)
except ValueError:
    pass
else:
    raise AssertionError('a type was given')
from absl import flags
flags.DEFINE_integer('size', 1, '')
flags.FLAGS._parse_flags(['program', '--size=3'])
assert flags.FLAGS.size == 3
del flags.FLAGS.size
# The figures are those of NumPy 1.18.
cases = {
    'float32': [['f4'], ['i8', 'f8']], 'complex128': [['f4', 'f4', 'i4'], ['c8']],
    'float64': [['i4'], ['f4']], 'int64': [['u1'], ['i8']],
}
for name, types in cases.items():
    assert np.find_common_type(*types) == name, types
assert np.find_common_type([], ['i4', 'c8', 'f4']) == 'complex128'
assert np.find_common_type(['f4'], []) == 'float32'
print([np.float64(1.5)])
"""


@pytest.mark.parametrize('twice', [False, True])
def test_names_that_python_and_numpy_have_dropped(run_forked, twice):
    done = run_forked('-c', PROGRAM * (1 + twice))
    assert done.stdout == '[1.5]\n' * (1 + twice), done.stderr


MODULES = """
import sys
from estimator_lab.tf1.dropped_names import restore_dropped_names
before = {*sys.modules}
restore_dropped_names()
assert {*sys.modules} == before  # neither Pillow nor SciPy
import imp
from PIL import Image
assert Image.ANTIALIAS == Image.LANCZOS and Image.LINEAR == Image.BILINEAR and Image.CUBIC == Image.BICUBIC
assert list(Image.new('L', (2, 1)).getdata()) == [0, 0]
with open('beside.py', 'w') as file:
    file.write('x = 7')
assert imp.load_source('other', 'beside.py').x == 7 and sys.modules['other'].x == 7
assert imp.load_module('third', *imp.find_module('beside', ['.'])).x == 7
assert imp.reload(sys) is sys and imp.new_module('m').__name__ == 'm'
try:
    imp.find_module('no_such_module')
except ImportError as error:
    assert "No module named 'no_such_module'" in str(error)
"""


RANDOM = """
import random
from estimator_lab.tf1.dropped_names import restore_dropped_names
restore_dropped_names()
restore_dropped_names()
random.seed(3)
assert (random.randrange(10.0), random.randint(1, 5.0), random.randrange(2, 8.0, 2)) == (3, 5, 6)
assert sorted(random.sample({1, 2, 3}, 3)) == [1, 2, 3] and random.sample([4], k=1) == [4]
assert random.Random(1).sample(frozenset('a'), 1) == ['a'] and random.SystemRandom().randrange(1.0) == 0
for wrong in (lambda: random.randrange(2.5), lambda: random.sample(7, 1)):
    try:
        wrong()
    except (TypeError, ValueError):
        continue
    raise AssertionError(wrong)
"""


def test_random_numbers_as_python_3_9_took_them(run_forked):
    done = run_forked('-c', RANDOM)
    assert done.returncode == 0, done.stderr


SIZES = """
from estimator_lab.tf1.dropped_names import restore_dropped_names
restore_dropped_names()
from PIL import Image, ImageDraw, ImageFont
font = ImageFont.load_default()
draw = ImageDraw.Draw(Image.new('RGB', (90, 90)))
left, top, right, bottom = font.getbbox('Ag')
width, height = font.getsize('Ag')
assert (width, height) == (right - left, bottom) == draw.textsize('Ag', font) == draw.textsize('Ag')
line = font.getsize('A')[1]
lines = draw.multiline_textsize('A\\nAg', spacing=7)
assert lines == draw.textsize('A\\nAg', font, 7) == (width, 2 * line + 7)
if isinstance(font, ImageFont.FreeTypeFont):
    assert font.getoffset('Ag') == (left, top) and font.getsize_multiline('Ag\\nA') == (width, 2 * line + 4)
    wide = font.getsize('Ag', stroke_width=2)
    assert wide == (width + 4, height + 4) == draw.textsize('Ag', font, stroke_width=2)
assert ImageFont.TransposedFont(font, Image.ROTATE_90).getsize('Ag') == (height, width)
"""


def test_sizes_of_text_that_pillow_10_dropped(run_forked):
    """The figures are equal to those of Pillow 9.5 for DejaVuSans."""
    done = run_forked('-c', SIZES)
    assert done.returncode == 0, done.stderr


def test_modules_that_are_gone(run_forked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_forked('-c', MODULES)
    assert done.returncode == 0 and 'getdata' not in done.stderr, done.stderr


def test_modules_of_scipy(run_forked):
    pytest.importorskip('scipy')
    code = """
from estimator_lab.tf1.dropped_names import restore_dropped_names
restore_dropped_names()
from scipy.sparse.linalg.eigen.arpack import eigsh, ArpackNoConvergence
from scipy.sparse.linalg import eigsh as today
import scipy.misc
from scipy.misc import imread, imresize, imsave
assert eigsh is today and scipy.misc.imread is imread and not hasattr(scipy.misc, 'no_such_name')
"""
    done = run_forked('-c', code)
    assert done.returncode == 0, done.stderr


def test_what_a_pillow_without_getdata_gets():
    class Image:
        def getchannel(self, band):
            return self if band == 1 else None

        def get_flattened_data(self):
            return (3, 4)

    pillow = types.SimpleNamespace(
        Image=Image, ANTIALIAS=9, Resampling=types.SimpleNamespace(BILINEAR=2, BICUBIC=3)
    )
    restore_pillow(pillow)
    assert (pillow.ANTIALIAS, pillow.LINEAR, pillow.CUBIC) == (9, 2, 3)
    assert Image().getdata() == Image().getdata(1) == (3, 4)


def test_an_argument_is_taken_by_its_old_name_unless_it_still_has_it():
    def function(new, other=1):
        return new, other

    renamed = _accepting('old', 'new', function)
    assert renamed(old=3) == renamed(new=3) == (3, 1) and renamed(2, other=4) == (2, 4)
    assert _accepting('other', 'new', function) is function
