"""What a model file may import: hyper-parameters, specs, metrics, summaries and hooks."""
