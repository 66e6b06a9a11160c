"""Generative adversarial networks: losses, alternating steps, quality of samples, warnings."""
