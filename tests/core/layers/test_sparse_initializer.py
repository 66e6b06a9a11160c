import numpy as np

from estimator_lab.core.layers.dense import SparseInitializer
from estimator_lab.tf1 import tf


def kernels(seed, *shapes, incoming=15):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)
        made = [
            tf.get_variable(f'kernel_{n}', shape, initializer=SparseInitializer(incoming))
            for n, shape in enumerate(shapes)
        ]
        session.run(tf.global_variables_initializer())
        return session.run(made)


def test_each_unit_has_fifteen_incoming_weights_of_deviation_1():
    (kernel,) = kernels(1, (200, 1000))
    assert np.all((kernel != 0).sum(axis=0) == 15)
    drawn = kernel[kernel != 0]
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.03
    # Every input is listened to: 75 units on average.
    assert (kernel != 0).sum(axis=1).min() > 30


def test_units_with_few_inputs_have_all_weights():
    assert np.all(kernels(1, (4, 6))[0] != 0)
    assert np.all((kernels(1, (30, 6), incoming=3)[0] != 0).sum(axis=0) == 3)


def test_the_seed_decides_and_kernels_differ():
    one, other = kernels(1, (40, 40), (40, 40))
    assert not np.array_equal(one, other)
    assert np.array_equal(kernels(1, (40, 40), (40, 40)), [one, other])
    assert not np.array_equal(kernels(2, (40, 40))[0], one)
