"""The example of one picture that is painted by L-BFGS, with random filters."""

import importlib

import numpy as np
import pytest
from PIL import Image

from estimator_lab.tf1 import tf
from tests.archive_files import encoded, picture
from tests.places import ROOT


def test_the_loss_goes_down_and_the_picture_has_the_photos_shape(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / 'examples'))
    example = importlib.import_module('artistic_style')
    for seed, name in enumerate(('photo.png', 'style.png')):
        (tmp_path / name).write_bytes(encoded(picture(seed, 40, 60)))
    places = [tmp_path / name for name in ('photo.png', 'style.png', 'out.png')]
    losses = {}
    for iterations in (0, 8):
        given = example.parse([*map(str, places), f'--iterations={iterations}', '--size=48'])
        losses[iterations] = example.main(given)
    tf.reset_default_graph()
    assert losses[8] < 0.5 * losses[0]
    with Image.open(tmp_path / 'out.png') as painted, Image.open(tmp_path / 'photo.png') as photo:
        assert painted.size == (48, 32)
        distance = np.abs(np.asarray(painted, float) - np.asarray(photo.resize((48, 32)), float)).mean()
    assert distance > 1, 'it is no longer the photo'
