"""Values of a small graph."""

from estimator_lab.tf1 import tf


def evaluate(build, seed=1):
    """Returns the values of what `build` returns, in a new graph with initialized variables."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)
        fetches = build()
        initialize(session)
        return session.run(fetches)


def initialize(session):
    """Initializes all variables and tables."""
    session.run(
        [tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()]
    )
