"""What stops TensorFlow 1 programs, and the line that fixes each."""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Rule(NamedTuple):
    """A reason why a line does not run unchanged, and its fix; each is one line of text."""

    reason: str
    remedy: str


IMPORT_LINE = Rule(
    '`import tensorflow as tf` is TensorFlow 2, without sessions, tf.layers and Estimators',
    'replace it by `from estimator_lab.tf1 import tf`; a program for TensorFlow 2 keeps its line, with '
    '`import estimator_lab.tf1` above it',
)
OF_TENSORFLOW_1 = Rule(
    IMPORT_LINE.reason,
    'replace it by `from estimator_lab.tf1 import tf`: the program uses names of TensorFlow 1',
)
OF_TENSORFLOW_2 = Rule(
    'names of TensorFlow 2 together with tf.estimator, which TensorFlow no longer has',
    'keep `import tensorflow as tf` and write `import estimator_lab.tf1` above it',
)
MIXED = Rule(
    'names that only TensorFlow 2 has, together with an Estimator',
    'keep `import tensorflow as tf` and write `import estimator_lab.tf1` above it; otherwise '
    "tf.estimator's classes, losses and metrics become those of TensorFlow 1",
)
COMPAT = Rule(
    '`tensorflow.compat.v1` has no tf.estimator and tf.layers since TensorFlow 2.16: AttributeError',
    'write `import estimator_lab.tf1` above it, or replace it by `from estimator_lab.tf1 import tf`',
)
KERAS_2 = Rule(
    'names of Keras 2; since TensorFlow 2.16, tf.keras is Keras 3: AttributeError',
    'write `import estimator_lab.tf1` once, above the first import of TensorFlow',
)
FROM_TENSORFLOW = Rule(
    '`from tensorflow import ...` of a name that only TensorFlow 1 has: ImportError',
    'write `from tensorflow.compat.v1 import ...`',
)
RESTORED = Rule(
    'modules or names that TensorFlow has moved or removed; estimator_lab has them under their old names',
    'write `import estimator_lab.tf1` once, above their first import',
)
CONTRIB = Rule(
    'tf.contrib ended with TensorFlow 1; estimator_lab has this part of it',
    'write `import estimator_lab.contrib` once, above its first use',
)
CONTRIB_SLIM = Rule(
    'this part of tf.contrib comes from the package tf-slim',
    'write `import estimator_lab.contrib` once, above its first use, and `pip install tf-slim`',
)
DIMENSION = Rule(
    "`.value` of a dimension: AttributeError: 'int' object has no attribute 'value'",
    'write `import estimator_lab.contrib`, or `tf.disable_v2_behavior()` below the import, or drop `.value`',
)
GRAPH = Rule(
    'a session or placeholder outside an Estimator: RuntimeError: ... not compatible with eager execution',
    'write `tf.disable_v2_behavior()` below the import, or `with tf.Graph().as_default():` around it',
)
REFERENCES = Rule(
    'an optimizer with `_apply_dense`, without `_resource_apply_dense`: NotImplementedError',
    'write `tf.disable_resource_variables()` below the import, or add that method',
)
PYTHON_2 = Rule(
    'Python 2',
    '`pip install modernize`, run `python-modernize --no-six -w` on it, and check what it makes of text and '
    'bytes',
)
INVALID = Rule('a syntax error', 'correct the line')
INTERPOLATION = Rule(
    '`interpolation=` of np.quantile and np.percentile: TypeError: ... unexpected keyword argument',
    'write `method=` instead',
)
BOOSTED_TREES = Rule('boosted trees: TensorFlow 2.8 is the last version that has them', 'use the package ydf')
# By the value of `values.Pattern`.
PATTERNS: Mapping[str, Rule] = {
    'iterator': Rule(
        'map(), filter() and zip() as lists: Python 3 has iterators, without length and items: TypeError',
        'write list(map(...))',
    ),
    'view': Rule('.keys(), .values() and .items() as lists: TypeError in Python 3', 'write list(....keys())'),
    'next': Rule('.next() of an iterator: AttributeError in Python 3', 'write next(iterator)'),
    'bytes': Rule('.tostring() of an array: removed in NumPy 2.3', 'write .tobytes()'),
    'sum': Rule('np.sum(generator): TypeError in NumPy 2.4', 'use the builtin sum'),
    'division': Rule('a / b as a size: a float in Python 3: TypeError', 'write a // b'),
    'yaml': Rule('yaml.load without Loader: TypeError in PyYAML 6', 'write yaml.safe_load'),
    'optimizer': Rule(
        'an optimizer of tf.keras.optimizers in a canned Estimator: ValueError',
        'write tf.keras.optimizers.legacy in place of tf.keras.optimizers',
    ),
}
MODULES: Mapping[str, Rule] = {
    'distutils': Rule(
        'distutils: removed in Python 3.12',
        '`pip install setuptools`, which includes it, or use packaging.version',
    ),
    'pkg_resources': Rule(
        'pkg_resources: removed in setuptools 82',
        "`pip install 'setuptools<80'`, or use importlib.resources and importlib.metadata",
    ),
    'imp': Rule('imp: removed in Python 3.12', 'use importlib'),
    'tensorflow_addons': Rule(
        'tensorflow_addons: its last version, 0.23, is for TensorFlow 2.15',
        'use tf.train, tf.nn or Keras 2 for the part you need',
    ),
    'tensorflow.examples.tutorials': Rule(
        'tensorflow.examples: removed in TensorFlow 2', 'use tf.keras.datasets.mnist.load_data()'
    ),
    **dict.fromkeys(
        ['tensorflow.keras.wrappers', 'tensorflow.python.keras.wrappers', 'keras.wrappers'],
        Rule(
            'keras.wrappers.scikit_learn: removed in Keras 2.12',
            '`pip install scikeras`, and import from scikeras.wrappers',
        ),
    ),
    **dict.fromkeys(
        ['asyncore', 'asynchat', 'smtpd'],
        Rule('asyncore, asynchat and smtpd: removed in Python 3.12', 'use asyncio'),
    ),
    'cgi': Rule('cgi: removed in Python 3.13', 'use urllib.parse and html'),
    'pipes': Rule('pipes: removed in Python 3.13', 'use shlex and subprocess'),
    'sklearn.externals': Rule(
        'sklearn.externals: removed in scikit-learn 0.23', 'import joblib or six itself'
    ),
    'sklearn.cross_validation': Rule(
        'sklearn.cross_validation: removed in scikit-learn 0.20', 'use sklearn.model_selection'
    ),
    **dict.fromkeys(
        [
            'urllib2',
            'urlparse',
            'Queue',
            'HTMLParser',
            'httplib',
            'commands',
            '__builtin__',
            'Tkinter',
            'cStringIO',
        ],
        PYTHON_2,
    ),
    'cPickle': PYTHON_2,
    'ConfigParser': PYTHON_2,
    'StringIO': PYTHON_2,
}
_TFMA_NAMES = (
    *(
        'export.export_eval_savedmodel',
        'export.EvalInputReceiver',
        'export.build_parsing_eval_input_receiver_fn',
    ),
    *('exporter.FinalExporter', 'exporter.LatestExporter', 'exporter.adapt_to_remove_metrics'),
)
_TFMA = Rule(
    'the EvalSavedModel of an Estimator: not in current versions of TensorFlow Model Analysis',
    'write estimator.export_saved_model(...), and name its signature in tfma.ModelSpec',
)
_ABSTRACT = ('Callable', 'Hashable', 'Iterable', 'Iterator', 'Mapping', 'MutableMapping', 'Sequence', 'Set')
NAMES: Mapping[str, Rule] = {
    **dict.fromkeys(
        [
            'xrange',
            'unicode',
            'basestring',
            'raw_input',
            'long',
            'reduce',
            'unichr',
            'execfile',
            'file',
            'cmp',
            'reload',
        ],
        PYTHON_2,
    ),
    'inspect.getargspec': Rule('inspect.getargspec: removed in Python 3.11', 'write inspect.getfullargspec'),
    'time.clock': Rule('time.clock: removed in Python 3.8', 'write time.perf_counter'),
    **dict.fromkeys(
        ['urllib.urlopen', 'urllib.urlretrieve', 'urllib.urlencode', 'urllib.quote', 'urllib.unquote'],
        PYTHON_2,
    ),
    **dict.fromkeys(
        ['itertools.izip', 'itertools.imap', 'itertools.ifilter', 'itertools.izip_longest'], PYTHON_2
    ),
    **dict.fromkeys(
        ['sys.maxint', 'os.getcwdu', 'string.join', 'string.lower', 'string.uppercase'], PYTHON_2
    ),
    **dict.fromkeys([f'tensorflow_model_analysis.{name}' for name in _TFMA_NAMES], _TFMA),
    **dict.fromkeys(
        [f'scipy.misc.{name}' for name in ('imread', 'imresize', 'imsave', 'imshow', 'toimage', 'fromimage')],
        Rule('the images of scipy.misc: removed in SciPy 1.2', 'use PIL.Image or imageio'),
    ),
    **dict.fromkeys(['string.letters', 'string.maketrans'], PYTHON_2),
    **{
        f'collections.{name}': Rule(
            'the abstract classes of collections: removed in Python 3.10', 'import them from collections.abc'
        )
        for name in _ABSTRACT
    },
}
_BUILTIN = 'np.float, np.int, np.bool and the like: removed in NumPy 1.24'
# Old names of NumPy -> their new names.
NUMPY_BUILTINS = {
    **{name: name for name in ('float', 'int', 'bool', 'object', 'str', 'complex')},
    'long': 'int',
    'unicode': 'str',
}
NUMPY_RENAMED = {
    'float_': 'float64',
    'complex_': 'complex128',
    'string_': 'bytes_',
    'unicode_': 'str_',
    'product': 'prod',
    'cumproduct': 'cumprod',
    'alltrue': 'all',
    'sometrue': 'any',
    'round_': 'round',
    'row_stack': 'vstack',
    'in1d': 'isin',
    'NaN': 'nan',
    'Inf': 'inf',
    'Infinity': 'inf',
    'infty': 'inf',
    'mat': 'asmatrix',
    'trapz': 'trapezoid',
}
NUMPY: Mapping[str, Rule] = {
    **dict.fromkeys(
        NUMPY_BUILTINS, Rule(_BUILTIN, 'write the builtin float, int, bool, object, str or complex instead')
    ),
    **{
        name: Rule('names that NumPy 2 removed', f'write np.{new}')
        for name, new in {
            **NUMPY_RENAMED,
            'asscalar': 'ndarray.item()',
            'asfarray': 'asarray(x, float)',
        }.items()
    },
}
# Methods that are called on values of unknown type.
ATTRIBUTES: Mapping[str, Rule] = dict.fromkeys(['iteritems', 'itervalues', 'iterkeys', 'has_key'], PYTHON_2)
_OF_A_DIMENSION = re.compile(r'(shape|get_shape\(\)|_shape|dims|shape\.dims|as_list\(\))\[\]\.value$')
NEEDS_A_GRAPH = ('tensorflow.Session', 'tensorflow.InteractiveSession', 'tensorflow.placeholder')
MAKES_REFERENCES = ('disable_v2_behavior', 'disable_resource_variables')
MAKES_DIMENSIONS = ('disable_v2_behavior', 'disable_v2_tensorshape')
MAKES_A_GRAPH = ('disable_v2_behavior', 'disable_eager_execution', 'Graph')


def of_attribute(name: str, keywords: frozenset[str]) -> Rule | None:
    """Returns the rule for attributes of a value that is not an import, such as '.shape[].value'."""
    if _OF_A_DIMENSION.search(name):
        return DIMENSION
    return ATTRIBUTES.get(name.rpartition('.')[2])
