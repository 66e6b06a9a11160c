"""Messages about names and behaviour of TensorFlow 1 that TensorFlow 2 does not have."""

from estimator_lab.porting.answers.answer import Answer

_V1_NAME = 'TensorFlow 2 does not have this name of TensorFlow 1. It is still in `tensorflow.compat.v1`.'
_RUN = (
    'Run the program unchanged with `python -m estimator_lab.run PROGRAM.py`. Or write `from '
    'estimator_lab.tf1 import tf` in place of `import tensorflow as tf`'
)
_GRAPH = (
    'Write `tf.disable_v2_behavior()` once, below `from estimator_lab.tf1 import tf` or `import '
    'tensorflow.compat.v1 as tf`. Or write `with tf.Graph().as_default():` around the code. '
    '`python -m estimator_lab.run PROGRAM.py` decides this by itself.'
)


def _no_attribute(name: str) -> tuple[str, ...]:
    return (
        f"AttributeError: module 'tensorflow' has no attribute '{name}'",
        f"ImportError: cannot import name '{name}' from 'tensorflow'",
    )


def _program(line: str, is_v1: bool = False) -> str:
    """Returns a program of one line, for TensorFlow 2 or after the remedy."""
    return f'{"from estimator_lab.tf1 import tf" if is_v1 else "import tensorflow as tf"}\n\n{line}\n'


def _in_a_graph(line: str) -> str:
    return f'from estimator_lab.tf1 import tf\n\ntf.disable_v2_behavior()\n{line}\n'


_PLACEHOLDER = 'x = tf.placeholder(tf.float32, [None, 3])'
_SESSION = """\
with tf.Session() as session:
    print(session.run(tf.constant(1.0)))"""
_FLAGS = "tf.flags.DEFINE_integer('steps', 100, 'number of steps')"
_DENSE = 'tf.layers.dense(tf.ones([2, 3]), 4)'
_CONFIG = 'tf.ConfigProto(allow_soft_placement=True)'
_EMPTY = """\
x = tf.constant(1.0)
with tf.compat.v1.Session() as session:
    print(session.run(x))"""

