"""The generative adversarial network."""

from estimator_lab.models.gan.model import MODEL as MODEL
