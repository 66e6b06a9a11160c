"""A small attention model in a TPUEstimator, with the imports, host call and hooks of BERT and ELECTRA."""

import sys
from pathlib import Path

import numpy as np

# isort: off
import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf
from tensorflow.contrib import cluster_resolver as contrib_cluster_resolver
from tensorflow.contrib import layers as contrib_layers
from tensorflow.contrib import summary as contrib_summary
from tensorflow.contrib.tpu.python.tpu import error_handling, session_support, tpu_context, util
# isort: on

LENGTH, WORDS, WIDTH = 6, 11, 8
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


def summaries(folder):
    def write(step, loss):
        writer = contrib_summary.create_file_writer(folder, max_queue=10)
        with writer.as_default(), contrib_summary.always_record_summaries():
            contrib_summary.scalar('host_loss', loss[0], step=step[0])
            return contrib_summary.all_summary_ops()

    return write


def layer_norm(x):
    return contrib_layers.layer_norm(inputs=x, begin_norm_axis=-1, begin_params_axis=-1)


def network(ids):
    table = tf.get_variable('words', [WORDS, WIDTH], initializer=tf.truncated_normal_initializer(stddev=0.1))
    x = layer_norm(tf.nn.embedding_lookup(table, ids))
    if x.shape[-1] != WIDTH:
        raise AssertionError('a dimension equals its length')
    width = x.shape[-1].value
    query, key, value = (tf.layers.dense(x, width, name=name) for name in ('query', 'key', 'value'))
    weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / np.sqrt(width))
    x = layer_norm(x + tf.matmul(weights, value))
    return tf.layers.dense(contrib_layers.flatten(x), 2)


class DecayingAdam(tf.train.Optimizer):
    """An optimizer that creates its own variables, as in these programs."""

    def __init__(self, rate):
        super().__init__(False, 'DecayingAdam')
        self.rate = rate

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        steps = []
        for gradient, variable in grads_and_vars:
            if gradient is None:
                continue
            name = variable.op.name
            m = tf.get_variable(
                f'{name}/m', variable.shape.as_list(), trainable=False, initializer=tf.zeros_initializer()
            )
            new = 0.9 * m + tf.multiply(0.1, gradient)  # makes a tensor of a sparse gradient
            steps += [m.assign(new), variable.assign_sub(self.rate * (new + 0.01 * variable))]
        return tf.group(*steps, name=name)


def model_fn(features, labels, mode, params):
    logits = network(features['ids'])
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.contrib.tpu.TPUEstimatorSpec(mode=mode, predictions={'class': tf.argmax(logits, 1)})
    target = features['label']
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logits))
    if mode == tf.estimator.ModeKeys.EVAL:
        metrics = (lambda t, x: {'accuracy': tf.metrics.accuracy(t, tf.argmax(x, 1))}, [target, logits])
        return tf.contrib.tpu.TPUEstimatorSpec(mode=mode, loss=loss, eval_metrics=metrics)
    step = tf.train.get_or_create_global_step()
    rule = tf.contrib.tpu.CrossShardOptimizer(DecayingAdam(0.3))
    variables = tf.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm=1.0)
    train_op = rule.apply_gradients(list(zip(gradients, variables, strict=True)), global_step=step)
    train_op = tf.group(train_op, [step.assign(step + 1)])
    HOOKS.append(Losses(loss))
    return tf.contrib.tpu.TPUEstimatorSpec(
        mode=mode,
        loss=loss,
        train_op=train_op,
        host_call=(summaries(params['folder']), [tf.reshape(step, [1]), tf.reshape(loss, [1])]),
        training_hooks=HOOKS,
    )


def write(path):
    """Records of two classes: whether the first word is below 5."""
    with tf.python_io.TFRecordWriter(path) as writer:
        for row in np.random.RandomState(0).randint(0, WORDS, [64, LENGTH]):
            values = {'ids': row.tolist(), 'label': [int(row[0] < 5)]}
            feature = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                for name, value in values.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def input_fn_builder(path, training):
    shapes = {'ids': tf.FixedLenFeature([LENGTH], tf.int64), 'label': tf.FixedLenFeature([], tf.int64)}

    def input_fn(params):
        files = tf.data.Dataset.from_tensor_slices(tf.constant([path]))
        if training:
            files = files.repeat()
        rows = files.apply(
            tf.contrib.data.parallel_interleave(tf.data.TFRecordDataset, sloppy=False, cycle_length=1)
        )
        return rows.apply(
            tf.contrib.data.map_and_batch(
                lambda record: tf.parse_single_example(record, shapes),
                batch_size=params['batch_size'],
                num_parallel_batches=1,
                drop_remainder=training,
            )
        )

    return input_fn


def main(folder):
    path = f'{folder}/rows.tfrecord'
    write(path)
    assert contrib_cluster_resolver.TPUClusterResolver
    assert util.check_positive_integer(1, 'one') is None and tpu_context.TPUContext
    assert session_support.WorkerHeartbeatManager and error_handling.ErrorRendezvous
    tpu_config = tf.contrib.tpu.TPUConfig(
        iterations_per_loop=10,
        num_shards=8,
        per_host_input_for_training=tf.contrib.tpu.InputPipelineConfig.PER_HOST_V2,
    )
    config = tf.contrib.tpu.RunConfig(
        cluster=None, master=None, model_dir=f'{folder}/model', tf_random_seed=1, tpu_config=tpu_config
    )
    estimator = tf.contrib.tpu.TPUEstimator(
        use_tpu=False,
        model_fn=model_fn,
        config=config,
        train_batch_size=16,
        eval_batch_size=16,
        predict_batch_size=16,
        params={'folder': folder},
    )
    estimator.train(input_fn_builder(path, True), max_steps=60)
    found = estimator.evaluate(input_fn_builder(path, False), steps=4)
    predictions = list(estimator.predict(input_fn_builder(path, False)))
    print(len(predictions), found['global_step'], found['accuracy'] > 0.8)
    print([n for n in estimator.get_variable_names() if n.startswith('LayerNorm') and '/m' not in n])
    files = map(str, Path(folder).glob('events*'))
    values = [v for file in files for event in tf.train.summary_iterator(file) for v in event.summary.value]
    print(len(HOOKS[0].seen), sum(value.tag == 'host_loss' for value in values))


main(sys.argv[1])
