"""The version of this package, and the versions of TensorFlow that it runs on; setup.py reads both."""

__version__ = '0.1.0'

OLDEST_TENSORFLOW, NEWEST_TENSORFLOW = (2, 15), (2, 21)
"""Their first two numbers. `tools/conformance.sh nightly` tries a later one."""
