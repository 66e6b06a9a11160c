"""Layers: objects made once, which may be called again."""
