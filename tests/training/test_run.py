import pytest

from estimator_lab.data.images.kind import IMAGES
from estimator_lab.errors import FlagError
from estimator_lab.training.run import check_kind
from estimator_lab.training.settings import Settings
from tests.kinds import TextFile

TEXTS = TextFile()


def test_a_setting_of_another_kind_is_refused():
    with pytest.raises(FlagError, match='--image_size is for images, but --model=cnn takes texts'):
        check_kind(TEXTS, Settings(image_size=64), [IMAGES, TEXTS])
    check_kind(TEXTS, Settings(epochs=3), [IMAGES, TEXTS])
    check_kind(IMAGES, Settings(image_size=64), [IMAGES, TEXTS])
