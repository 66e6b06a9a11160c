"""Autoencoders: images through a bottleneck and back."""

from estimator_lab.models.autoencoder.model import MODEL as MODEL
