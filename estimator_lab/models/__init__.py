"""One file a model; ``registry`` is the one list of them."""
