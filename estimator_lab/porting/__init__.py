"""What a program written for TensorFlow 1 needs to run here: its source is read, nothing of it is run."""
