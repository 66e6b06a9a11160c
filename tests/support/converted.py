"""Runs exports in the formats that `export` writes."""

import warnings

import numpy as np
import onnxruntime

from estimator_lab.tf1 import tf


def signatures_of(folder):
    """Returns the signatures of a SavedModel by name."""
    with tf.Graph().as_default(), tf.Session() as session:
        return tf.saved_model.loader.load(session, ['serve'], str(folder)).signature_def


def some_inputs(signature, side=None):
    """Returns arrays for the inputs of a signature: 3 examples of random numbers.

    Args:
      signature: whose inputs are floats, or small whole numbers.
      side: of images of any size.
    """
    random = np.random.default_rng(1)
    given = {}
    for name, info in signature.inputs.items():
        first, *others = tf.TensorShape(info.tensor_shape).as_list()
        shape = [first or 3, *(size or side for size in others)]
        values = (
            random.random(shape)
            if info.dtype == tf.float32.as_datatype_enum
            else random.integers(0, 2, shape)
        )
        given[name] = values.astype(tf.as_dtype(info.dtype).as_numpy_dtype)
    return given


def of_saved_model(folder, name, given):
    """Returns the outputs of a signature by name."""
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.loader.load(session, ['serve'], str(folder)).signature_def[name]
        fed = {signature.inputs[key].name: value for key, value in given.items()}
        return session.run({key: info.name for key, info in signature.outputs.items()}, fed)


def of_onnx(data, given):
    """Returns the outputs of ONNX Runtime by name; `data` is a file's path or contents."""
    session = onnxruntime.InferenceSession(data)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, given), strict=True))


def of_tflite(data, name, given):
    """Returns the outputs of TensorFlow Lite by name."""
    with warnings.catch_warnings():
        # TensorFlow 2.20 and later name another package here, which they do not bring.
        warnings.filterwarnings('ignore', message='(?s).*tf.lite.Interpreter is deprecated')
        interpreter = tf.lite.Interpreter(model_content=data)
    return interpreter.get_signature_runner(name)(**given)


def assert_same(found, wanted):
    """Fails unless two dictionaries of arrays agree within 1e-5, on the outputs that `found` has."""
    assert found
    for name, values in found.items():
        if values.dtype.kind == 'f':
            assert np.isfinite(values).all() and np.allclose(values, wanted[name], rtol=1e-5, atol=1e-5), name
        else:
            assert values.tolist() == wanted[name].tolist(), name
