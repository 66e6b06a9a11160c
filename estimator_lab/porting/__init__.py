"""Finds what a TensorFlow 1 program needs to run here, by reading its source; runs nothing of it."""
