"""Examples to batches, streams and input functions."""
