"""``tf.contrib.tfprof.model_analyzer``: parameters and operations of a graph, counted by tf.profiler."""

from typing import Any

from estimator_lab.tf1 import Graph, tf

Profiler = tf.profiler.Profiler
advise = tf.profiler.advise

TRAINABLE_VARS_PARAMS_STAT_OPTIONS = tf.profiler.ProfileOptionBuilder.trainable_variables_parameter()
FLOAT_OPS_OPTIONS = tf.profiler.ProfileOptionBuilder.float_operation()
PRINT_ALL_TIMING_MEMORY = tf.profiler.ProfileOptionBuilder.time_and_memory()


def print_model_analysis(
    graph: Graph,
    run_meta: Any = None,
    op_log: Any = None,
    tfprof_cmd: str = 'scope',
    tfprof_options: Any = None,
) -> Any:
    """Prints and returns a tf.profiler.profile of a graph; by default, of its trainable variables."""
    options = tfprof_options or TRAINABLE_VARS_PARAMS_STAT_OPTIONS
    return tf.profiler.profile(graph, run_meta, op_log, tfprof_cmd, options)
