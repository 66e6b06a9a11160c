"""Fast style transfer: a network that paints photos in a learned style, in one pass."""

from estimator_lab.models.style.model import MODEL as MODEL
