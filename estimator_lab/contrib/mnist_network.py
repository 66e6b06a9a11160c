"""The network of TensorFlow's tutorial for MNIST, ``tensorflow.examples.tutorials.mnist.mnist``.

Two hidden layers of rectified units and a softmax, with the variables `hidden1/weights`, `hidden1/biases`,
`hidden2/...` and `softmax_linear/...`.
"""

from estimator_lab.tf1 import Operation, Tensor, tf

NUM_CLASSES = 10
IMAGE_SIZE = 28
IMAGE_PIXELS = IMAGE_SIZE * IMAGE_SIZE


def inference(images: Tensor, hidden1_units: int, hidden2_units: int) -> Tensor:
    """Returns the logits float32 [batch, 10] of images float32 [batch, 784]."""
    hidden1 = tf.nn.relu(_linear('hidden1', images, IMAGE_PIXELS, hidden1_units))
    hidden2 = tf.nn.relu(_linear('hidden2', hidden1, hidden1_units, hidden2_units))
    return _linear('softmax_linear', hidden2, hidden2_units, NUM_CLASSES)


def _linear(name: str, x: Tensor, size: int, units: int) -> Tensor:
    with tf.name_scope(name):
        weights = tf.Variable(tf.truncated_normal([size, units], stddev=size**-0.5), name='weights')
        return tf.matmul(x, weights) + tf.Variable(tf.zeros([units]), name='biases')


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the mean cross-entropy of labels, integers [batch]."""
    return tf.losses.sparse_softmax_cross_entropy(labels=tf.cast(labels, tf.int64), logits=logits)


def training(loss: Tensor, learning_rate: float) -> Operation:
    """Returns the operation of a step of gradient descent, which counts the variable `global_step`."""
    tf.summary.scalar('loss', loss)
    step = tf.Variable(0, name='global_step', trainable=False)
    return tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, global_step=step)


def evaluation(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the number of labels whose logit is the largest, int32."""
    return tf.reduce_sum(tf.cast(tf.nn.in_top_k(logits, labels, 1), tf.int32))
