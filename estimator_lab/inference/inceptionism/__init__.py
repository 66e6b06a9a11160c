"""Gradient ascent on images, DeepDream: what the layers of a network see (Mordvintsev et al. 2015)."""
