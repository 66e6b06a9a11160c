"""A TF1 program with a canned estimator, whose optimizer is one line.

    python digits_program.py ARCHIVE_TRAIN ARCHIVE_TEST on|off OPTIMIZER...

'on' and 'off' are TensorFlow's v2 behaviour. Prints for each optimizer its name, the accuracy on some test
digits, and the steps.
"""

import itertools
import sys
import tempfile

import numpy as np

from estimator_lab import optimizers
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.tf1 import tf

# The line of the program that changes.
OPTIMIZERS = {
    'adam': lambda: tf.train.AdamOptimizer(0.01),
    'lbfgs': lambda: optimizers.LBFGSOptimizer(),
    'conjugate_gradient': lambda: optimizers.ConjugateGradientOptimizer(),
    'hessian_free': lambda: optimizers.HessianFreeOptimizer(optimizers.HessianFreeSettings(damping=1.0)),
}


def digits(archive, count):
    """Returns some images of an archive, float32 [count, 784] in [0, 1], and labels int32 [count]."""
    members = list(itertools.islice(stream_members(archive), count))
    images = np.stack([decode_image(member.data, 28, 28) for member in members])
    labels = np.array([int(label_of(member.name)) for member in members], np.int32)
    return images.reshape(len(members), -1).astype(np.float32) / 255, labels


def input_fn(images, labels, repeat):
    def make():
        dataset = tf.data.Dataset.from_tensor_slices(({'pixels': images}, labels))
        dataset = dataset.batch(1000)  # all examples, for second-order methods
        return dataset.repeat() if repeat else dataset

    return make


def main(train_archive, test_archive, v2, *names):
    if v2 == 'off':
        tf.disable_v2_behavior()
    train, test = digits(train_archive, 1000), digits(test_archive, 500)
    for name in names:
        found = trained(train, test, OPTIMIZERS[name]())
        print(f'{name} {found["accuracy"]:.3f} {found["global_step"]}')


def trained(train, test, optimizer):
    """Returns the evaluation of the program with an optimizer."""
    with tempfile.TemporaryDirectory() as model_dir:
        estimator = tf.estimator.DNNClassifier(
            hidden_units=[32],
            feature_columns=[tf.feature_column.numeric_column('pixels', shape=784)],
            n_classes=10,
            optimizer=optimizer,
            # TF1's losses are sums.
            loss_reduction=tf.losses.Reduction.SUM_OVER_BATCH_SIZE,
            config=tf.estimator.RunConfig(model_dir, tf_random_seed=1),
        )
        # Stopped once and resumed.
        for steps in (15, 30):
            estimator.train(input_fn(*train, repeat=True), max_steps=steps)
        return estimator.evaluate(input_fn(*test, repeat=False))


if __name__ == '__main__':
    main(*sys.argv[1:])
