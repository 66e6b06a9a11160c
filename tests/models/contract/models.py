"""The models under test, at sizes in which a step is quick."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from estimator_lab.core.registry import find_model
from tests.models.contract.subject import Subject

SMALL: Mapping[str, Mapping[str, Any]] = {
    'autoencoder': {'layers': '6-3'},
    'cnn': {'filters': 2, 'dense_units': 8},
    'dbn': {'layers': '6-5', 'pretrain_epochs': 0.5},
    'gan': {'filters': '2', 'latent_size': 3},
    'mlp': {'layers': '16-8'},
    'rbm': {'hidden_units': 6},
    'recurrent': {'layers': '6'},
    'resnet': {'depth': 18, 'filters': 1},
    'recursive': {'units': 6, 'embedding_units': 5},
    'style': {'filters': '2', 'blocks': 1},
    'vgg': {'depth': 11, 'filters': 1, 'dense_units': 3, 'batch_norm': True},
}
"""Hyper-parameters by model."""

SHAPES = {'resnet': (32, 32, 1), 'vgg': (32, 32, 1)}
"""Shapes of images other than 8x8x1: five halvings need 32 pixels."""


def shape_of(name: str) -> tuple[int, int, int]:
    """Returns (height, width, channels) of a model's images."""
    return SHAPES.get(name, (8, 8, 1))


def subject_of(name: str, folder: Path) -> Subject:
    """Returns a model of the registry as a subject with an empty folder of its own."""
    return Subject(find_model(name), SMALL[name], shape_of(name), folder)
