"""Recurrent networks that read an image as a sequence, then classify it."""

from estimator_lab.models.recurrent.model import MODEL as MODEL
