"""Regenerates contrib_tf115.json: what real TensorFlow 1.15.5's tf.contrib computes.

    python3.7 -m pip install tensorflow==1.15.5 'protobuf<3.21' numpy
    python3.7 tests/golden/remake_contrib.py tests/golden/contrib_tf115.json

Inputs and weights are made by formula. The script also runs under `estimator_lab.contrib`, so that both sides
run the same lines.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np

try:
    import estimator_lab.contrib  # noqa: F401
    from estimator_lab.tf1 import tf
except ImportError:  # real TensorFlow 1.15
    import tensorflow as tf


def wave(*shape):
    """Returns float32 numbers by formula, between -1 and 1."""
    return np.sin(np.arange(int(np.prod(shape))) * 0.7 + 0.3).reshape(shape).astype(np.float32)


def weights(shape, dtype=None, partition_info=None):
    """An initializer by formula."""
    return tf.constant(wave(*shape) / 2)


def names(variables):
    return [variable.op.name for variable in variables]


def run(fetches, before=()):
    """Returns what is fetched, as lists, after initialization and the steps in `before`."""
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        session.run(tf.tables_initializer())
        for step in before:
            session.run(step)
        found = session.run(fetches)
    return [np.asarray(each).tolist() for each in found]


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


def initializers():
    tf.set_random_seed(7)
    layers = tf.contrib.layers
    drawn = [
        layers.xavier_initializer(seed=3)([3, 4]),
        layers.xavier_initializer(uniform=False, seed=3)([3, 4]),
        layers.variance_scaling_initializer(seed=3)([2, 2, 3, 4]),
        layers.xavier_initializer_conv2d(seed=5)([2, 2, 1, 2]),
    ]
    x = tf.constant(wave(4))
    penalties = [
        layers.l1_regularizer(0.5)(x),
        layers.l2_regularizer(0.5)(x),
        layers.l1_l2_regularizer(0.5, 0.25)(x),
        layers.apply_regularization(layers.l2_regularizer(0.1), [x, x]),
    ]
    return {'values': run(drawn + penalties), 'zero': layers.l2_regularizer(0.0)(x)}


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


PARSED = """
rate=0.5 | units=[1,2] | units[1]=9 | name=new | flag=true | flag=0 | flag=False | rate=1,units=[3]
rate=x | units=3 | nothing=1 | rate | units=[1,x] | count=1.5 | flag=maybe | rate=1,rate=2
name=[a] | name=a b | tags=[x,y] | tags=[a b] | rates=[1,2.5] | rate=-1e-3 | units[0]=1,units[0]=2
units[5]=1 | count= 3 | name= | rate=1, count=2 | floats[0]=2.5 | a.b=1"""
PARSED = [text.strip() for text in re.split(r'[|\n]', PARSED.strip())]
SET = [
    ('rate', 1),
    ('rate', True),
    ('rate', 'x'),
    ('count', 2.0),
    ('count', True),
    ('flag', 1),
    ('name', 3),
    ('name', 'x'),
    ('units', 3),
    ('units', [1, 2, 3]),
    ('units', [1.5]),
    ('count', [1]),
    ('none', 'x'),
]


def made():
    return tf.contrib.training.HParams(
        rate=0.1, units=[8, 4], name='old', flag=False, count=3, tags=['a', 'b'], rates=[0.1], none=None
    )


def tried(work):
    """Returns what `work` gives, or the name of its error."""
    try:
        return work()
    except (ValueError, TypeError, KeyError) as error:
        return type(error).__name__


def changed(method, *arguments):
    """Returns the values after a call, or the name of its error."""
    params = made()
    return tried(lambda: [getattr(params, method)(*arguments), params.values()][1])


def got(*arguments):
    return tried(lambda: made().get(*arguments))


def hparams():
    return {
        'parsed': {text: changed('parse', text) for text in PARSED},
        'set': [[name, value, changed('set_hparam', name, value)] for name, value in SET],
        'text': str(made()),
        'json': made().to_json(sort_keys=True),
        'from_json': changed('parse_json', '{"rate": 2.0, "units": [1]}'),
        'gets': [got('rate'), got('no', 5), got('no'), got('rate', 'x'), got('units', [1]), got('units', 1)],
        'contains': ['rate' in made(), 'no' in made()],
        'deleted': changed('del_hparam', 'rate'),
        'added': [
            changed('add_hparam', name, value)
            for name, value in [('new', 1), ('rate', 1), ('empty', []), ('parse', 1)]
        ],
        'unknown': changed('set_hparam', 'no', 1),
    }


def crf():
    """Sequences of all lengths, one of no steps among them; a path of tags and the best one."""
    lengths, tags = tf.constant([4, 1, 3, 0]), tf.constant(np.arange(16).reshape(4, 4) % 3)
    potentials, transitions = tf.constant(wave(4, 4, 3)), tf.constant(2 * wave(3, 3))
    likelihood, _ = tf.contrib.crf.crf_log_likelihood(potentials, tags, lengths, transitions)
    decoded = tf.contrib.crf.crf_decode(potentials, transitions, lengths)
    several = tf.contrib.crf.crf_multitag_sequence_score(
        potentials, wave(4, 4, 3) > -0.5, lengths, transitions
    )
    gradients = tf.gradients(likelihood[:3], [potentials, transitions])
    # The tags of no steps are left out: nothing says what they are.
    fetched = [likelihood, decoded[0][:3], decoded[1][:3], several[:3], *gradients]
    _, variable = tf.contrib.crf.crf_log_likelihood(potentials, tags, lengths)
    path, score = tf.contrib.crf.viterbi_decode(wave(4, 3), 2 * wave(3, 3))
    return {
        'values': [*run(fetched), [int(tag) for tag in path], float(score)],
        'variable': [variable.op.name, variable.shape.as_list()],
    }


def fused_lstm():
    """With and without lengths, peepholes and a bound of the state, forwards and backwards."""
    x = tf.constant(wave(5, 3, 4))
    fetched = []
    with tf.variable_scope('net', initializer=weights):
        for peephole, clip, lengths in ((False, None, None), (True, 0.2, [5, 0, 2])):
            cell = tf.contrib.rnn.LSTMBlockFusedCell(2, cell_clip=clip, use_peephole=peephole)
            for network in (cell, tf.contrib.rnn.TimeReversedFusedRNN(cell)):
                outputs, (state, output) = network(x, dtype=tf.float32, sequence_length=lengths)
                fetched += [outputs, state, output]
    gradients = tf.gradients(tf.reduce_sum(fetched[0]), tf.trainable_variables()[:2])
    return {'values': run([*fetched, *gradients]), 'variables': names(tf.trainable_variables())}


def cells():
    """Two steps of each cell, in and out of a wrapper, with gradients."""
    rnn = tf.contrib.rnn
    made = {
        'lstm_block': lambda: rnn.LSTMBlockCell(3),
        'lstm_block_peephole': lambda: rnn.LSTMBlockCell(3, cell_clip=0.3, use_peephole=True),
        'gru_block': lambda: rnn.GRUBlockCell(3),
        'gru_block_2': lambda: rnn.GRUBlockCellV2(cell_size=3),
        'layer_norm': lambda: rnn.LayerNormBasicLSTMCell(8, norm_gain=0.5, norm_shift=0.1),
        'plain': lambda: rnn.LayerNormBasicLSTMCell(3, layer_norm=False, activation=tf.nn.relu),
        'attention': lambda: rnn.AttentionCellWrapper(tf.nn.rnn_cell.GRUCell(3), 2, attn_vec_size=4),
        'attention_flat': lambda: rnn.AttentionCellWrapper(
            tf.nn.rnn_cell.GRUCell(3), 3, attn_size=2, input_size=5, state_is_tuple=False
        ),
    }
    found = {}
    for case, make in made.items():
        with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
            x = tf.constant(wave(2, 4, 5))
            outputs, state = tf.nn.dynamic_rnn(make(), x, dtype=tf.float32)
            kernel = tf.trainable_variables()[0]
            gradient = tf.gradients(tf.reduce_sum(outputs[:, -1]), [kernel, x])
            found[case] = {
                'names': names(tf.global_variables()),
                'shapes': [v.shape.as_list() for v in tf.global_variables()],
                'values': run([outputs, *tf.contrib.framework.nest.flatten(state), *gradient]),
            }
    return found


def filtered():
    """The names of variables that patterns choose."""
    for name in ('conv/weights', 'conv/biases', 'logits/weights', 'global_step'):
        tf.get_variable(name, [])
    choose, everything = tf.contrib.framework.filter_variables, tf.global_variables()
    chosen = [
        choose(everything),
        choose(everything, ['conv'], ['biases', 'logits']),
        choose(everything, None, ['weights$', 'weights:0$']),
        choose(everything, ['weights'], reg_search=False),
        choose(everything, ['l.*weights'], ['conv'], False),
        choose(everything, []),
        choose(everything, ['step'], []),
    ]
    return {'names': [names(each) for each in chosen]}


def cudnn_cells():
    """Two layers of compatible cells, in one direction and both, with lengths, and with gradients."""
    cudnn, rnn = tf.contrib.cudnn_rnn, tf.nn.rnn_cell
    makers = {
        'lstm': lambda: cudnn.CudnnCompatibleLSTMCell(3),
        'gru': lambda: cudnn.CudnnCompatibleGRUCell(3),
        'gru_initialized': lambda: cudnn.CudnnCompatibleGRUCell(3, kernel_initializer=tf.zeros_initializer()),
        'tanh': lambda: rnn.BasicRNNCell(3, tf.tanh),
        'relu': lambda: rnn.BasicRNNCell(3, tf.nn.relu),
    }
    found = {}
    for case, make in makers.items():
        for both in (False, True):
            with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
                x = tf.constant(wave(3, 5, 4))
                if both:
                    outputs, *states = tf.contrib.rnn.stack_bidirectional_dynamic_rnn(
                        [make(), make()], [make(), make()], x, dtype=tf.float32, sequence_length=[5, 0, 2]
                    )
                else:
                    cell = rnn.MultiRNNCell([make(), make()])
                    outputs, states = tf.nn.dynamic_rnn(cell, x, [5, 0, 2], dtype=tf.float32)
                kernels = tf.trainable_variables()
                found[case + '_both' * both] = {
                    'names': names(tf.global_variables()),
                    'shapes': [v.shape.as_list() for v in tf.global_variables()],
                    'values': run(
                        [
                            outputs,
                            *tf.contrib.framework.nest.flatten(states),
                            *tf.gradients(tf.reduce_sum(tf.square(outputs)), [*kernels, x]),
                        ]
                    ),
                }
    return found


def cudnn_layers():
    """What the layers save: real ones need a GPU to run, but not to be built."""
    cudnn = tf.contrib.cudnn_rnn
    found = {}
    for name in ('CudnnLSTM', 'CudnnGRU', 'CudnnRNNTanh', 'CudnnRNNRelu'):
        for direction in ('unidirectional', 'bidirectional'):
            for built in (False, True):
                with tf.Graph().as_default(), tf.variable_scope('net'):
                    layer = getattr(cudnn, name)(2, 3, direction=direction)
                    if built:
                        layer.build([None, None, 4])
                    _, states = layer(tf.zeros([5, 2, 4]))
                    saved = tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
                    kept = [spec.name for each in saved for spec in each.specs]
                    found['/'.join([name, direction, str(built)])] = {
                        'saved': sorted(kept or names(tf.global_variables())),
                        'states': [len(states), layer.state_shape(7)],
                        'about': [layer.num_dirs, layer.rnn_mode, layer.input_size, layer.input_mode],
                    }
    return found


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


def loss_scale():
    """Scales after steps, and variables after scaled steps, one of which is not finite."""
    mixed = tf.contrib.mixed_precision
    scales = []
    with tf.Graph().as_default():
        manager = mixed.ExponentialUpdateLossScaleManager(8.0, 2, 2, 2, 0.25)
        finite = tf.placeholder(tf.bool, [])
        update = manager.update_loss_scale(finite)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for each in [True, True, False, True, False, False, True, True, True, True, False]:
                session.run(update, {finite: each})
                scales.append(float(session.run(manager.get_loss_scale())))
    with tf.Graph().as_default():
        w = tf.get_variable('w', [2], initializer=weights)
        factor = tf.get_variable('factor', [], initializer=tf.constant_initializer(1.0), trainable=False)
        manager = mixed.FixedLossScaleManager(16.0)
        rule = mixed.LossScaleOptimizer(tf.train.MomentumOptimizer(0.1, 0.9), manager)
        train = rule.minimize(factor * tf.reduce_sum(tf.square(w)))
        values = run([w], [train, tf.assign(factor, np.inf), train, tf.assign(factor, 2.0), train])
    return {'values': [scales, *values]}


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


def multilabel():
    """The n-pairs loss of examples with several labels."""
    learning = tf.contrib.losses.metric_learning
    x, y = tf.constant(wave(4, 3)), tf.constant(np.cos(3 * wave(4, 3)))
    sparse = [
        tf.SparseTensor([[index] for index in each], tf.ones([len(each)], tf.int32), [5])
        for each in ([0], [0, 2], [2, 3, 4], [1, 3])
    ]
    loss = learning.npairs_loss_multilabel(sparse, x, y, reg_lambda=0.1)
    return {'values': run([loss, *tf.gradients(loss, [x, y])])}


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
                image.compose_transforms(flat, flat[::-1], flat[0]),
                image.angles_to_projective_transforms([0.1, 0.2], 7.0, 5.0),
                tf.gradients(image.rotate(batch, 0.4, 'BILINEAR'), batch)[0],
            ]
        )
    }


def sparsemax():
    logits = tf.constant(np.concatenate([2 * wave(4, 5), [[0, 0, 0, 0, 0], [100, 1, 2, 3, 99.5]]]))
    labels = tf.one_hot([0, 1, 2, 3, 4, 0], 5, dtype=logits.dtype)
    found = tf.contrib.sparsemax.sparsemax(logits)
    loss = tf.contrib.sparsemax.sparsemax_loss(logits, found, labels)
    return {'values': run([found, loss, tf.gradients(loss, logits)[0]])}


def heads():
    """The specs of heads that custom model functions use: losses, metrics and predictions."""
    made = {
        'binary': (
            tf.contrib.estimator.binary_classification_head,
            {'weight_column': 'w'},
            [[0], [1], [1]],
            1,
        ),
        'classes': (
            tf.contrib.estimator.multi_class_head,
            {'n_classes': 3, 'loss_reduction': tf.losses.Reduction.SUM},
            [[0], [2], [1]],
            3,
        ),
        'regression': (tf.contrib.estimator.regression_head, {'label_dimension': 2}, wave(3, 2), 2),
        'poisson': (tf.contrib.estimator.poisson_regression_head, {}, [[1.0], [0.0], [3.0]], 1),
        'logistic': (tf.contrib.estimator.logistic_regression_head, {}, [[0.2], [1.0], [0.0]], 1),
    }
    found = {}
    for case, (make, more, labels, size) in made.items():
        with tf.Graph().as_default():
            found[case] = specs_of(make(**more), tf.constant(labels), size)
    return found


def specs_of(head, labels, size, split=None, **more):
    """The losses, metrics and predictions of a head, and its logits, mapped by `split`, after a step."""
    tf.train.get_or_create_global_step()
    features = {'w': tf.constant([[1.0], [2.0], [0.5]])}
    variable = tf.get_variable('logits', initializer=wave(3, size))
    logits = split(variable) if split else tf.identity(variable)
    kind = tf.estimator.ModeKeys
    rule = tf.contrib.estimator.clip_gradients_by_norm(tf.train.GradientDescentOptimizer(1.0), 0.1)
    train = head.create_estimator_spec(
        features, kind.TRAIN, logits, labels, train_op_fn=rule.minimize, **more
    )
    summaries = sorted(tensor.op.name for tensor in tf.get_collection(tf.GraphKeys.SUMMARIES))
    evaluate = head.create_estimator_spec(features, kind.EVAL, logits, labels, **more)
    predict = head.create_estimator_spec(features, kind.PREDICT, logits)
    loss = head.create_loss(features, kind.EVAL, logits, labels)
    metrics = sorted(evaluate.eval_metric_ops)
    updates = [evaluate.eval_metric_ops[name][1] for name in metrics]
    keys = sorted(key for key, value in predict.predictions.items() if value.dtype != tf.string)
    outputs = [predict.predictions[key] for key in keys]
    exported = predict.export_outputs['predict'].outputs if 'predict' in predict.export_outputs else {}
    fetched = [train.loss, evaluate.loss, loss[0], *updates, *outputs]
    return {
        'metrics': metrics,
        'predictions': keys,
        'summaries': summaries,
        'exports': sorted(map(str, predict.export_outputs)),
        'exported': sorted(exported),
        'values': [*run(fetched), *run([variable], [train.train_op])],
    }


def multi_heads():
    """Heads for several labels, by number, indicator or text, and for several targets."""
    estimator, reduction = tf.contrib.estimator, tf.losses.Reduction
    places = [[0, 0], [0, 1], [2, 0]]

    def squared(labels, logits):
        return tf.reduce_sum(tf.square(logits - tf.cast(labels, tf.float32)), -1, keepdims=True)

    def by_head(logits):
        return {'a': logits[:, :3], 'b': logits[:, 3:4], 'c': logits[:, 4:]}

    def text():
        return tf.SparseTensor(places, tf.constant(['c', 'a', 'b']), [3, 2])

    def of_numbers():
        return tf.SparseTensor(places, tf.constant([2, 0, 1], tf.int64), [3, 2])

    def indicators():
        return tf.constant([[1, 0, 1], [0, 0, 0], [0, 1, 0]])

    weighted = {'weight_column': 'w', 'thresholds': [0.3, 0.6], 'classes_for_class_based_metrics': [0, 2]}
    by_text = {'label_vocabulary': ['a', 'b', 'c'], 'classes_for_class_based_metrics': ['b'], 'name': 'm'}
    cases = {
        'indicators': (indicators, weighted),
        'numbers': (of_numbers, {'loss_reduction': reduction.SUM, 'weight_column': 'w', 'name': 'm'}),
        'text': (text, by_text),
        'own_loss': (indicators, {'loss_fn': squared}),
    }
    found = {}
    for case, (labels, more) in cases.items():
        with tf.Graph().as_default():
            head = estimator.multi_label_head(3, **more)
            found[case] = specs_of(head, labels(), 3)
    with tf.Graph().as_default():
        head = estimator.multi_label_head(3, loss_reduction=reduction.SUM)
        penalty = [tf.constant(0.5), tf.constant(0.25)]
        found['penalty'] = specs_of(head, of_numbers(), 3, regularization_losses=penalty)
    for case, weights_of_heads in (('several', None), ('several_weighted', [1.0, 0.5, 2.0])):
        with tf.Graph().as_default():
            members = [
                estimator.multi_class_head(3, name='a', weight_column='w'),
                estimator.regression_head(name='b'),
                estimator.multi_label_head(2, name='c', thresholds=[0.5]),
            ]
            labels = {
                'a': tf.constant([[0], [2], [1]]),
                'b': tf.constant(wave(3, 1)),
                'c': tf.constant([[1, 0], [1, 1], [0, 0]]),
            }
            split = by_head if weights_of_heads else None
            head = estimator.multi_head(members, weights_of_heads)
            found[case] = {'name': head.name, **specs_of(head, labels, head.logits_dimension, split)}
    return found


def attention():
    """The outputs, states and gradients of four steps with each kind of attention."""
    seq2seq = tf.contrib.seq2seq
    lengths = [4, 2, 5]
    cases = {
        'luong': (lambda m: seq2seq.LuongAttention(3, m, lengths), {}),
        'luong_scale': (
            lambda m: seq2seq.LuongAttention(3, m, scale=True),
            {'attention_layer_size': 2, 'alignment_history': True},
        ),
        'bahdanau': (
            lambda m: seq2seq.BahdanauAttention(4, m, lengths),
            {'attention_layer_size': 2, 'output_attention': False},
        ),
        'bahdanau_normed': (lambda m: seq2seq.BahdanauAttention(4, m, lengths, normalize=True), {}),
        'luong_monotonic': (lambda m: seq2seq.LuongMonotonicAttention(3, m, lengths, scale=True), {}),
        'bahdanau_monotonic': (
            lambda m: seq2seq.BahdanauMonotonicAttention(
                4, m, lengths, normalize=True, score_bias_init=-0.5, mode='recursive'
            ),
            {},
        ),
        'hard': (lambda m: seq2seq.BahdanauMonotonicAttention(4, m, lengths, mode='hard'), {}),
        'several': (
            lambda m: [seq2seq.LuongAttention(3, m, lengths), seq2seq.BahdanauAttention(4, m, lengths)],
            {'attention_layer_size': [2, 3], 'alignment_history': True},
        ),
    }
    found = {}
    for case, (make, more) in cases.items():
        with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
            memory = tf.constant(wave(3, 5, 4))
            cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(3), make(memory), **more)
            helper = seq2seq.TrainingHelper(tf.constant(wave(3, 4, 2)), [3, 4, 1])
            decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(3, tf.float32))
            outputs, state, steps = seq2seq.dynamic_decode(decoder, impute_finished='luong' in case)
            history = state.alignment_history
            history = [] if history == () else history if isinstance(history, tuple) else [history]
            fetched = [
                *(outputs.rnn_output, outputs.sample_id, steps, state.attention, state.time),
                *tf.contrib.framework.nest.flatten([state.alignments, state.cell_state]),
                *[array.stack() for array in history],
            ]
            total = tf.reduce_sum(outputs.rnn_output)
            fetched += tf.gradients(total, tf.trainable_variables(), unconnected_gradients='zero')
            found[case] = {
                'names': names(tf.global_variables()),
                'shapes': [v.shape.as_list() for v in tf.global_variables()],
                'values': run(fetched),
            }
    return found


def decoding():
    """Greedy decoding, helpers of the user, scheduled sampling that is certain or impossible."""
    seq2seq = tf.contrib.seq2seq
    found = {}
    inputs, table = tf.constant(wave(3, 4, 6)), tf.constant(2 * wave(6, 6))

    def output_sampled(outputs):
        return seq2seq.InferenceHelper(
            lambda logits: tf.tanh(logits),
            [6],
            tf.float32,
            inputs[:, 0],
            lambda values: values[:, 0] > outputs,
            lambda values: values + 0.5,
        )

    def custom():
        return seq2seq.CustomHelper(
            lambda: (tf.fill([3], False), inputs[:, 0]),
            lambda time, outputs, state: tf.argmax(outputs, -1, output_type=tf.int32),
            lambda time, outputs, state, sample_ids: (sample_ids > 4, outputs * 0.5, state),
        )

    def scheduled(probability):
        return seq2seq.ScheduledEmbeddingTrainingHelper(inputs, [4, 0, 2], table, probability)

    def fed_back(probability, more=None):
        return seq2seq.ScheduledOutputTrainingHelper(
            inputs, [4, 3, 2], probability, auxiliary_inputs=more, next_inputs_fn=tf.sigmoid
        )

    cases = {
        'greedy': (lambda: seq2seq.GreedyEmbeddingHelper(table, [0, 1, 2], 3), {'maximum_iterations': 7}),
        'no_steps': (lambda: seq2seq.GreedyEmbeddingHelper(table, [0, 1, 2], 3), {'maximum_iterations': 0}),
        'time_major': (lambda: seq2seq.TrainingHelper(inputs, [4, 0, 2]), {'output_time_major': True}),
        'imputed': (lambda: seq2seq.TrainingHelper(inputs, [4, 0, 2]), {'impute_finished': True}),
        'inference': (lambda: output_sampled(0.3), {'maximum_iterations': 4}),
        'custom': (custom, {'maximum_iterations': 5}),
        'never': (lambda: scheduled(0.0), {}),
        'own_outputs': (lambda: fed_back(1.0), {}),
        'own_outputs_never': (lambda: fed_back(0.0, tf.constant(wave(3, 4, 2))), {}),
        'cold': (
            lambda: seq2seq.SampleEmbeddingHelper(table, [0, 1, 2], 3, softmax_temperature=1e-5),
            {'maximum_iterations': 7},
        ),
    }
    for case, (make, more) in cases.items():
        with tf.variable_scope(case, initializer=weights):
            cell = tf.nn.rnn_cell.LSTMCell(4)
            layer = tf.layers.Dense(6, name='logits')
            start = cell.zero_state(3, tf.float32)
            decoder = seq2seq.BasicDecoder(cell, make(), start, layer)
            outputs, state, steps = seq2seq.dynamic_decode(decoder, **more)
            fetched = [outputs.rnn_output, outputs.sample_id, steps, *state]
            mine = [v for v in tf.global_variables() if v.op.name.startswith(case + '/')]
            found[case] = {'names': names(mine), 'values': run(fetched)}
    return found


def beam_search():
    """With and without penalties and attention."""
    seq2seq = tf.contrib.seq2seq
    found = {}
    cases = {
        'plain': {},
        'length': {'length_penalty_weight': 0.8},
        'coverage': {'length_penalty_weight': 0.5, 'coverage_penalty_weight': 0.3},
        'no_steps_left': {},
    }
    for case, more in cases.items():
        with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
            table = tf.constant(3 * wave(5, 2))
            memory = tf.placeholder_with_default(wave(2, 4, 3), [2, None, 3])
            memory = seq2seq.tile_batch(memory, 3)
            lengths = seq2seq.tile_batch(tf.constant([4, 2]), 3)
            cell = tf.nn.rnn_cell.GRUCell(3)
            start = seq2seq.tile_batch(tf.constant(2 * wave(2, 3)), 3)
            if case in ('coverage', 'length'):
                mechanism = seq2seq.BahdanauAttention(4, memory, lengths if case == 'length' else None)
                cell = seq2seq.AttentionWrapper(
                    cell, mechanism, attention_layer_size=3, alignment_history=case == 'length'
                )
                start = cell.zero_state(6, tf.float32).clone(cell_state=start)
            decoder = seq2seq.BeamSearchDecoder(
                cell, table, [0, 1], 2, start, 3, tf.layers.Dense(5, name='logits'), **more
            )
            limit = 1 if case == 'no_steps_left' else 8
            outputs, state, steps = seq2seq.dynamic_decode(decoder, maximum_iterations=limit)
            fetched = [
                *(outputs.predicted_ids, *outputs.beam_search_decoder_output, steps),
                *(state.log_probs, state.finished, state.lengths),
            ]
            if case == 'length':
                fetched.append(state.cell_state.alignment_history)
            if case == 'coverage':
                fetched.append(state.accumulated_attention_probs)
            found[case] = {'names': names(tf.global_variables()), 'values': run(fetched)}
    ids = np.arange(24).reshape(4, 2, 3) % 7
    parents = (np.arange(24) * 5 % 3).reshape(4, 2, 3)
    trees = [
        seq2seq.gather_tree(tf.constant(ids, tf.int32), tf.constant(parents, tf.int32), lengths, end)
        for lengths, end in (([4, 2], 6), ([3, 0], 20), ([9, 4], 1))
    ]
    found['trees'] = {'values': run(trees)}
    return found


def sequence_losses():
    seq2seq = tf.contrib.seq2seq
    logits, targets = tf.constant(wave(2, 3, 4)), tf.constant([[0, 1, 2], [3, 0, 1]])
    mask = tf.constant([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    found = []
    for time, batch in ((True, True), (True, False), (False, True), (False, False)):
        found.append(seq2seq.sequence_loss(logits, targets, mask, time, batch))
        found.append(seq2seq.sequence_loss(logits, targets, mask, False, False, time, batch))
    p = tf.sigmoid(tf.constant(3 * wave(2, 4)))
    before = tf.nn.softmax(tf.constant(wave(2, 4)))
    found += [seq2seq.monotonic_attention(p, before, mode) for mode in ('recursive', 'parallel')]
    found.append(seq2seq.monotonic_attention(tf.round(p), before, 'hard'))
    found += [seq2seq.safe_cumprod(p, axis=1), seq2seq.hardmax(p)]
    return {'values': run(found)}


PARTS = [
    *(fully_connected, layer_norm, batch_norm, optimize_loss, initializers, optimizers, metrics, hparams),
    *(crf, fused_lstm, cells, wrappers, loss_scale, embeddings, images, sparsemax, heads),
    *(multilabel, multi_heads, filtered, cudnn_cells, cudnn_layers),
    *(attention, decoding, beam_search, sequence_losses),
]


def everything():
    """Returns {part: figures}."""
    found = {}
    for part in PARTS:
        with tf.Graph().as_default():
            found[part.__name__] = part()
    return found


if __name__ == '__main__':
    figures = everything()
    figures['version'] = tf.__version__
    parts = [f' "{name}": {json.dumps(figures[name], sort_keys=True)}' for name in sorted(figures)]
    Path(sys.argv[1]).write_text('{\n' + ',\n'.join(parts) + '\n}\n')
