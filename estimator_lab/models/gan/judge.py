"""The judge of a GAN's samples: a trained classifier in the graph of EVAL, from a file in model_dir."""

from pathlib import Path
from typing import NamedTuple

from estimator_lab.core.endpoints import LOGITS
from estimator_lab.models.fixed_network import FixedNetwork, network_in, open_network, write_network
from estimator_lab.models.gan.scores import Classified, Metrics, Samples, judge_metrics
from estimator_lab.tf1 import Tensor, tf

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


def judged(samples: Samples, model_dir: str) -> Metrics:
    """Returns the metrics of samples by the judge of a run.

    Raises:
      DataError: its file can't be read, or holds something else.
    """
    with open_network(Path(model_dir, FILE), 'judge') as (archive, about):
        judge = Judge(network_in(archive, about), str(about['hidden']))
        real, fake = judge(tf.concat([samples.real, samples.fake], axis=0)).halves()
    with tf.name_scope('judge_metrics'):
        return judge_metrics(real, fake, samples)
