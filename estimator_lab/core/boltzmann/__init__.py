"""Restricted Boltzmann machines: training, sampling, log probabilities, stacks and pre-training."""
