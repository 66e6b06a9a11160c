"""Restricted Boltzmann machines: what rbm, dbn and the pre-training of an autoencoder share."""
