"""Members -> examples for other frameworks; no TensorFlow."""
