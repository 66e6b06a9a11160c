"""A model_fn in the style of tf.contrib.learn: HParams, optimize_loss, lookup, cells."""

import sys

import numpy as np

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

LABELS = ['no', 'yes']


def model_fn(features, labels, mode, params):
    cell = tf.contrib.rnn.DropoutWrapper(tf.contrib.rnn.BasicLSTMCell(params.units[0]), 0.9)
    ids = tf.cast(features['ids'], tf.int32)
    embedded = tf.contrib.layers.embed_sequence(ids, vocab_size=7, embed_dim=4)
    outputs, _ = tf.nn.dynamic_rnn(tf.contrib.rnn.MultiRNNCell([cell]), embedded, dtype=tf.float32)
    net = tf.contrib.layers.dropout(outputs[:, -1], 0.9, is_training=mode == tf.contrib.learn.ModeKeys.TRAIN)
    logits = tf.contrib.layers.linear(
        net, len(LABELS), weights_initializer=tf.contrib.layers.xavier_initializer(seed=1), scope='logits'
    )
    predicted = tf.argmax(logits, 1)
    if mode == tf.contrib.learn.ModeKeys.INFER:
        names = tf.contrib.lookup.index_to_string_table_from_tensor(tf.constant(LABELS))
        return tf.estimator.EstimatorSpec(mode, {'label': names.lookup(predicted)})
    table = tf.contrib.lookup.index_table_from_tensor(tf.constant(LABELS))
    target = table.lookup(labels)
    loss = tf.losses.sparse_softmax_cross_entropy(target, logits)
    train_op = tf.contrib.layers.optimize_loss(
        loss,
        tf.contrib.framework.get_global_step(),
        learning_rate=params.rate,
        optimizer=params.rule,
        clip_gradients=5.0,
        learning_rate_decay_fn=lambda rate, step: tf.train.exponential_decay(rate, step, 100, 0.9),
    )
    metrics = {'accuracy': tf.contrib.metrics.streaming_accuracy(predicted, target)}
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


def main(folder):
    ids = np.random.RandomState(0).randint(0, 7, [64, 5])
    words = np.array(LABELS)[(ids[:, -1] > 3).astype(int)].astype(object)
    params = tf.contrib.training.HParams(rate=0.01, units=[4, 4], rule='SGD')
    params.parse('rate=0.05,units=[8],rule=Adam')
    config = tf.contrib.learn.RunConfig(tf_random_seed=1, save_checkpoints_steps=50, model_dir=folder)
    model = tf.estimator.Estimator(model_fn, config=config, params=params)

    def input_fn():
        rows = tf.data.Dataset.from_tensor_slices(({'ids': ids}, words))
        return rows.repeat().apply(tf.contrib.data.batch_and_drop_remainder(16))

    train = tf.estimator.TrainSpec(input_fn, max_steps=80)
    found, _ = tf.estimator.train_and_evaluate(
        model, train, tf.estimator.EvalSpec(input_fn, steps=4, throttle_secs=0)
    )
    first = next(model.predict(input_fn))
    print(found['global_step'], found['accuracy'] > 0.8, first['label'].decode() in LABELS)
    print([name for name in model.get_variable_names() if 'logits' in name and 'Adam' not in name])


main(sys.argv[1])
