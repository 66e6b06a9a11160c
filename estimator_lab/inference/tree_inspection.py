"""A picture of a tree with the predictions of a trained model at each node."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from estimator_lab.console.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.conventions import KEY
from estimator_lab.core.display.tree_picture import tree_picture
from estimator_lab.core.display.trees import Texts
from estimator_lab.core.model.endpoints import published
from estimator_lab.data.trees.reader import FEATURES, collate
from estimator_lab.models.recursive import NODE_LOGITS
from estimator_lab.runs.model import Trained
from estimator_lab.tf1 import tf


@dataclass(frozen=True)
class TreeInspection:
    """The predictions for a tree.

    Attributes:
      values: the predictions by name, for this example.
      picture: the tree, its root at the top; nodes with higher probabilities are darker, wrong ones red.
    """

    values: Mapping[str, np.ndarray]
    picture: Image.Image

    def pictures(self) -> dict[str, Image.Image]:
        """Returns the picture by its name."""
        return {'tree': self.picture}


def inspect_tree(trained: Trained, data: bytes) -> TreeInspection:
    """Runs one tree through the network and draws it.

    Args:
      trained: the model.
      data: the tree's text.

    Raises:
      BadExampleError: it is not a tree.
      LabError: TensorFlow fails.
    """
    reader = trained.tree_reader()
    tree = reader.parsed(data)
    arrays = collate([tree])
    with tf.Graph().as_default() as graph, tensorflow_errors_as_sentences():
        tf.train.get_or_create_global_step()
        places = {name: tf.placeholder(tf.int32, [None, None], name) for name in FEATURES}
        spec = trained.model.model_fn(
            reader.features(places),
            None,
            tf.estimator.ModeKeys.PREDICT,
            trained.estimator_params,
            config=None,
        )
        fetches = {
            'values': {name: value for name, value in spec.predictions.items() if name != KEY},
            'nodes': tf.nn.softmax(published(graph)[NODE_LOGITS].values),
        }
        creator = tf.train.ChiefSessionCreator(
            spec.scaffold or tf.train.Scaffold(), checkpoint_filename_with_path=trained.checkpoint
        )
        with tf.train.MonitoredSession(creator) as session:
            found = session.run(fetches, {places[name]: arrays[name] for name in FEATURES})
    nodes = found['nodes'][0, : len(tree.token)]
    texts = Texts(reader.tokens.texts, trained.record.vocabulary)
    shown = texts.shown(tree.token, tree.left, nodes, tree.node_label)
    values = {name: np.asarray(value[0]) for name, value in found['values'].items()}
    return TreeInspection(values, tree_picture(shown))
