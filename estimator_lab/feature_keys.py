"""The names under which input functions hand features to model functions."""

KEY = 'key'
"""What tells an example from all others: string [batch], 'ARCHIVE:MEMBER'."""

WEIGHT = 'weight'
"""How much an example counts: float32 [batch], 1, or 0 for one that must not teach."""

IMAGE = 'image'
"""Pixels: float32 [batch, height, width, channels] in [0, 1]."""

TOKEN = 'token'
"""Of each node of a tree, int32 [batch, nodes]: the number of a leaf's token, 0 if unknown; -1 of others."""

LEFT = 'left'
"""The left child of each node, -1 of a leaf: int32 [batch, nodes]; a right child stands before its node."""

LEVEL = 'level'
"""Of each node, 0 of leaves, 1 above the higher child of others; -1 behind the root: int32 [batch, nodes]."""

NODE_LABEL = 'node_label'
"""The class id of each node, -1 where it has none: int32 [batch, nodes]."""
