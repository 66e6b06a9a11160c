"""The model on trees: losses and metrics by hand, what is shown, and that it learns what has an order."""

import numpy as np
import pytest

from estimator_lab.core.endpoints import published
from estimator_lab.core.params import resolve
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.trees.reader import TreeReader
from estimator_lab.data.trees.tokens import Tokens
from estimator_lab.models.recursive import model as recursive
from estimator_lab.tf1 import tf
from tests.core.helpers import MODES, values_of
from tests.support.graphs import initialize

READER = TreeReader(Tokens(['a', 'b']), Vocabulary(('0', '1')))
TEXTS = [b'(1 (0 a) (1 (1 b) (0 a)))', b'(0 zzz)', b'( a ( b b ) )']
PARAMS = {
    'vocabulary': ('0', '1'),
    'tokens': ('a', 'b'),
    'units': 4,
    'embedding_units': 3,
    'dropout_rate': 0.0,
    'input_dropout_rate': 0.0,
    'weight_decay': 0.0,
}


def features_of(texts, weight=None):
    arrays = {
        name: tf.constant(array) for name, array in READER.collate(list(map(READER.parsed, texts))).items()
    }
    keys = tf.constant([f'k{n}' for n in range(len(texts))])
    weights = tf.ones([len(texts)]) if weight is None else weight
    return {**arrays, 'key': keys, 'weight': weights}


def model(features, labels, mode, params=PARAMS):
    """Builds the network, in one graph as often as wanted: its variables are the same."""
    with tf.variable_scope('net', reuse=tf.AUTO_REUSE):
        return recursive.model_fn(features, labels, mode, params)


def test_prediction_and_the_logits_of_all_nodes(graph):
    spec = recursive.model_fn(features_of(TEXTS), None, MODES.PREDICT, PARAMS)
    nodes = published(graph)[recursive.NODE_LOGITS]
    probabilities, logits = values_of([spec.predictions['probabilities'], nodes])
    names = {v.op.name for v in tf.trainable_variables()}
    assert names == {
        *('tree/embedding', 'tree/leaf/kernel', 'tree/leaf/bias', 'tree/node/kernel', 'tree/node/bias'),
        *('logits/kernel', 'logits/bias'),
    }
    assert logits.shape == (3, 8, 2) and not logits[1, 1:].any() and logits[0, 4].any()
    roots = np.stack([logits[0, 4], logits[1, 0], logits[2, 4]])
    wanted = np.exp(roots) / np.exp(roots).sum(1, keepdims=True)
    assert np.allclose(probabilities, wanted, atol=1e-6)


def test_the_loss_is_that_of_all_nodes_with_labels(graph):
    tf.train.get_or_create_global_step()
    features = features_of(TEXTS)
    labels = tf.constant([1, 0, -1], tf.int64)
    spec = model(features, labels, MODES.TRAIN, {**PARAMS, 'weight_decay': 0.1})
    evaluated = model(features, labels, MODES.EVAL).loss
    model(features, None, MODES.PREDICT)
    logits = published(graph)[recursive.NODE_LOGITS]
    kernels = [v for v in tf.trainable_variables() if v.op.name.endswith('kernel')]
    loss, evaluated, logits, *kernels = values_of([spec.loss, evaluated, logits, *kernels])
    logs = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    # The root of the third tree has no label, and its nodes have none: it is one of three trees all the same.
    roots = -(logs[0, 4, 1] + logs[1, 0, 0]) / 2
    nodes = -(logs[0, 0, 0] + logs[0, 1, 1] + logs[0, 2, 0] + logs[0, 3, 1]) / 3
    penalty = 0.05 * sum(np.square(kernel).sum() for kernel in kernels)
    assert len(kernels) == 3 and loss == pytest.approx(roots + nodes + penalty, rel=1e-5)
    assert evaluated == pytest.approx(roots + nodes, rel=1e-5)


