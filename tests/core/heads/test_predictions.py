from estimator_lab.core.heads.predictions import prediction_spec
from estimator_lab.tf1 import tf


def test_keys_are_predicted_and_not_exported():
    with tf.Graph().as_default():
        code, best = tf.zeros([2, 3]), tf.zeros([2, 5])
        spec = prediction_spec(
            {'code': code}, {'image': None, 'key': tf.constant(['a', 'b'])}, {'best': best}
        )
    assert spec.mode == tf.estimator.ModeKeys.PREDICT
    assert list(spec.predictions) == ['code', 'key']
    assert spec.export_outputs['serving_default'].outputs == {'code': code, 'best': best}


def test_without_keys_there_is_no_such_prediction():
    with tf.Graph().as_default():
        spec = prediction_spec({'code': tf.zeros([2, 3])}, tf.zeros([2, 4]))
    assert list(spec.predictions) == ['code']
