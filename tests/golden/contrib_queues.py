"""Batches from queues: buckets of lengths. Part of remake_contrib.py."""

from contrib_shared import tf

_sessions = []  # left open: in 1.15, closing one whose barrier is being closed may wait for ever


def batches(fetches, count=100):
    """Returns what is fetched from queues until they end, or `count` times, text as str."""
    found = []
    session = tf.Session()
    _sessions.append(session)
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    tf.train.start_queue_runners(session, tf.train.Coordinator())
    try:
        for _ in range(count):
            found.append([each.tolist() for each in session.run(fetches)])
    except tf.errors.OutOfRangeError:
        pass
    return [[as_text(each) for each in batch] for batch in found]


def as_text(value):
    if isinstance(value, list):
        return [as_text(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


def numbers(limit, epochs=1):
    return tf.train.limit_epochs(tf.train.range_input_producer(limit, epochs, shuffle=False).dequeue(), None)


def by_bucket(found):
    """Returns batches in the order of their first item: the order of buckets depends on threads."""
    return sorted(found, key=lambda batch: str(batch))


def buckets():
    """Rows of lengths 1 to 9, with and without their last batches, sizes of each bucket, and a filter."""
    training = tf.contrib.training
    found = {}
    cases = {
        'dropped': {},
        'smaller': {'allow_smaller_final_batch': True},
        'sizes': {'batch_size': [1, 2, 3], 'allow_smaller_final_batch': True},
        'even': {'keep': True, 'allow_smaller_final_batch': True},
    }
    for case, more in cases.items():
        with tf.Graph().as_default():
            length = numbers(9) + 1
            row = tf.range(length) + 10 * length
            if more.pop('keep', False):
                more['keep_input'] = tf.equal(length % 2, 0)
            settings = dict({'batch_size': 2, 'dynamic_pad': True}, **more)
            lengths, rows = training.bucket_by_sequence_length(
                length, {'row': row, 'text': tf.as_string(length)}, bucket_boundaries=[4, 7], **settings
            )
            static = [lengths.shape.as_list(), rows['row'].shape.as_list()]
            found[case] = {
                'batches': by_bucket(batches([lengths, rows['row'], rows['text']])),
                'static': static,
            }
    with tf.Graph().as_default():
        number = numbers(6)
        which, one = training.bucket([number * number], number % 3, 2, 3)
        found['plain'] = by_bucket(batches([which, one]))
    return found
