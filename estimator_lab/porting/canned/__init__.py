"""Canned Estimators as Keras 3 models: a graph, its feature columns, and the layers that replace them."""
