"""What all model functions share."""

import dataclasses

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core.model import arguments, prediction_spec
from estimator_lab.core.params import TrainingParams
from estimator_lab.core.summaries import picture
from estimator_lab.tf1 import tf
from tests.core.helpers import MODES, args_of, config_of, values_of

pytestmark = pytest.mark.both

PARAMS = TrainingParams(image_shape=(2, 3, 1))
IMAGES = np.arange(24, dtype=np.float32).reshape(4, 6)


def test_what_is_derived_from_the_arguments(tmp_path, graph):
    args = args_of(MODES.TRAIN, PARAMS, IMAGES, config=config_of(tmp_path), key=[*'abcd'])
    assert np.array_equal(values_of(args.images), IMAGES.reshape(4, 2, 3, 1))
    assert args.images is args.images and args.noise is args.noise
    assert args.weights == 1.0 and values_of(args.keys).tolist() == [b'a', b'b', b'c', b'd']
    assert args.folder == tmp_path and args.evaluation_folder == tmp_path / 'eval'
    assert (args.training, args.evaluating, args.predicting) == (True, False, False)
    for mode, where in ((MODES.EVAL, (False, True, False)), (MODES.PREDICT, (False, False, True))):
        other = dataclasses.replace(args, mode=mode, config=None)
        assert (other.training, other.evaluating, other.predicting) == where
        assert other.noise is None and other.folder is None and other.evaluation_folder is None
    weighted = args_of(MODES.TRAIN, PARAMS, IMAGES, weight=[0.0, 1, 2, 1])
    assert values_of(weighted.weights).tolist() == [0, 1, 2, 1] and weighted.keys is None


@dataclasses.dataclass(frozen=True)
class Checked(TrainingParams):
    def check(self):
        if self.momentum == 0.5:
            raise FlagError('not together')


def test_parameters_are_resolved_and_checked():
    args = arguments(Checked, 'features', 'labels', MODES.EVAL, {'momentum': 0.25}, None)
    assert (args.features, args.labels, args.mode) == ('features', 'labels', MODES.EVAL)
    assert args.params == dataclasses.replace(Checked(), momentum=0.25) and args.config is None
    assert arguments(Checked, None, None, MODES.EVAL, None, 'config').config == 'config'
    for momentum, words in ((0.5, 'not together'), (2.0, r'momentum=2\.0 must be below 1')):
        with pytest.raises(FlagError, match=words):
            arguments(Checked, None, None, MODES.EVAL, {'momentum': momentum}, None)


def test_keys_are_predicted_and_not_exported(graph):
    code, best = tf.zeros([2, 3]), tf.zeros([2, 5])
    spec = prediction_spec({'code': code}, {'image': None, 'key': tf.constant(['a', 'b'])}, {'best': best})
    assert spec.mode == tf.estimator.ModeKeys.PREDICT
    assert list(spec.predictions) == ['code', 'key']
    assert spec.export_outputs['serving_default'].outputs == {'code': code, 'best': best}
    assert list(prediction_spec({'code': code}, tf.zeros([2, 4])).predictions) == ['code'], 'without keys'


@pytest.mark.parametrize(('weights', 'counts'), [([0.0, 0.0], False), ([0.0, 1.0], True)])
def test_the_noise_says_whether_an_example_counts(weights, counts, graph):
    args = args_of(MODES.TRAIN, PARAMS, IMAGES, weight=weights)
    assert values_of(args.noise.counts) == counts
    assert args_of(MODES.TRAIN, PARAMS, IMAGES).noise.counts is True


def test_pictures_are_written_by_the_chief_only(tmp_path, graph):
    args = args_of(MODES.TRAIN, PARAMS, IMAGES, config=config_of(tmp_path))
    assert args.picture_hooks() == [], 'there are none in the graph'
    picture('it', tf.zeros([2, 3, 1]))
    (hook,) = args.picture_hooks()
    assert isinstance(hook, tf.train.SummarySaverHook)
    assert dataclasses.replace(args, config=None).picture_hooks() == []
