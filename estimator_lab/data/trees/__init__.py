"""Trees as a kind of example: bracketed text -> post-order arrays."""
