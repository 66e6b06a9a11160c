"""A model_dir as a format: record, checkpoints, weight and event files, and opening a trained model."""
