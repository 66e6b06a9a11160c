"""The names under which input functions hand features to model functions."""

KEY = 'key'
"""What tells an example from all others: string [batch], 'ARCHIVE:MEMBER'."""

WEIGHT = 'weight'
"""How much an example counts: float32 [batch], 1, or 0 for one that must not teach."""

IMAGE = 'image'
"""Pixels: float32 [batch, height, width, channels] in [0, 1]."""
