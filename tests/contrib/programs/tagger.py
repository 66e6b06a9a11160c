"""A word tagger with a bidirectional fused LSTM and a CRF, like programs that recognise names.

Words and tags are read from text by a generator; tables of a vocabulary turn them into numbers and back.
"""

import sys
from pathlib import Path

import numpy as np

# isort: off
from estimator_lab.tf1 import tf
import estimator_lab.contrib  # noqa: F401
from tensorflow.contrib import crf, rnn
# isort: on

WORDS, TAGS = [f'w{index}' for index in range(9)], ['O', 'B', 'I']


def sentences():
    """Yields words and their tags: a name starts with w0, w1 or w2 and ends at w8."""
    random = np.random.RandomState(0)
    for _ in range(64):
        words = random.randint(0, 9, random.randint(2, 7))
        tags, inside = [], False
        for word in words:
            tags.append('B' if word < 3 else 'I' if inside and word < 8 else 'O')
            inside = tags[-1] != 'O'
        yield ([WORDS[word] for word in words], len(words)), tags


def input_fn(epochs=1):
    shapes, types = (([None], ()), [None]), ((tf.string, tf.int32), tf.string)
    rows = tf.data.Dataset.from_generator(sentences, output_types=types, output_shapes=shapes)
    return rows.repeat(epochs).padded_batch(16, shapes, (('<pad>', 0), 'O'))


def model_fn(features, labels, mode, params):
    words, lengths = features
    ids = tf.contrib.lookup.index_table_from_file(params['words'], num_oov_buckets=1).lookup(words)
    vectors = tf.get_variable('words', [len(WORDS) + 1, 8])
    x = tf.transpose(tf.nn.embedding_lookup(vectors, ids), [1, 0, 2])
    forward, backward = rnn.LSTMBlockFusedCell(8), rnn.TimeReversedFusedRNN(rnn.LSTMBlockFusedCell(8))
    both = [network(x, dtype=tf.float32, sequence_length=lengths)[0] for network in (forward, backward)]
    logits = tf.layers.dense(tf.transpose(tf.concat(both, -1), [1, 0, 2]), len(TAGS))
    transitions = tf.get_variable('crf', [len(TAGS), len(TAGS)])
    found, _ = crf.crf_decode(logits, transitions, lengths)
    if mode == tf.estimator.ModeKeys.PREDICT:
        names = tf.contrib.lookup.index_to_string_table_from_file(params['tags'])
        return tf.estimator.EstimatorSpec(mode, {'tags': names.lookup(tf.to_int64(found))})
    tags = tf.contrib.lookup.index_table_from_file(params['tags']).lookup(labels)
    likelihood, _ = crf.crf_log_likelihood(logits, tags, lengths, transitions)
    loss = tf.reduce_mean(-likelihood)
    metrics = {'accuracy': tf.metrics.accuracy(tags, found, tf.sequence_mask(lengths))}
    train_op = tf.train.AdamOptimizer(0.03).minimize(loss, tf.train.get_or_create_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


def main(folder):
    params = {}
    for name, lines in (('words', WORDS), ('tags', TAGS)):
        path = Path(folder, f'{name}.txt')
        path.write_text('\n'.join(lines) + '\n')
        params[name] = str(path)
    config = tf.estimator.RunConfig(tf_random_seed=1)
    model = tf.estimator.Estimator(model_fn, str(Path(folder, 'model')), config, params)
    model.train(lambda: input_fn(20))
    found = model.evaluate(input_fn)
    print(found['global_step'], found['accuracy'] > 0.95)
    truth = [tags for _, tags in sentences()]
    told = [
        row['tags'][: len(tags)].tolist() for row, tags in zip(model.predict(input_fn), truth, strict=True)
    ]
    print(np.mean([[t.decode() for t in one] == two for one, two in zip(told, truth, strict=True)]) > 0.8)


main(sys.argv[1])
