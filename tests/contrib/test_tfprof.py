"""tf.contrib.tfprof.model_analyzer; the numbers are also those of TensorFlow 1.15."""

import pytest

from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both


def test_counts_of_a_dense_layer(graph):
    tf.layers.dense(tf.ones([2, 3]), 4)
    analyzer = tf.contrib.tfprof.model_analyzer
    found = analyzer.print_model_analysis(graph, tfprof_options=analyzer.TRAINABLE_VARS_PARAMS_STAT_OPTIONS)
    assert found.total_parameters == 3 * 4 + 4
    assert analyzer.print_model_analysis(graph).total_parameters == 3 * 4 + 4
    # Multiply and add of [2, 3] x [3, 4], the bias, and one multiply for each initial weight and their range.
    found = analyzer.print_model_analysis(graph, tfprof_options=analyzer.FLOAT_OPS_OPTIONS)
    assert found.total_float_ops == 2 * 2 * 3 * 4 + 2 * 4 + (3 * 4 + 1) + 12
