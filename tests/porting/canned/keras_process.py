"""Run without estimator_lab: loads Keras models and saves their answers as FOLDER/NAME.keras.npz.

    python keras_process.py FOLDER NAME...

FOLDER/NAME.npz has the features of each model.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    features = np.load(folder / f'{name}.npz', allow_pickle=True)
    inputs = {key: tf.constant(features[key].tolist()) for key in features}
    model = keras.models.load_model(folder / f'{name}.keras')
    inputs = {key: tf.cast(value, model.input[key].dtype) for key, value in inputs.items()}
    answers = model(inputs)
    np.savez(folder / f'{name}.keras.npz', **{key: value.numpy() for key, value in answers.items()})
assert not [module for module in sys.modules if module.startswith(('estimator_lab', 'tf_keras'))]
