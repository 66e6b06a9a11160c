"""The TF1 Estimator on today's TensorFlow, training the classic networks from image archives.

Importing this package does no TensorFlow work; ``estimator_lab.tf1`` does.
"""

__version__ = '0.1.0'
