import numpy as np

from estimator_lab.data.decoded_cache import DecodedCache, cache_for
from estimator_lab.data.tar.member import Member


def member(archive, offset):
    return Member(archive, 'n1/a.png', offset, b'encoded')


def test_each_member_is_decoded_once():
    cache, decoded = DecodedCache(), []

    def decode(value):
        decoded.append(value)
        return np.full((2, 2, 1), value, np.uint8)

    places = [('a.tar', 512), ('a.tar', 1024), ('b.tar', 512)]
    for _ in range(2):
        found = [cache.pixels(member(*place), lambda v=v: decode(v)) for v, place in enumerate(places)]
        assert [int(pixels[0, 0, 0]) for pixels in found] == [0, 1, 2]
    assert decoded == [0, 1, 2]


def test_what_cannot_be_decoded_is_tried_again():
    cache, image = DecodedCache(), np.zeros((1, 1, 1), np.uint8)

    def fail():
        raise ValueError

    for _ in range(2):
        try:
            cache.pixels(member('a.tar', 0), fail)
        except ValueError:
            continue
        raise AssertionError('kept what was never decoded')
    assert cache.pixels(member('a.tar', 0), lambda: image) is image


def test_all_or_nothing():
    # 1,024 images of 1,024 bytes are one megabyte.
    assert cache_for(1024, 1024, 1) is not None
    assert cache_for(1025, 1024, 1) is None
    assert cache_for(1, 1, 0) is None
    assert cache_for(None, 1, 1000) is None
