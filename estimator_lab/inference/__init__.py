"""Tasks of a trained model: evaluate, predict, inspect, draw, paint, export, report."""
