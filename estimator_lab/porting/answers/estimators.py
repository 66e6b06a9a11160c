"""Messages about tf.estimator, tf.contrib and the modules that left TensorFlow with them."""

from estimator_lab.porting.answers.answer import Answer

_UNCHANGED = 'Run the program unchanged with `python -m estimator_lab.run PROGRAM.py`.'
_IMPORT = (
    'Or change the import: `from estimator_lab.tf1 import tf` in a TensorFlow 1 program, or `import '
    'estimator_lab.tf1` above `import tensorflow as tf` in a program that also uses TensorFlow 2.'
)
_RESTORE = f'{_UNCHANGED} {_IMPORT}'
_ABOVE = f'{_UNCHANGED} Or write `import estimator_lab.tf1` once, above the first import of TensorFlow.'
_CONTRIB = f'{_UNCHANGED} Or write `import estimator_lab.contrib` once, above the first use of tf.contrib.'
_REMOVED = 'TensorFlow 2.16 removed Estimator. TensorFlow 2.15 is the last version that has it.'
_NO_CONTRIB = 'TensorFlow 2.0 removed `tf.contrib`. TensorFlow 1.15 is the last version that has it.'
_CONTRIB_MESSAGES = (
    "ModuleNotFoundError: No module named 'tensorflow.contrib'",
    "AttributeError: module 'tensorflow' has no attribute 'contrib'",
    "AttributeError: module 'tensorflow.contrib...' has no attribute '...'",
)
_BUILD = """\
tf.estimator.DNNClassifier([4], [tf.feature_column.numeric_column('x')])
"""

