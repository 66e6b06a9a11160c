"""A run -> one self-contained page of HTML."""