def test_metrics_of_nodes_and_unknown_tokens(graph):
    tf.train.get_or_create_global_step()
    features = features_of(TEXTS)
    spec = model(features, tf.constant([1, 0, -1], tf.int64), MODES.EVAL)
    model(features, None, MODES.PREDICT)
    logits = published(graph)[recursive.NODE_LOGITS]
    updates = {name: update for name, (_, update) in spec.eval_metric_ops.items()}
    found, logits = values_of([updates, logits])
    said = logits.argmax(2)
    assert found['node_accuracy'] == pytest.approx(np.mean(said[0, :5] == [0, 1, 0, 1, 1]))
    assert found['accuracy'] == pytest.approx(np.mean([said[0, 4] == 1, said[1, 0] == 0]))
    assert found['unknown_tokens'] == 1 and found['unknown_labels'] == 1


def test_binary_accuracy_of_sentiments(graph):
    # negative, neutral, positive, positive, unknown; the second and the last do not count
    ids = tf.constant([0, 2, 4, 3, -1])
    first = [0.1, 0.2, 0.5, 0.1, 0.1]
    shares = [first, [1, 0, 0, 0, 0], [0, 0.1, 0.7, 0.2, 0], [0.2, 0.2, 0, 0.3, 0.3], first]
    # Turned round, the fourth is predicted negative.
    for probabilities, weights, wanted in ((shares, [1, 1, 1, 0, 1], 2 / 2), (shares[::-1], [1] * 5, 2 / 3)):
        given = tf.constant(probabilities, tf.float32), tf.constant(weights, tf.float32)
        _, mean = recursive.binary_accuracy(ids, *given)
        assert values_of(mean) == pytest.approx(wanted)


@pytest.mark.parametrize(('vocabulary', 'there'), [(('0', '1'), False), (recursive.SENTIMENTS, True)])
def test_only_five_sentiments_have_a_binary_accuracy(vocabulary, there, graph):
    tf.train.get_or_create_global_step()
    params = {**PARAMS, 'vocabulary': vocabulary}
    spec = recursive.model_fn(features_of(TEXTS), tf.constant([1, 0, 4], tf.int64), MODES.EVAL, params)
    assert ('binary_accuracy' in spec.eval_metric_ops) is there


def test_a_batch_of_bad_trees_teaches_nothing(session):
    step = tf.train.create_global_step()
    weight = tf.placeholder(tf.float32, [3])
    labels = tf.constant([1, 0, 1], tf.int64)
    params = {**PARAMS, 'weight_decay': 0.1}
    spec = recursive.model_fn(features_of(TEXTS, weight), labels, MODES.TRAIN, params)
    initialize(session)
    variables = [v for v in tf.global_variables() if v is not step]
    found = []
    for counts in (1, 0, 1):
        session.run(spec.train_op, {weight: [counts] * 3})
        found.append(session.run(variables))
    before, same, after = found
    assert session.run(step) == 3
    assert all(map(np.array_equal, before, same)) and not all(map(np.array_equal, before, after))


def test_it_learns_an_order(session):
    """Whether an 'a' comes first: a sum over children can't tell, which the child-sum network is."""
    rng = np.random.default_rng(1)
    texts, labels = [], []
    for _ in range(64):
        tokens = [str(token) for token in rng.choice(['a', 'b'], 5)]
        tree = tokens[0]
        for token in tokens[1:]:
            tree = f'( {tree} {token} )'
        texts.append(tree.encode())
        labels.append(int(tokens[0] == 'a'))
    tf.train.create_global_step()
    params = {**PARAMS, 'learning_rate': 0.03, 'learning_rate_schedule': 'constant', 'units': 8}
    spec = recursive.model_fn(features_of(texts), tf.constant(labels, tf.int64), MODES.TRAIN, params)
    initialize(session)
    for _ in range(80):
        session.run(spec.train_op)
    assert session.run(spec.loss) < 0.1


def test_images_are_read_as_quadtrees(graph):
    """A leaf sees a patch of 4x4 pixels and a margin of 2 on each side: 64 pixels."""
    params = resolve(recursive.Params, {'vocabulary': ('0', '1'), 'image_shape': (8, 8, 1), 'units': 5})
    layers = dict(recursive.quadtree_network(tf.fill([3, 8, 8, 1], 0.5), params))
    assert layers['root'].shape.as_list() == [3, 5] and layers['logits'].shape.as_list() == [3, 2]
    kernel = next(v for v in tf.trainable_variables() if v.op.name == 'patches/kernel')
    assert kernel.shape.as_list()[0] == 64
