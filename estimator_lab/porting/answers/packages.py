"""Messages about Python and packages around TensorFlow 1 programs."""

from estimator_lab.porting.answers.answer import Answer

ANSWERS = (
    Answer(
        'no_matching_distribution',
        (
            'ERROR: No matching distribution found for tensorflow==1.15',
            'ERROR: No matching distribution found for tensorflow...==1',
            'ERROR: Could not find a version that satisfies the requirement tensorflow==1.15',
            'ERROR: Could not find a version that satisfies the requirement tensorflow...==1',
        ),
        'TensorFlow 1.15 has packages for Python 3.7 and older only, which get no more updates, and pip '
        'offers only what fits the installed Python. The same is true of tensorflow-gpu.',
        'Run the program on the current TensorFlow: `python -m estimator_lab.run PROGRAM.py` runs '
        'TensorFlow 1 programs unchanged, and reads checkpoints of 1.15. Remove the line from '
        'requirements.txt. If it has to be 1.15 itself, install Python 3.7, for example with pyenv or conda.',
    ),
    Answer(
        'no_module_keras_wrappers',
        (
            "ModuleNotFoundError: No module named 'tensorflow.keras.wrappers'",
            "ModuleNotFoundError: No module named 'keras.wrappers'",
            "ModuleNotFoundError: No module named 'tensorflow.python.keras.wrappers'",
        ),
        'Keras 2.12 removed `keras.wrappers.scikit_learn`. It continues as the package scikeras.',
        '`pip install scikeras`, and write `from scikeras.wrappers import KerasClassifier`. Its argument is '
        '`model`, not `build_fn`. scikeras builds on Keras 3, so that a program that also needs '
        '`tf.estimator` should not pass it models of `tf.keras`.',
        'from tensorflow.keras.wrappers.scikit_learn import KerasClassifier\n',
    ),
    Answer(
        'image_antialias',
        ("AttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'",),
        'Pillow 10 removed `Image.ANTIALIAS`. Since Pillow 2.7, it was another name of `Image.LANCZOS`.',
        'Write `Image.LANCZOS`. For an installed package that you cannot change, write `Image.ANTIALIAS = '
        'Image.LANCZOS` before it is used.',
        "from PIL import Image\n\nImage.new('L', (8, 8)).resize((4, 4), Image.ANTIALIAS)\n",
        "from PIL import Image\n\nImage.new('L', (8, 8)).resize((4, 4), Image.LANCZOS)\n",
    ),
    Answer(
        'numpy_float',
        tuple(
            f"AttributeError: module 'numpy' has no attribute '{name}'"
            for name in ('float', 'int', 'bool', 'object', 'str', 'complex', 'long')
        ),
        'NumPy 1.24 removed these other names of the builtin types.',
        'Write the builtin: `float` in place of `np.float`. `python -m estimator_lab.port --write '
        'PROGRAM.py` does so.',
        'import numpy as np\n\nnp.zeros(3, np.float)\n',
        'import numpy as np\n\nnp.zeros(3, float)\n',
    ),
    Answer(
        'quantile_interpolation',
        (
            "TypeError: quantile() got an unexpected keyword argument 'interpolation'",
            "TypeError: percentile() got an unexpected keyword argument 'interpolation'",
        ),
        'NumPy 2.4 removed the argument; it is called `method` since NumPy 1.22.',
        'Write `method=`. For an installed package that you cannot change, such as TensorFlow Lattice: '
        '`quantile = '
        "np.quantile`, then `np.quantile = lambda *a, interpolation='linear', **k: quantile(*a, "
        'method=interpolation, **k)`, before it is used.',
        "import numpy as np\n\nnp.quantile([1, 2], 0.5, interpolation='lower')\n",
        "import numpy as np\n\nnp.quantile([1, 2], 0.5, method='lower')\n",
    ),
    Answer(
        'no_module_distutils',
        ("ModuleNotFoundError: No module named 'distutils'",),
        'Python 3.12 removed distutils.',
        '`pip install setuptools`, which includes it. For comparing versions, packaging.version has '
        'replaced it.',
    ),
    Answer(
        'no_module_pkg_resources',
        ("ModuleNotFoundError: No module named 'pkg_resources'",),
        'setuptools 82 removed pkg_resources, and Python 3.12 and later do not install setuptools by '
        'themselves.',
        "`pip install 'setuptools<80'`, or use importlib.resources and importlib.metadata.",
    ),
    Answer(
        'getargspec',
        (
            "AttributeError: module 'inspect' has no attribute 'getargspec'",
            "ImportError: cannot import name 'getargspec' from 'inspect'",
        ),
        'Python 3.11 removed inspect.getargspec.',
        'Write `inspect.getfullargspec`.',
        'import inspect\n\ninspect.getargspec(print)\n',
        'import inspect\n\ninspect.getfullargspec(lambda x: x)\n',
    ),
    Answer(
        'collections_abc',
        tuple(
            f"ImportError: cannot import name '{name}' from 'collections'"
            for name in ('Mapping', 'Iterable', 'Sequence', 'Callable', 'MutableMapping', 'Hashable', 'Set')
        )
        + tuple(
            f"AttributeError: module 'collections' has no attribute '{name}'"
            for name in ('Mapping', 'Iterable', 'Sequence', 'Callable', 'MutableMapping', 'Hashable', 'Set')
        ),
        'Python 3.10 removed these other names of collections.abc.',
        'Import them from `collections.abc`.',
        'from collections import Mapping\n',
        'from collections.abc import Mapping\n',
    ),
    Answer(
        'cpuinfo_brand',
        ("KeyError: 'brand'",),
        'py-cpuinfo 6 renamed this key, which old benchmark programs read.',
        "`pip install 'py-cpuinfo<6'`, or write `brand_raw`.",
    ),
)