ANSWERS = (
    Answer(
        'no_attribute_placeholder',
        _no_attribute('placeholder'),
        f'{_V1_NAME} Placeholders need a graph; TensorFlow 2 computes at once.',
        f'{_RUN}, and `tf.disable_v2_behavior()` below it. Without estimator_lab, '
        '`import tensorflow.compat.v1 as tf` and `tf.disable_v2_behavior()` do the same, except for '
        '`tf.estimator`, `tf.layers` and `tf.contrib`.',
        _program(_PLACEHOLDER),
        _in_a_graph(_PLACEHOLDER),
    ),
    Answer(
        'no_attribute_session',
        (*_no_attribute('Session'), *_no_attribute('InteractiveSession')),
        f'{_V1_NAME} Sessions run graphs; TensorFlow 2 computes at once.',
        f'{_RUN}, and `tf.disable_v2_behavior()` below it.',
        _program(_SESSION),
        _in_a_graph(_SESSION),
    ),
    Answer(
        'no_attribute_flags',
        _no_attribute('flags'),
        f'{_V1_NAME} `tf.flags` is the package absl.',
        f'{_RUN}. To stay with TensorFlow 2, write `from absl import flags` and `flags` in place of '
        '`tf.flags`.',
        _program(_FLAGS),
        _program(_FLAGS, is_v1=True),
    ),
    Answer(
        'no_attribute_app',
        _no_attribute('app'),
        f'{_V1_NAME} `tf.app.run` is that of the package absl, but also accepts a `main` without arguments.',
        f'{_RUN}. To stay with TensorFlow 2, write `from absl import app` and `app.run(main)`, where '
        '`main` has one argument. `tf.app.flags` is `absl.flags`.',
        _program('tf.app.run'),
        _program('tf.app.run', is_v1=True),
    ),
    Answer(
        'no_attribute_layers',
        (*_no_attribute('layers'), "AttributeError: module 'tensorflow.compat.v1' has no attribute 'layers'"),
        f'{_V1_NAME} Even there, `tf.layers` needs Keras 2, and `tf.keras` is Keras 3 since TensorFlow 2.16.',
        f'{_RUN}. `tf.layers` then works, with the variable names of TensorFlow 1, so that checkpoints load. '
        'To stay with TensorFlow 2, write `tf.keras.layers.Dense(4)(x)` for `tf.layers.dense(x, 4)`.',
        _program(_DENSE),
        _program(_DENSE, is_v1=True),
    ),
    Answer(
        'layers_and_keras_3',
        (
            'AttributeError: `dense` is not available with Keras 3.',
            'AttributeError: `...` is not available with Keras 3',
        ),
        '`tf.layers` and `tf.nn.rnn_cell` are made of Keras 2. Since TensorFlow 2.16, `tf.keras` is Keras '
        '3, and their functions raise this error.',
        f'{_RUN}. `import estimator_lab.tf1` above the first import of TensorFlow is sufficient if the '
        'program imports `tensorflow.compat.v1`. Both turn `tf.keras` into Keras 2, by '
        '`TF_USE_LEGACY_KERAS=1` and the package tf-keras.',
        'import tensorflow.compat.v1 as tf\n\n' + _DENSE + '\n',
        'import estimator_lab.tf1\nimport tensorflow.compat.v1 as tf\n\n' + _DENSE + '\n',
    ),
    Answer(
        'no_attribute_get_default_graph',
        (*_no_attribute('get_default_graph'), *_no_attribute('reset_default_graph')),
        f'{_V1_NAME} TensorFlow 2 has a graph only within a `tf.function`.',
        f'{_RUN}, and `tf.disable_v2_behavior()` below it. If the message comes from an installed Keras, a '
        'version before 2.3, then `pip install tf-keras` and import `tf_keras` in its place.',
        _program('print(tf.get_default_graph())'),
        _in_a_graph('print(tf.get_default_graph())'),
    ),
    Answer(
        'no_attribute_config_proto',
        (*_no_attribute('ConfigProto'), *_no_attribute('GPUOptions')),
        f'{_V1_NAME} It holds the settings of a session.',
        f'{_RUN}. Programs without sessions set the same by `tf.config`: '
        '`tf.config.experimental.set_memory_growth(gpu, True)` for `gpu_options.allow_growth`, '
        '`tf.config.set_soft_device_placement(True)` for `allow_soft_placement`.',
        _program(_CONFIG),
        _program(_CONFIG, is_v1=True),
    ),
    Answer(
        'no_attribute_others',
        (
            *(
                f"AttributeError: module 'tensorflow' has no attribute '{name}'"
                for name in (
                    'logging',
                    'gfile',
                    'get_variable',
                    'random_normal',
                    'set_random_seed',
                    'to_float',
                )
            ),
            "AttributeError: module 'tensorflow._api.v2.train' has no attribute 'AdamOptimizer'",
            "AttributeError: module 'tensorflow' has no attribute '...'",
            "AttributeError: module 'tensorflow._api.v2...' has no attribute '...'",
            "AttributeError: module 'tensorflow...' has no attribute '...'",
            "AttributeError: partially initialized module 'tensorflow' has no attribute '...'",
            "ImportError: cannot import name '...' from 'tensorflow'",
        ),
        'The installed TensorFlow does not have the name. For these names and many others, the '
        'reason is that TensorFlow 2 left them in `tensorflow.compat.v1`. If even `constant` or '
        '`__version__` is missing, a file `tensorflow.py` or a folder `tensorflow` next to the program '
        'hides TensorFlow, or its installation is incomplete.',
        f'{_RUN}. `python -m estimator_lab.port PROGRAM.py` lists all such names of a program, with line and '
        'fix. If TensorFlow is hidden, `python -c "import tensorflow; print(tensorflow)"` shows by which '
        'file: rename it.',
        _program('tf.random_normal([2])'),
        _program('tf.random_normal([2])', is_v1=True),
    ),
    Answer(
        'tensor_name_eager',
        (
            'AttributeError: Tensor.name is undefined when eager execution is enabled.',
            'AttributeError: Tensor.op is undefined when eager execution is enabled.',
            'AttributeError: Tensor.graph is undefined when eager execution is enabled.',
            'AttributeError: Tensor.name is meaningless when eager execution is enabled.',
        ),
        'A tensor has a name, an operation and a graph only in a graph. TensorFlow 2 computes at once, '
        'without one.',
        f'{_GRAPH} Within the functions of an Estimator there is a graph in any case.',
        _program('print(tf.constant(1.0).name)'),
        _in_a_graph('print(tf.constant(1.0).name)'),
    ),
    Answer(
        'not_compatible_with_eager',
        (
            'RuntimeError: tf.placeholder() is not compatible with eager execution.',
            'RuntimeError: v1.summary.FileWriter is not compatible with eager execution',
            'RuntimeError: ... is not compatible with eager execution',
            'RuntimeError: ... is not supported when eager execution is enabled',
        ),
        "TensorFlow 2's behaviour is on, and there is no graph. In Estimator programs, this happens in an "
        'export '
        'function, and with `tf.train.ProfilerHook` or `SummarySaverHook` created outside the model '
        'function.',
        _GRAPH,
        'import tensorflow.compat.v1 as tf\n\n' + _PLACEHOLDER + '\n',
        _in_a_graph(_PLACEHOLDER),
    ),
    Answer(
        'session_graph_is_empty',
        (
            'RuntimeError: The Session graph is empty. Add operations to the graph before calling run().',
            'RuntimeError: Calling Session.run() ... eager',
        ),
        "TensorFlow 2's behaviour is on, so that the tensors are computed at once and are in no graph.",
        _GRAPH,
        _program(_EMPTY),
        _in_a_graph(_EMPTY),
    ),
    Answer(
        'no_attribute_value',
        (
            "AttributeError: 'int' object has no attribute 'value'",
            "AttributeError: 'NoneType' object has no attribute 'value'",
        ),
        '`x.shape[0].value`: a dimension is an int or None in TensorFlow 2, and an object with a value in '
        'TensorFlow 1.',
        'Write `import estimator_lab.contrib`, or `tf.disable_v2_tensorshape()` below the import of '
        'TensorFlow 1. Or remove `.value`. `python -m estimator_lab.port --diff PROGRAM.py` shows the '
        'places.',
        _program('print(tf.ones([2, 3]).shape[0].value)'),
        _program('tf.disable_v2_tensorshape()\nprint(tf.ones([2, 3]).shape[0].value)', is_v1=True),
    ),
    Answer(
        'resource_apply_dense',
        (
            'NotImplementedError in _resource_apply_dense',
            'in _resource_apply_dense ... NotImplementedError',
        ),
        'An optimizer defines only `_apply_dense`, for reference variables. Variables are resource variables '
        'since TensorFlow 2.0.',
        'Write `tf.disable_resource_variables()` below `from estimator_lab.tf1 import tf`, or add the '
        'method to the optimizer.',
    ),
    Answer(
        'tpu_name',
        ('ValueError: Please provide a TPU Name to connect to.',),
        'TPUClusterResolver looks for a TPU, also in a program that runs with `use_tpu=False`.',
        "Pass the name `local`, such as by the program's flag `--tpu=local`: TPUClusterResolver accepts it "
        'without '
        'a TPU.',
        _program("tf.distribute.cluster_resolver.TPUClusterResolver('')"),
        _program("tf.distribute.cluster_resolver.TPUClusterResolver('local')", is_v1=True),
    ),
)
