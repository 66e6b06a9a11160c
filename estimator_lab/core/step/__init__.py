"""One training step: optimizer, random numbers, corruption, precision."""
