"""Layers, losses, optimizers and metrics. Part of remake_contrib.py."""

from contrib_shared import names, run, tf, wave, weights


def fully_connected():
    x = tf.constant(wave(3, 4))
    y = tf.contrib.layers.fully_connected(
        x, 5, weights_initializer=weights, weights_regularizer=tf.contrib.layers.l2_regularizer(0.1)
    )
    y = tf.contrib.layers.fully_connected(
        y, 2, activation_fn=None, normalizer_fn=tf.contrib.layers.layer_norm, weights_initializer=weights
    )
    deep = tf.contrib.layers.fully_connected(
        tf.constant(wave(2, 3, 4)), 2, tf.tanh, weights_initializer=weights, scope='deep'
    )
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    return {
        'names': names(tf.global_variables()),
        'model': names(tf.get_collection(tf.GraphKeys.MODEL_VARIABLES)),
        'values': run([y, deep, losses[0]]),
    }


def layer_norm():
    x = tf.constant(wave(2, 3, 4))
    plain = tf.contrib.layers.layer_norm(x)
    last = tf.contrib.layers.layer_norm(x, begin_norm_axis=-1, begin_params_axis=-1, scope='last')
    both = tf.contrib.layers.layer_norm(
        x, begin_params_axis=1, center=False, activation_fn=tf.nn.relu, scope='both'
    )
    shapes = [variable.shape.as_list() for variable in tf.global_variables()]
    return {'names': names(tf.global_variables()), 'shapes': shapes, 'values': run([plain, last, both])}


def batch_norm():
    found = {}
    for case, shape, more in [
        ('matrix', (6, 3), {}),
        ('images', (2, 3, 3, 2), {'scale': True, 'decay': 0.9}),
        ('plain', (6, 3), {'fused': False, 'decay': 0.9}),
        ('sequence', (2, 4, 3), {'decay': 0.9, 'scale': True}),
    ]:
        with tf.Graph().as_default():
            x = tf.constant(2 * wave(*shape) + 1)
            y = tf.contrib.layers.batch_norm(x, is_training=True, scope='bn', **more)
            z = tf.contrib.layers.batch_norm(x, is_training=False, scope='bn', reuse=True, **more)
            updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
            averages = [v for v in tf.global_variables() if 'moving' in v.op.name]
            found[case] = {
                'names': names(tf.global_variables()),
                'trainable': names(tf.trainable_variables()),
                'values': run([y, z, *averages], [updates, updates]),
            }
    with tf.Graph().as_default():
        y = tf.contrib.layers.batch_norm(tf.constant(wave(4, 2)), updates_collections=None, decay=0.5)
        average = [v for v in tf.global_variables() if 'moving_mean' in v.op.name]
        found['in_place'] = {'values': run(average, [y])}
    return found


def optimize_loss():
    def decay(rate, step):
        return rate / (1.0 + tf.cast(step, tf.float32))

    def adagrad(rate):
        return tf.train.AdagradOptimizer(rate)

    cases = {
        'sgd': {'optimizer': 'SGD'},
        'momentum_clipped': {'optimizer': 'Momentum', 'clip_gradients': 0.5},
        'adam_decay': {'optimizer': 'Adam', 'learning_rate_decay_fn': decay},
        'multiplied': {'optimizer': tf.train.GradientDescentOptimizer, 'gradient_multipliers': {'w:0': 3.0}},
        'function': {'optimizer': adagrad, 'increment_global_step': False},
    }
    found = {}
    for case, more in cases.items():
        with tf.Graph().as_default():
            step = tf.train.get_or_create_global_step()
            w = tf.get_variable('w', [2], initializer=weights)
            loss = tf.reduce_sum(tf.square(w - [1.0, -2.0]))
            train = tf.contrib.layers.optimize_loss(loss, step, 0.1, **more)
            found[case] = {
                'names': names(tf.global_variables()),
                'values': run([w, step], [train, train]),
                'summaries': sorted(tensor.op.name for tensor in tf.get_collection(tf.GraphKeys.SUMMARIES)),
            }
    return found


def optimizers():
    opt = tf.contrib.opt
    extended = opt.extend_with_decoupled_weight_decay(tf.train.GradientDescentOptimizer)
    cases = {
        'adamw': lambda: opt.AdamWOptimizer(0.01, 0.1),
        'adamw_some': lambda: opt.AdamWOptimizer(0.01, 0.1),
        'momentumw': lambda: opt.MomentumWOptimizer(0.01, 0.1, 0.9),
        'lazy_adam': lambda: opt.LazyAdamOptimizer(0.1),
        'extended': lambda: extended(0.01, learning_rate=0.1),
    }
    found = {}
    for case, make in cases.items():
        with tf.Graph().as_default():
            w = tf.get_variable('w', [4, 2], initializer=weights, use_resource=True)
            v = tf.get_variable('v', [2], initializer=weights, use_resource=True)
            rows = tf.nn.embedding_lookup(w, [0, 2]) if case == 'lazy_adam' else w
            loss = tf.reduce_sum(tf.square(rows - v))
            # 1.15's minimize() loses the list on its way to apply_gradients().
            rule = make()
            some = {'decay_var_list': [v]} if case == 'adamw_some' else {}
            train = rule.apply_gradients(rule.compute_gradients(loss), **some)
            found[case] = {'names': names(tf.global_variables()), 'values': run([w, v], [train] * 3)}
    return found


def metrics():
    predictions, labels = tf.constant([0.1, 0.4, 0.6, 0.9]), tf.constant([0, 1, 0, 1])
    m = tf.contrib.metrics
    rounded = tf.cast(predictions > 0.5, tf.int32)
    f1 = m.f1_score(labels, predictions)
    accuracy = m.streaming_accuracy(rounded, labels)
    precision = m.streaming_precision(rounded, labels)
    values, updates = m.aggregate_metric_map({'a': accuracy, 'p': precision})
    updates = [*updates.values(), f1[1]]
    return {'values': run([values['a'], values['p'], f1[0], m.accuracy(rounded, labels)], [updates])}
