"""The example of a generative adversarial network, on a few images."""

import importlib

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.demo_sets.archives import DemoPaths
from estimator_lab.tf1 import tf
from tests.places import ROOT


def test_the_example_makes_images_of_noise(archive, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / 'examples'))
    out = tmp_path / 'fakes.png'
    fakes = importlib.import_module('gan').main(DemoPaths(archive, archive), steps=3, out=out)
    tf.reset_default_graph()
    assert fakes.shape == (32, 32, 32, 1) and 0 <= fakes.min() < fakes.max() <= 1
    assert np.abs(fakes[0] - fakes[1]).max() > 0
    assert Image.open(out).size[0] > 8 * 96
