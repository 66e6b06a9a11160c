"""Answers to the error messages that people meet with TensorFlow 1 programs."""
