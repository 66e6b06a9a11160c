"""The autoencoder: its networks, its head, its metrics."""
