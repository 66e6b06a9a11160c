"""What still awaits figures of TensorFlow 1.15.5, which takes Python 3.7 to run.

A test run names them at its end. Remove a name when remake_signatures.py or remake_contrib.py has written its
figures.
"""

AWAITING: frozenset[str] = frozenset()
"""Names of tf.contrib such as 'layers.dense', and functions in tests/golden/contrib_*.py."""
