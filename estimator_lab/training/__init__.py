"""Settings -> a run in phases -> Estimator, TrainSpec, EvalSpec."""
