"""A detector of replaced words with a host call and hooks, like ELECTRA and other programs for TPUs.

It imports TensorFlow, tf.contrib and nothing else: the shapes of TensorFlow 1 come with the import.
"""

import sys
from pathlib import Path

import numpy as np

# isort: off
from estimator_lab.tf1 import tf
import estimator_lab.contrib  # noqa: F401
from tensorflow.contrib import layers as contrib_layers
from tensorflow.contrib import summary as contrib_summary
from tensorflow.contrib.tpu.python.tpu import error_handling, session_support, tpu_context, util
# isort: on

LENGTH, WORDS, WIDTH = 5, 7, 6
HOOKS = []


class Losses(tf.estimator.SessionRunHook):
    """Records the loss of each step."""

    def __init__(self, loss):
        self.loss = loss
        self.seen = []

    def before_run(self, run_context):
        return tf.estimator.SessionRunArgs({'loss': self.loss})

    def after_run(self, run_context, run_values):
        self.seen.append(run_values.results['loss'])


def encoded(ids):
    table = tf.get_variable('words', [WORDS, WIDTH], initializer=tf.truncated_normal_initializer(stddev=0.5))
    x = contrib_layers.layer_norm(
        tf.nn.embedding_lookup(table, ids), begin_norm_axis=-1, begin_params_axis=-1
    )
    if x.shape[-1] != WIDTH:
        raise AssertionError('a dimension equals its length')
    return tf.layers.dense(x, x.shape[-1].value, activation=tf.nn.relu)


def replaced(ids):
    """Replaces words at random positions; returns the new ids, and a mask of those that changed."""
    others = tf.random.categorical(tf.log(tf.ones([1, WORDS]) / WORDS), tf.size(ids), dtype=tf.int32)
    chosen = tf.cast(tf.less(tf.random.uniform(tf.shape(ids)), 0.4), tf.int32)
    made = (1 - chosen) * ids + chosen * tf.reshape(others, tf.shape(ids))
    return made, tf.cast(tf.not_equal(made, ids), tf.int32)


def summaries(folder):
    def write(step, loss):
        writer = contrib_summary.create_file_writer(folder, max_queue=10)
        with writer.as_default(), contrib_summary.always_record_summaries():
            contrib_summary.scalar('host_loss', loss[0], step=step[0])
            return contrib_summary.all_summary_ops()

    return write


def model_fn(features, labels, mode, params):
    ids, changed = replaced(features['ids'])
    hidden = encoded(ids)
    hidden = tf.concat([hidden, tf.one_hot(ids, hidden.shape[-1])], -1)
    logits = tf.squeeze(tf.layers.dense(hidden, units=1), -1)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=tf.cast(changed, tf.float32))
    loss = tf.reduce_mean(losses)
    if mode == tf.estimator.ModeKeys.TRAIN:
        step = tf.train.get_or_create_global_step()
        rule = tf.contrib.tpu.CrossShardOptimizer(tf.train.AdamOptimizer(0.05))
        hook = Losses(loss)
        HOOKS.append(hook)
        return tf.contrib.tpu.TPUEstimatorSpec(
            mode=mode,
            loss=loss,
            train_op=rule.minimize(loss, step),
            host_call=(summaries(params['folder']), [tf.reshape(step, [1]), tf.reshape(loss, [1])]),
            training_hooks=[hook],
        )

    def metric_fn(labels, logits):
        predictions = tf.cast(tf.greater(logits, 0), tf.int32)
        return {'accuracy': tf.metrics.accuracy(labels=labels, predictions=predictions)}

    return tf.contrib.tpu.TPUEstimatorSpec(mode=mode, loss=loss, eval_metrics=(metric_fn, [changed, logits]))


def input_fn(params):
    ids = np.random.RandomState(0).randint(0, WORDS, [64, LENGTH]).astype(np.int32)
    rows = tf.data.Dataset.from_tensor_slices({'ids': ids})
    rows = rows.apply(tf.contrib.data.shuffle_and_repeat(64))
    return rows.apply(
        tf.contrib.data.map_and_batch(lambda row: row, batch_size=params['batch_size'], drop_remainder=True)
    )


def main(folder):
    assert util.check_positive_integer(1, 'one') is None and tpu_context.TPUContext
    assert session_support.WorkerHeartbeatManager and error_handling.ErrorRendezvous
    config = tf.contrib.tpu.RunConfig(
        cluster=None,
        model_dir=folder,
        tf_random_seed=1,
        save_checkpoints_steps=20,
        tpu_config=tf.contrib.tpu.TPUConfig(iterations_per_loop=10, num_shards=8, tpu_job_name=None),
    )
    model = tf.contrib.tpu.TPUEstimator(
        model_fn, config=config, use_tpu=False, train_batch_size=16, eval_batch_size=16,
        params={'folder': folder},
    )  # fmt: skip
    model.train(input_fn, max_steps=20)
    found = model.evaluate(input_fn, steps=4)
    print(found['global_step'], len(HOOKS[-1].seen), 0 < found['accuracy'] <= 1)
    files = map(str, Path(folder).glob('events*'))
    values = [v for file in files for event in tf.train.summary_iterator(file) for v in event.summary.value]
    print(sum(value.tag == 'host_loss' for value in values))


main(sys.argv[1])
