"""Regenerates document_cnn_tf115.json, under real TensorFlow 1.15.5 (Python 3.7).

    pip install tensorflow==1.15.5 'protobuf<3.21' numpy
    python tests/golden/remake_document_cnn.py > tests/golden/document_cnn_tf115.json

The network is that of the notes, run with dropout off: five steps of gradient descent (rate 0.001) on one
image with the constant label 1. Weights and image are made by formula in `inputs.py`, so that any version
of TensorFlow can start from the same numbers.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent))
from inputs import image, weights


def network(images):
    x = tf.reshape(images, [-1, 128, 128, 1])
    for _ in range(2):
        x = tf.layers.conv2d(x, 32, (5, 5), padding='same', activation=tf.nn.relu)
        x = tf.layers.max_pooling2d(x, (2, 2), strides=2)
    x = tf.layers.dense(tf.reshape(x, [-1, 32 * 32 * 32]), 1024, activation=tf.nn.relu)
    return tf.layers.dense(tf.layers.dropout(x, 0.4, training=False), 10)


def main():
    step = tf.train.create_global_step()
    logits = network(tf.constant(image()))
    loss = tf.losses.sparse_softmax_cross_entropy(tf.constant([1]), logits)
    train_op = tf.train.GradientDescentOptimizer(0.001).minimize(loss, global_step=step)
    variables = tf.trainable_variables()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in variables:
            variable.load(weights(variable.op.name, variable.shape.as_list()), session)
        figures = {
            'variables': [[v.op.name, v.shape.as_list(), v.dtype.base_dtype.name] for v in variables],
            'global_variables': [v.op.name for v in tf.global_variables()],
            'logits': session.run(logits).tolist(),
            'losses': [float(session.run([loss, train_op])[0]) for _ in range(5)],
            'logits_after_5': session.run(logits).tolist(),
            'version': tf.__version__,
        }
    print(json.dumps(figures, indent=1))


if __name__ == '__main__':
    main()
