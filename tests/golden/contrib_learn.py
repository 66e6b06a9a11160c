"""Metrics, vocabularies and record files of tf.contrib.learn. Part of remake_contrib.py."""

import tempfile

import numpy as np
from contrib_shared import tf, wave

X = wave(10, 3)
Y = np.array([0, 2, 1, 1, 0, 2, 2, 1, 0, 1])


def model_fn(features, targets, mode, params):
    """A model function of 1.15, whose second argument may have any name."""
    w = tf.get_variable('w', initializer=wave(3, 3))
    logits = tf.matmul(features, w)
    loss = tf.losses.sparse_softmax_cross_entropy(targets, logits)
    step = tf.train.get_global_step()
    train = tf.train.GradientDescentOptimizer(params['rate']).minimize(loss, step)
    return {'logits': logits, 'classes': tf.argmax(logits, 1)}, loss, train


def learn_metrics():
    """Metrics of evaluations, by MetricSpec and by functions."""
    learn, metrics = tf.contrib.learn, tf.contrib.metrics
    model = learn.Estimator(model_fn, tempfile.mkdtemp(), params={'rate': 0.1})
    model.fit(X, Y, steps=1)

    def largest(predictions):
        return tf.metrics.mean(tf.reduce_max(predictions, 1))

    def share(label, logits, weight=None):
        return tf.metrics.accuracy(label, tf.argmax(logits, 1), weight)

    wanted = {
        'accuracy': learn.MetricSpec(metrics.streaming_accuracy, 'classes'),
        'share': learn.MetricSpec(share, 'logits'),
        'largest': learn.MetricSpec(largest, 'logits'),
    }
    found = model.evaluate(X, Y, batch_size=4, steps=2, metrics=wanted)
    pair = {('pair', 'classes'): metrics.streaming_accuracy}
    found.update(model.evaluate(X, Y, batch_size=4, steps=2, metrics=pair))
    keys = sorted(found)
    return {'names': keys, 'values': [float(found[key]) for key in keys]}


def vocabularies():
    """Words of texts, with and without a least frequency; ids that are read back; a saved processor."""
    preprocessing = tf.contrib.learn.preprocessing
    texts = [
        "It's a HTMLPage, a re-read page",
        'the Page and a dog',
        '',
        'Gr\u00fc\u00dfe \u00a1ol\u00e9! x_1 2020 the the cat',
    ]
    found = {'words': [list(words) for words in preprocessing.tokenizer(texts)]}
    for case, settings in {'all': {}, 'frequent': {'min_frequency': 1}}.items():
        processor = preprocessing.VocabularyProcessor(5, **settings)
        rows = [row.tolist() for row in processor.fit_transform(texts)]
        more = [row.tolist() for row in processor.transform(['a new dog and the cat sat there'])]
        vocabulary = processor.vocabulary_
        found[case] = [rows, more, list(processor.reverse(rows)), len(vocabulary), vocabulary._mapping]
        path = tempfile.mkdtemp() + '/vocab'
        processor.save(path)
        again = preprocessing.VocabularyProcessor.restore(path)
        assert [row.tolist() for row in again.transform(texts)] == rows
    numbers = preprocessing.CategoricalVocabulary(unknown_token='none')
    for number in (7, 3, 3, 9, 9, 9, 5):
        numbers.add(number)
    numbers.add('x', 2)
    numbers.trim(0, 3)
    found['numbers'] = [
        [numbers.reverse(n) for n in range(len(numbers))],
        [numbers.get(n) for n in (9, 5, 3)],
    ]
    return found


def record_files():
    """Batches of two TFRecord files by queues, in order and shuffled; a batch of texts."""
    learn, folder = tf.contrib.learn, tempfile.mkdtemp()
    for file, numbers in (('b', [4, 5, 6]), ('a', [1, 2, 3])):
        with tf.python_io.TFRecordWriter(f'{folder}/{file}.tfrecord') as writer:
            for number in numbers:
                value = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
                features = tf.train.Features(feature={'n': value})
                writer.write(tf.train.Example(features=features).SerializeToString())
    pattern, spec = f'{folder}/*.tfrecord', {'n': tf.FixedLenFeature([], tf.int64)}

    def numbers_of(features):
        return [batch.tolist() for batch in all_batches(features['n'])]

    read = learn.read_batch_features
    settings = {'randomize_input': False, 'num_epochs': 2, 'num_enqueue_threads': 1}
    in_order = numbers_of(read(pattern, 4, spec, tf.TFRecordReader, read_batch_size=1, **settings))
    shuffled = numbers_of(
        learn.read_batch_record_features(pattern, 4, spec, num_epochs=1, reader_num_threads=2)
    )
    keyed = learn.read_keyed_batch_examples(
        [pattern], 4, tf.TFRecordReader, False, 1, parse_fn=lambda record: tf.strings.length(record)
    )
    batches = all_batches(keyed)
    return {
        'in_order': in_order,
        'shuffled': sorted(number for batch in shuffled for number in batch),
        'keys': [[key.decode().rpartition('/')[2] for key in keys] for keys, _ in batches],
        'lengths': [lengths.tolist() for _, lengths in batches],
    }


def all_batches(fetches):
    """Runs to the end of the queues; returns what is fetched."""
    found = []
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(session, coordinator)
        try:
            while True:
                found.append(session.run(fetches))
        except tf.errors.OutOfRangeError:
            coordinator.request_stop()
        coordinator.join(threads)
    return found
