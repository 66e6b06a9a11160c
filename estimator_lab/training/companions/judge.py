"""Makes the judge of a GAN's samples: --hparams=judge=MODEL_DIR, a trained classifier."""

from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError, hparam, option
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.models.gan.judge import Judge
from estimator_lab.runs.opening import open_trained
from estimator_lab.runs.trained import Trained
from estimator_lab.training.companions.networks import layers_of, with_weights, without_weights

_FLAG = hparam.judge


def open_judge(params: Any) -> Judge:
    """Opens the classifier that the parameters of a generator name.

    Raises:
      DataError: the folder holds no classifier that can be opened, or one for other images or labels.
    """
    trained = open_trained(Path(params.judge), _FLAG)
    _check_fit(trained, params)
    shape = tuple(trained.shape)
    network = without_weights(trained, {'image_shape': shape, 'vocabulary': trained.labels})
    layers = layers_of(network, shape) if trained.architecture.network else {}
    hidden = [name for name, values in layers.items() if name != LOGITS and values.shape.rank == 2]
    if LOGITS not in layers or not hidden:
        raise DataError(
            f'{_FLAG}={params.judge} holds no classifier, but {option.model}={trained.model}: name the '
            f'folder of {option.model}=cnn, mlp or dbn.'
        )
    return Judge(with_weights(network, trained, [hidden[-1], LOGITS], shape, _FLAG), hidden[-1])


def _check_fit(trained: Trained, params: Any) -> None:
    """Raises DataError if the classifier takes other images or labels than the generator."""
    if tuple(trained.shape) != tuple(params.image_shape):
        was, now = ('x'.join(map(str, shape)) for shape in (trained.shape, params.image_shape))
        raise DataError(
            f'{_FLAG}={params.judge} classifies images of {was} pixels and channels, not {now}: '
            f'train a classifier with the same {option.image_size} and {option.channels}.'
        )
    if params.vocabulary and trained.labels != tuple(params.vocabulary):
        raise DataError(
            f'{_FLAG}={params.judge} knows other labels than the data ({len(trained.labels)} there, '
            f'{len(params.vocabulary)} here): train a classifier on the same labels.'
        )
