"""Optimizers around others, metric learning and images. Part of remake_contrib.py."""

import numpy as np
from contrib_shared import names, run, tf, wave, weights


def wrappers():
    """Optimizers that change another one, and LARS."""
    opt = tf.contrib.opt
    lars = {'weight_decay': 0.1, 'eeta': 0.2}

    def clipped():
        return tf.contrib.estimator.clip_gradients_by_norm(tf.train.MomentumOptimizer(0.1, 0.9), 0.5)

    cases = {
        'clip': clipped,
        'lars': lambda: opt.LARSOptimizer(0.5, **lars),
        'lars_skip': lambda: opt.LARSOptimizer(0.5, skip_list=['v'], use_nesterov=True, epsilon=0.1, **lars),
        'average': lambda: opt.MovingAverageOptimizer(tf.train.AdamOptimizer(0.1), 0.5),
    }
    found = {}
    for case, make in cases.items():
        with tf.Graph().as_default():
            w = tf.get_variable('w', [4, 2], initializer=weights, use_resource=True)
            v = tf.get_variable('v', [2], initializer=weights, use_resource=True)
            rule = make()
            train = rule.minimize(tf.reduce_sum(tf.square(w - v - 1)))
            more = []
            if case == 'average':
                more = [variable for variable in tf.global_variables() if 'Moving' in variable.op.name]
            found[case] = {
                'names': names(tf.global_variables()),
                'values': run([w, v, *more], [train] * 3),
            }
    return found


def embeddings():
    learning = tf.contrib.losses.metric_learning
    labels = tf.constant([0, 1, 0, 2, 1, 0])
    x, y = tf.constant(wave(6, 4)), tf.constant(np.cos(3 * wave(6, 4)))
    losses = [
        learning.contrastive_loss(tf.constant([1, 0, 1, 0, 0, 1]), x, y, 2.0),
        learning.triplet_semihard_loss(labels, x),
        learning.triplet_semihard_loss(labels, tf.nn.l2_normalize(y, 1), margin=0.1),
        learning.npairs_loss(labels, x, y, reg_lambda=0.1),
        learning.lifted_struct_loss(labels, y),
    ]
    gradients = [tf.gradients(loss, [x, y], unconnected_gradients='zero') for loss in losses]
    return {'values': run([*losses, *(each for pair in gradients for each in pair)])}


def images():
    image = tf.contrib.image
    batch = tf.constant(wave(2, 5, 4, 3))
    flat = tf.constant([[1.0, 0.2, 0.5, -0.1, 0.9, 1.0, 0.01, 0.0], [1, 0, -1, 0, 1, 0.5, 0, 0.02]])
    return {
        'values': run(
            [
                image.rotate(batch, [0.3, -1.2], 'BILINEAR'),
                image.rotate(batch[0], np.pi / 2),
                image.transform(batch, flat, 'BILINEAR'),
                image.transform(batch[0, :, :, 0], flat[0], output_shape=[3, 6]),
                image.translate(batch, [[1.0, -0.5], [0.25, 2.0]], 'BILINEAR'),
                image.angles_to_projective_transforms([0.1, 0.2], 7.0, 5.0),
                tf.gradients(image.rotate(batch, 0.4, 'BILINEAR'), batch)[0],
            ]
        )
    }
