"""The loss at other weights: what is copied, what is shared, what is rejected."""

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.objective import Objective
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.trains

KINDS = ('resource', 'reference')


@pytest.fixture(params=KINDS)
def variable(request):
    """Makes variables of either kind, in a graph of their own."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)

        def make(name, value, **named):
            resource = request.param == 'resource'
            return tf.get_variable(
                name, initializer=np.array(value, np.float32), use_resource=resource, **named
            )

        yield make


def at_random_weights(loss, variables, feed=None):
    """Returns loss and gradient at other weights twice: from the clone, and from the graph itself."""
    objective = Objective(loss, variables)

    @tf.function(autograph=False)
    def clone(weights):
        # In the body of a loop, as the optimizers use it.
        def body(number, loss, gradient):
            del loss, gradient
            found = objective.at(weights)
            return number + 1, found.loss, found.gradient

        first = (0, tf.zeros([]), tf.zeros_like(weights))
        return tf.while_loop(lambda number, *_: number < 1, body, first)[1:]

    weights = np.random.default_rng(2).normal(size=objective.size).astype(np.float32)
    cloned, here, assign = clone(tf.constant(weights)), objective.here(), objective.assign(weights)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first = session.run(cloned, feed)
        session.run(assign)
        then = session.run(here, feed)
        assert np.array_equal(then.weights, weights)
        return first, (then.loss, then.gradient)


def check(loss, variables, feed=None):
    (loss, gradient), (true_loss, true_gradient) = at_random_weights(loss, variables, feed)
    assert loss == pytest.approx(true_loss, rel=1e-6)
    assert gradient == pytest.approx(true_gradient, rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_a_network_of_layers(variable):
    del variable
    x, y = tf.placeholder(tf.float32, [None, 6, 6, 1]), tf.placeholder(tf.int64, [None])
    maps = tf.layers.max_pooling2d(tf.layers.conv2d(x, 3, 3, activation=tf.nn.relu), 2, 2)
    hidden = tf.layers.dense(tf.layers.flatten(maps), 5, tf.nn.tanh)
    logits = tf.layers.dense(tf.layers.batch_normalization(hidden, training=True), 3)
    loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
    rng = np.random.default_rng(1)
    check(loss, tf.trainable_variables(), {x: rng.normal(size=(7, 6, 6, 1)), y: rng.integers(3, size=7)})


def test_embeddings_and_several_reads_of_one_variable(variable):
    table, scale = variable('table', np.ones([5, 2])), variable('scale', 2.0)
    rows = tf.gather(table, [1, 3, 3]) + tf.nn.embedding_lookup(table, [0, 1, 4])
    loss = tf.reduce_sum(tf.tanh(rows * scale)) + tf.reduce_sum(table**2) * scale
    check(loss, [table, scale])


def test_functions_as_loops_and_conditions(variable):
    tf.enable_control_flow_v2()
    w = variable('w', [0.5, -0.5])
    read = tf.identity(w)
    powers = tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, v * tf.sin(read) + read), (0, read))[1]
    chosen = tf.cond(tf.reduce_sum(read) > 0, lambda: powers**2, lambda: powers**4 + read)
    check(tf.reduce_sum(chosen), [w])


def test_only_the_given_variables_change(variable):
    w, other = variable('w', [1.0, 2.0]), variable('other', [3.0, 4.0])
    loss = tf.reduce_sum(tf.exp(w * other / 10))
    objective = Objective(loss, [w, variable('unused', 1.0)])
    assert [v.op.name for v in objective.variables] == ['w'] and objective.size == 2
    check(loss, [w])


def test_random_draws_and_updates_are_those_of_the_graph(variable):
    w, count = variable('w', np.ones(1000)), variable('count', 0.0, trainable=False)
    x = tf.placeholder(tf.float32, [None])
    with tf.control_dependencies([tf.assign_add(count, 1.0)]):
        # The shape of the mask depends on the weights.
        dropped = tf.nn.dropout(x * tf.identity(w), rate=0.5)
    loss = tf.reduce_sum(dropped * tf.range(1000.0))
    objective = Objective(loss, [w])
    again = [objective.loss_at(tf.ones(1000)) for _ in range(3)]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        draws = [session.run([loss, *again], {x: np.ones(1000)}) for _ in range(2)]
        assert session.run(count) == 2
    for original, *copies in draws:
        assert copies == [original] * 3
    assert draws[0][0] != draws[1][0]


def rejected(text):
    return pytest.raises(FlagError, match=text)


def test_a_variable_that_is_read_inside_a_loop_is_rejected_by_name(graph):
    tf.enable_control_flow_v2()
    w = tf.get_variable('recurrent', initializer=[0.5], use_resource=True)
    loss = tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, v * w), (0, tf.ones([1])))[1]
    with rejected(r"variable 'recurrent' is read inside 'while' \((Stateless)?While\), a loop"):
        Objective(tf.reduce_sum(loss), [w])


def test_a_function_that_draws_is_rejected_by_name(graph):
    tf.enable_control_flow_v2()
    w = tf.identity(tf.get_variable('w', initializer=[0.5], use_resource=True))
    loss = tf.cond(w[0] > 0, lambda: w * tf.random.uniform([1]), lambda: w)
    with rejected(r"'cond' draws random numbers inside \('.*random_uniform.*'\)"):
        Objective(tf.reduce_sum(loss), tf.trainable_variables())


def test_v1_control_flow_that_depends_on_a_variable_is_rejected_by_name():
    tf.disable_control_flow_v2()
    try:
        with tf.Graph().as_default():
            w = tf.identity(tf.get_variable('w', initializer=[0.5], use_resource=True))
            # It does not depend on the variable.
            factor = tf.cond(tf.placeholder(tf.bool, []), lambda: 1.0, lambda: 2.0)
            Objective(tf.reduce_sum(w) * factor, tf.trainable_variables())
            loss = tf.cond(w[0] > 0, lambda: w * 2.0, lambda: w)
            with rejected("passes through 'cond_1/.*', a loop or condition of v1 control flow"):
                Objective(tf.reduce_sum(loss), tf.trainable_variables())
    finally:
        tf.enable_control_flow_v2()
