"""Archive -> members. No TensorFlow."""
