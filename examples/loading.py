"""Imported first by the examples: says that TensorFlow is loading, which takes seconds."""

print('loading TensorFlow', flush=True)
