"""Recursive networks: one function of the children, applied at every node of a tree, from leaves to root."""

from estimator_lab.models.recursive.model import MODEL as MODEL
