"""The judge of a GAN's samples: a trained classifier in the graph of EVAL, from a file in model_dir."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.base.errors import DataError, hparam, option
from estimator_lab.core.abilities import Companions, HasNetwork
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.models.fixed_network import (
    FixedNetwork,
    layers_of,
    network_in,
    open_network,
    with_weights,
    without_weights,
    write_network,
)
from estimator_lab.models.gan.scores import Classified, ImagesAndFakes, Metrics, judge_metrics
from estimator_lab.runs.companions import check_same_companions
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import Tensor, tf

_JUDGE_FLAG = hparam.judge

FILE = 'judge.npz'
"""Name of the file in a model_dir."""


class Judge(NamedTuple):
    """A classifier.

    Attributes:
      network: its network; checkpoints of the GAN do not contain it.
      hidden: name of the last layer before the logits.
    """

    network: FixedNetwork
    hidden: str

    def __call__(self, images: Tensor) -> Classified:
        """Classifies images, float32 [n, height, width, channels] in [0, 1]."""
        layers = self.network.perceive(images, [self.hidden, LOGITS])
        return Classified(tf.nn.softmax(layers[LOGITS]), layers[self.hidden])

    def save(self, path: Path) -> None:
        """Writes it to a file, atomically."""
        write_network(path, self.network, {'hidden': self.hidden})


def judged(samples: ImagesAndFakes, model_dir: str) -> Metrics:
    """Returns the metrics of samples by the judge of a run.

    Raises:
      DataError: its file can't be read, or holds something else.
    """
    with open_network(Path(model_dir, FILE), 'judge') as (archive, about):
        judge = Judge(network_in(archive, about), str(about['hidden']))
        real, fake = judge(tf.concat([samples.real, samples.fake], axis=0)).halves()
    with tf.name_scope('judge_metrics'):
        return judge_metrics(real, fake, samples)


def companions(params: Any, model_dir: Path, resumed: Mapping[str, Any] | None) -> Companions:
    """Returns the judge that the parameters name: see `core.abilities.HasCompanions`."""
    check_same_companions(params, ['judge'], model_dir, resumed)
    if not params.judge or (resumed is not None and (model_dir / FILE).exists()):
        return {}, {}
    return {}, {FILE: open_judge(params).save}


def open_judge(params: Any) -> Judge:
    """Opens the classifier that the parameters of a generator name.

    Raises:
      DataError: the folder holds no classifier that can be opened, or one for other images or labels.
    """
    trained = Trained.open(Path(params.judge), _JUDGE_FLAG)
    _check_fit(trained, params)
    shape = tuple(trained.shape)
    network = without_weights(trained, {'image_shape': shape, 'vocabulary': trained.labels})
    layers = layers_of(network, shape) if isinstance(trained.architecture, HasNetwork) else {}
    hidden = [name for name, values in layers.items() if name != LOGITS and values.shape.rank == 2]
    if LOGITS not in layers or not hidden:
        raise DataError(
            f'{_JUDGE_FLAG}={params.judge} holds no classifier, but {option.model}={trained.model}: name the '
            f'folder of {option.model}=cnn, mlp or dbn.'
        )
    return Judge(with_weights(network, trained, [hidden[-1], LOGITS], shape, _JUDGE_FLAG), hidden[-1])


def _check_fit(trained: Trained, params: Any) -> None:
    """Raises DataError if the classifier takes other images or labels than the generator."""
    if tuple(trained.shape) != tuple(params.image_shape):
        was, now = ('x'.join(map(str, shape)) for shape in (trained.shape, params.image_shape))
        raise DataError(
            f'{_JUDGE_FLAG}={params.judge} classifies images of {was} pixels and channels, not {now}: '
            f'train a classifier with the same {option.image_size} and {option.channels}.'
        )
    if params.vocabulary and trained.labels != tuple(params.vocabulary):
        raise DataError(
            f'{_JUDGE_FLAG}={params.judge} knows other labels than the data ({len(trained.labels)} there, '
            f'{len(params.vocabulary)} here): train a classifier on the same labels.'
        )
