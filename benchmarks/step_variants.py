"""What else was tried to make the training step faster: rows for `train_step.py --variants`."""

from collections.abc import Mapping
from typing import Any

Variant = tuple[str, str, Mapping[str, Any], Mapping[str, str]]

_XLA = {'graph_options': {'optimizer_options': {'global_jit_level': 'ON_2'}}}
_XLA_ON_CPU = {'TF_XLA_FLAGS': '--tf_xla_cpu_global_jit'}
_NO_ONEDNN = {'TF_ENABLE_ONEDNN_OPTS': '0'}


def _threads(intra: int, inter: int) -> dict[str, Any]:
    return {'config': {'intra_op_parallelism_threads': intra, 'inter_op_parallelism_threads': inter}}


def _rewrites(**rewrites: Any) -> dict[str, Any]:
    return {'config': {'graph_options': {'rewrite_options': rewrites}}}


# (name, contender, its options, variables of its process)
VARIANTS: tuple[Variant, ...] = (
    ('no summaries', 'estimator', {'summaries': 0}, {}),
    ('oneDNN off', 'estimator', {}, _NO_ONEDNN),
    ('oneDNN off, BFC allocator', 'estimator', {}, {**_NO_ONEDNN, 'TF_CPU_ALLOCATOR_USE_BFC': '1'}),
    ('oneDNN with the system allocator', 'estimator', {}, {'TF_ONEDNN_USE_SYSTEM_ALLOCATOR': '1'}),
    ('threads: intra-op 2, inter-op 1', 'estimator', _threads(2, 1), {}),
    ('threads: intra-op 1, inter-op 2', 'estimator', _threads(1, 2), {}),
    ('threads: intra-op 4, inter-op 2', 'estimator', _threads(4, 2), {}),
    (
        'threads that do not spin',
        'estimator',
        {'config': {'experimental': {'disable_thread_spinning': True}}},
        {},
    ),
    ('XLA', 'estimator', {'config': _XLA}, _XLA_ON_CPU),
    ('XLA, oneDNN off', 'estimator', {'config': _XLA}, {**_XLA_ON_CPU, **_NO_ONEDNN}),
    ('channels_first', 'estimator', {'network': 'channels_first', 'summaries': 0}, {}),
    ('ReLU behind the pooling', 'estimator', {'network': 'relu_last', 'summaries': 0}, {}),
    ('Grappler off', 'estimator', _rewrites(disable_meta_optimizer=True), {}),
    ('Grappler without fusing (remapping)', 'estimator', _rewrites(remapping='OFF'), {}),
    ('Grappler, two passes', 'estimator', _rewrites(meta_optimizer_iterations='TWO'), {}),
    ('PyTorch', 'pytorch', {}, {}),
    ('PyTorch, channels_last', 'pytorch', {'channels_last': True}, {}),
    ('Keras 3 without XLA', 'keras', {'xla': False}, {}),
    ('Keras 3 with XLA', 'keras', {'xla': True}, {}),
)
