"""The drawings of the built-in faces, on which the figures of the documentation depend."""

import numpy as np
from PIL import Image

from estimator_lab.data.demo_sets.faces import STREAMS, draw_face, generator, make_identities
from tests.support.places import GOLDEN


def thumbnails():
    """Grey levels of one image each of 14 identities, which have all variants: float32 [14, 12, 12]."""
    images = [
        draw_face(person, generator(STREAMS['train'], number, 1 + number))
        for number, person in enumerate(make_identities(14))
    ]
    small = [image.convert('L').resize((12, 12), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(image, np.float32) for image in small])


def test_faces_are_drawn_as_ever():
    """Other faces need a new DEMO_VERSION, and `np.save(GOLDEN / 'faces.npy', np.uint8(thumbnails()))`."""
    assert np.abs(thumbnails() - np.load(GOLDEN / 'faces.npy')).max() <= 1  # grey levels, for another Pillow
