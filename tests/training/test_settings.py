"""Settings are declared once: flags, help page and defaults are made from them."""

import dataclasses

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_of
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.training.inputs import check_settings_for
from estimator_lab.training.settings import Settings
from tests.support.kinds import TextFile


def test_every_setting_is_declared():
    assert set(settings_of(Settings)) == {field.name for field in dataclasses.fields(Settings)}


def test_a_setting_of_another_kind_is_refused():
    texts = TextFile()
    with pytest.raises(FlagError, match='image_size is for images, but model=cnn takes texts'):
        check_settings_for(texts, Settings(image_size=64), [IMAGES, texts])
    check_settings_for(texts, Settings(epochs=3), [IMAGES, texts])
    check_settings_for(IMAGES, Settings(image_size=64), [IMAGES, texts])
