import numpy as np

from estimator_lab.data.decoded_cache import DecodedCache, cache_for
from estimator_lab.data.tar.member import Member


def member(archive, offset):
    return Member(archive, 'n1/a.png', offset, b'encoded')


def test_pixels_are_kept_by_archive_and_offset():
    cache = DecodedCache()
    places = [('a.tar', 512), ('a.tar', 1024), ('b.tar', 512)]
    for value, place in enumerate(places):
        assert cache.get(member(*place)) is None
        cache.keep(member(*place), np.full((2, 2, 1), value, np.uint8))
    assert [int(cache.get(member(*place))[0, 0, 0]) for place in places] == [0, 1, 2]


def test_all_or_nothing():
    # 1,024 images of 1,024 bytes are one megabyte.
    assert cache_for(1024, 1024, 1) is not None
    assert cache_for(1025, 1024, 1) is None
    assert cache_for(1, 1, 0) is None
    assert cache_for(None, 1, 1000) is None
