"""Members -> batches in a thread pool -> tf.data; what went wrong on the way."""
