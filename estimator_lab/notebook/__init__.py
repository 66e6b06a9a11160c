"""Trained models as Python objects, which show themselves in a notebook; parts for Estimators of the user."""