ANSWERS = (
    Answer(
        'no_attribute_estimator',
        (
            "AttributeError: module 'tensorflow' has no attribute 'estimator'",
            "AttributeError: module 'tensorflow.compat.v1' has no attribute 'estimator'",
            "AttributeError: module 'tensorflow._api.v2.compat.v1' has no attribute 'estimator'",
            "AttributeError: module 'tensorflow.compat.v2' has no attribute 'estimator'",
            "AttributeError: module 'tensorflow._api.v2.compat.v2' has no attribute 'estimator'",
        ),
        _REMOVED,
        f'{_RESTORE} `tf.estimator` then works on TensorFlow 2.15 to 2.21.',
        f'import tensorflow as tf\n\n{_BUILD}',
        f'from estimator_lab.tf1 import tf\n\n{_BUILD}',
    ),
    Answer(
        'cannot_import_estimator',
        (
            "ImportError: cannot import name 'estimator' from 'tensorflow.compat.v1'",
            "ImportError: cannot import name 'estimator' from 'tensorflow'",
            "ImportError: cannot import name 'estimator' from 'tensorflow._api.v2.compat.v1'",
            "ModuleNotFoundError: No module named 'tensorflow.compat.v1.estimator'",
            "ModuleNotFoundError: No module named 'tensorflow.estimator'",
        ),
        _REMOVED,
        f'{_ABOVE} The import then works as it is, also `from tensorflow.compat.v1.estimator import '
        'Estimator`.',
        'from tensorflow.compat.v1 import estimator\n\nestimator.Estimator\n',
        'import estimator_lab.tf1\n\nfrom tensorflow.compat.v1 import estimator\n\nestimator.Estimator\n',
    ),
    Answer(
        'no_module_python_estimator',
        ("ModuleNotFoundError: No module named 'tensorflow.python.estimator'",),
        'TensorFlow 2.16 removed Estimator, and with it the modules that forwarded its old private paths.',
        f'{_ABOVE} The old paths then exist again.',
        'from tensorflow.python.estimator.export import export\n',
        'import estimator_lab.tf1\n\nfrom tensorflow.python.estimator.export import export\n\n'
        'export.build_raw_serving_input_receiver_fn\n',
    ),
    Answer(
        'no_module_estimator_tpu',
        (
            "ModuleNotFoundError: No module named 'tensorflow_estimator.python.estimator.tpu'",
            "ModuleNotFoundError: No module named 'tensorflow_estimator'",
            "ModuleNotFoundError: No module named 'tensorflow_estimator.python...'",
            "ImportError: cannot import name 'estimator_training' from 'tensorflow.python.distribute'",
        ),
        'The package tensorflow-estimator is not installed, or has another version than the program expects. '
        'Its last version, 2.15, cannot be imported on TensorFlow 2.16 and later, because modules that it '
        'needs have left TensorFlow.',
        f'Install estimator_lab, which brings the package and the modules that it needs. {_ABOVE} '
        '`TPUEstimator` works with `use_tpu=False`; training on a TPU does not, from 2.16 on.',
        'from tensorflow_estimator.python.estimator.tpu import tpu_estimator\n',
        'import estimator_lab.tf1\n\nfrom tensorflow_estimator.python.estimator.tpu import tpu_estimator\n\n'
        'tpu_estimator.TPUEstimator\n',
    ),
    Answer(
        'no_attribute_estimator_api_name',
        (
            "AttributeError: module 'tensorflow.python.util.tf_export' has no attribute 'ESTIMATOR_API_NAME'",
            "ImportError: cannot import name 'ESTIMATOR_API_NAME' from 'tensorflow.python.util.tf_export'",
        ),
        'The package tensorflow-estimator 2.15 registers its names in a table of TensorFlow that TensorFlow '
        '2.16 removed.',
        f'{_ABOVE} It provides the table.',
        'from tensorflow.python.util import tf_export\n\ntf_export.ESTIMATOR_API_NAME\n',
        'import estimator_lab.tf1\n\nfrom tensorflow_estimator.python.estimator import estimator_export\n\n'
        'estimator_export.estimator_export\n',
    ),
    Answer(
        'model_to_estimator',
        (
            "AttributeError: module 'keras._tf_keras.keras' has no attribute 'estimator'",
            "AttributeError: module 'tensorflow.keras' has no attribute 'estimator'",
            "AttributeError: module 'keras.api._v2.keras' has no attribute 'estimator'",
            "AttributeError: 'Sequential' object has no attribute '_is_graph_network'",
            "AttributeError: 'Functional' object has no attribute '_is_graph_network'",
        ),
        '`tf.keras.estimator.model_to_estimator` left with Estimator, and accepts models of Keras 2 only. '
        'Since TensorFlow 2.16, `tf.keras` is Keras 3; `import keras` is Keras 3 in any case.',
        'Write `import estimator_lab.tf1` above the first import of TensorFlow: `tf.keras` is then Keras 2. '
        'Build the model with `tf.keras`, not with `keras`. A Keras 3 model cannot become an Estimator.',
        'import tensorflow as tf\n\n'
        "model = tf.keras.Sequential([tf.keras.layers.Dense(1)])\nmodel.compile('sgd', 'mse')\n"
        'tf.keras.estimator.model_to_estimator(model)\n',
        'import estimator_lab.tf1\nimport tensorflow as tf\n\n'
        'model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(3,))])\n'
        "model.compile('sgd', 'mse')\ntf.keras.estimator.model_to_estimator(model)\n",
    ),
    Answer(
        'boosted_trees',
        (
            *(
                f"AttributeError: module 'tensorflow_estimator.python.estimator.api.{api}.estimator' has no "
                f"attribute 'BoostedTrees{kind}'"
                for api in ('_v2', '_v1')
                for kind in ('Classifier', 'Regressor', 'Estimator')
            ),
            'AttributeError: tf.estimator.BoostedTrees... was removed in TensorFlow 2.9',
            "AttributeError: module 'tensorflow' has no attribute 'estimator'",
        ),
        'TensorFlow 2.8 is the last version with boosted trees. Later ones lack the operations that they are '
        'made of, so that nothing outside TensorFlow can bring them back.',
        'Train the trees with the package ydf, from the authors of TensorFlow Decision Forests. Or keep this '
        'part of the program on TensorFlow 2.8, which needs Python 3.10 or older.',
        'import tensorflow as tf\n\ntf.estimator.BoostedTreesClassifier\n',
        needs=('BoostedTrees',),
    ),
    Answer(
        'no_module_contrib',
        _CONTRIB_MESSAGES,
        _NO_CONTRIB,
        f'{_CONTRIB} It restores the parts that Estimator programs use, and a message names the '
        'replacement of each other part. slim and a few layers need `pip install tf-slim`.',
        'from tensorflow.contrib import layers\n\nlayers.xavier_initializer()\n',
        'import estimator_lab.contrib\nfrom tensorflow.contrib import '
        'layers\n\nlayers.xavier_initializer()\n',
    ),
    Answer(
        'contrib_seq2seq',
        ("ModuleNotFoundError: No module named 'tensorflow.contrib.seq2seq'", *_CONTRIB_MESSAGES),
        f'{_NO_CONTRIB} tensorflow-addons, which had continued `tf.contrib.seq2seq`, has ended too.',
        f'{_CONTRIB} It has all of `tf.contrib.seq2seq`: attention, AttentionWrapper, decoders, helpers '
        'and beam search, with the numbers of 1.15.',
        'import tensorflow as tf\n\ntf.contrib.seq2seq.sequence_loss\n',
        'import estimator_lab.contrib\nfrom estimator_lab.tf1 import tf\n\n'
        'tf.contrib.seq2seq.sequence_loss(tf.zeros([2, 3, 5]), tf.zeros([2, 3], tf.int32), tf.ones([2, '
        '3]))\n',
        needs=('contrib.seq2seq', 'contrib import seq2seq', 'attribute seq2seq'),
    ),
    Answer(
        'contrib_predictor',
        ("ModuleNotFoundError: No module named 'tensorflow.contrib.predictor'", *_CONTRIB_MESSAGES),
        _NO_CONTRIB,
        f'{_CONTRIB} It has `from_saved_model` and `from_estimator`. Without estimator_lab, '
        "`tf.saved_model.load(FOLDER).signatures['serving_default']` is a function of tensors.",
        'from tensorflow.contrib import predictor\n\npredictor.from_saved_model\n',
        'import estimator_lab.contrib\nfrom tensorflow.contrib import '
        'predictor\n\npredictor.from_saved_model\n',
        needs=('contrib.predictor', 'contrib import predictor', 'attribute predictor'),
    ),
    Answer(
        'contrib_learn',
        ("ModuleNotFoundError: No module named 'tensorflow.contrib.learn'", *_CONTRIB_MESSAGES),
        f'{_NO_CONTRIB} Most of `tf.contrib.learn` had moved to `tf.estimator` before.',
        f'{_CONTRIB} It has Estimator, the linear, deep and combined classifiers and regressors, RunConfig, '
        'ModeKeys, MetricSpec, Experiment, learn_runner, make_export_strategy and datasets.',
        'from tensorflow.contrib import learn\n\nlearn.RunConfig()\n',
        'import estimator_lab.contrib\nfrom tensorflow.contrib import learn\n\nlearn.RunConfig()\n',
        needs=('contrib.learn', 'contrib import learn', 'attribute learn'),
    ),
)
