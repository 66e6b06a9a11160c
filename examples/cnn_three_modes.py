"""The notes, "Estimator in tensorflow": one model function for TRAIN, EVAL and PREDICT, and a tar of images.

    python examples/cnn_three_modes.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 40 s on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Trains the
notes' CNN on the faces, evaluates it on unseen ones (accuracy 96% to 98%), and says who is on five of them.
The model function is all that a new network needs: a graph of layers, and the EstimatorSpec of each mode.
The Estimator makes sessions, checkpoints and summaries of it.
"""

import itertools
import tempfile
from typing import Any

from built_in_data import archives_from_command_line

from estimator_lab import api
from estimator_lab.tf1 import tf

SIDE = 64
BATCH_SIZE = 32


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """Returns the EstimatorSpec of a mode.

    Args:
      features: 'image', float32 [batch, SIDE, SIDE, 1] in [0, 1], and 'key', the name of each image.
      labels: class ids, int64 [batch]; None in PREDICT.
      mode: a `tf.estimator.ModeKeys`.
      params: 'classes', the number of classes, and 'learning_rate'.
    """
    # Feature extraction: each pooling halves the sides; with 'same' padding, convolutions keep them.
    conv1 = tf.layers.conv2d(features['image'], 32, 5, padding='same', activation=tf.nn.relu, name='conv1')
    pool1 = tf.layers.max_pooling2d(conv1, pool_size=2, strides=2, name='pool1')
    conv2 = tf.layers.conv2d(pool1, 32, 5, padding='same', activation=tf.nn.relu, name='conv2')
    pool2 = tf.layers.max_pooling2d(conv2, pool_size=2, strides=2, name='pool2')

    # Classification: units are dropped in TRAIN only.
    dense = tf.layers.dense(tf.layers.flatten(pool2), 1024, activation=tf.nn.relu, name='dense')
    dropped = tf.layers.dropout(dense, rate=0.4, training=mode == tf.estimator.ModeKeys.TRAIN, name='dropout')
    logits = tf.layers.dense(dropped, params['classes'], name='logits')
    class_ids = tf.argmax(logits, axis=1, name='class_ids')

    if mode == tf.estimator.ModeKeys.PREDICT:
        probabilities = tf.nn.softmax(logits, name='probabilities')
        predictions = {'class_id': class_ids, 'probabilities': probabilities, 'key': features['key']}
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)

    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    accuracy = tf.metrics.accuracy(labels, class_ids, name='accuracy')
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={'accuracy': accuracy})

    tf.summary.scalar('accuracy', accuracy[1])  # so far in this training
    optimizer = tf.train.GradientDescentOptimizer(params['learning_rate'])
    train_op = optimizer.minimize(loss, global_step=tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def main(archives: api.DemoPaths, steps: int = 300, every: int = 80) -> dict[str, Any]:
    """Trains, evaluates, and shows one prediction in `every`; returns the metrics on unseen images."""
    shape = (SIDE, SIDE, 1)
    train_fn = api.input_fn(archives.train, shape, BATCH_SIZE, shuffle=True, epochs=None)
    test_fn = api.input_fn(archives.test, shape, BATCH_SIZE, vocabulary=train_fn.labels)

    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        params = {'classes': len(train_fn.labels), 'learning_rate': 0.05}
        estimator = tf.estimator.Estimator(model_fn, config=config, params=params)
        estimator.train(train_fn, steps=steps)
        metrics: dict[str, Any] = estimator.evaluate(test_fn)
        predictions = list(itertools.islice(estimator.predict(test_fn), 0, None, every))

    print(f'accuracy {metrics["accuracy"]:.1%} on unseen images after {metrics["global_step"]} steps')
    for each in predictions:
        label = train_fn.labels[each['class_id']]
        member = each['key'].decode().rpartition(':')[2]
        print(f'{member:<30}{label}   probability {max(each["probabilities"]):.3f}')
    return metrics


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__))
