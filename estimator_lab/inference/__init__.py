"""A model_dir -> an opened model -> what is asked of it."""
