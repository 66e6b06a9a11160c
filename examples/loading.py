"""Imported first by the examples: loads TensorFlow, which takes seconds, and says so."""

from estimator_lab.console.activity import doing, shown_activity

with shown_activity(rows_on_stdout=False):
    doing('loading TensorFlow', plain=True)
    import estimator_lab.tf1  # noqa: F401
