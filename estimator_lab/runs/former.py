"""Hyper-parameters of earlier versions, whose folders open as long as these made the networks of today."""

from typing import Any

# Those that only training used, and the values with which the others made the networks of today.
_OF_TRAINING = (
    *('mixup', 'cutmix', 'sparse_initialization', 'loop', 'states', 'memory', 'iterations'),
    *('line_search_steps', 'cg_steps', 'curvature_share', 'damping', 'embedding_range'),
    *('content_weight', 'tv_weight', 'style_size'),
    *('discriminator_learning_rate', 'beta1', 'beta2', 'epsilon', 'loss', 'gradient_penalty', 'r1'),
    *('augment_both', 'discriminator_steps', 'average_decay', 'dropout_rate', 'noise', 'input_noise'),
    *('layers', 'generator_layers', 'masking', 'pretrain_weight_decay', 'initial_momentum', 'dream_from'),
    *('label_smoothing', 'dream_steps', 'sparsity_target', 'sparsity_cost', 'initial_momentum_steps'),
)
_OF_NETWORKS = {
    **{'variant': 'v1.5', 'forget_bias': 1.0, 'permutation_seed': 1, 'patch_margin': 2},
    **{'kind': 'convolutional', 'normalization': 'spectral', 'semi_supervised': False},
    **{'labels_in_top': False, 'pretraining': 'rbm', 'tied': False, 'decoder_layers': ''},
    **{'code_activation': 'linear'},
}


def is_former(name: str, value: Any) -> bool:
    """Returns whether a hyper-parameter of an earlier version has no effect on the trained network."""
    return name in _OF_TRAINING or (name in _OF_NETWORKS and value == _OF_NETWORKS[name])
