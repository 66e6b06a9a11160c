"""Trained models as Python objects, which show themselves in a notebook."""
