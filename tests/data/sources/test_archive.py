"""Labels in files next to images of an archive."""

import pytest

from tests.data.sources.test_tar import COMPRESSED, PNG, outcome
from tests.support.archive_files import tar_bytes
from tests.support.memory import peak_of
from tests.support.streams import opened, stream_members


@COMPRESSED
@pytest.mark.parametrize('order', [('cls', 'png', 'json'), ('png', 'json', 'cls')])
def test_a_label_before_or_after_its_image(write, compress, order):
    files = {'cls': lambda n: b'%d' % (n % 3), 'png': lambda n: PNG, 'json': lambda n: b'{"width": 4}'}
    given = {f'x/{n:03}.{suffix}': files[suffix](n) for n in range(6) for suffix in order}
    members, _ = outcome(write(compress(tar_bytes(given))))
    assert [(m.name, m.label) for m in members] == [(f'x/{n:03}.png', f'{n % 3}') for n in range(6)]


def test_json_names_with_dots_and_other_json(write):
    files = {
        **{'1.left.png': PNG, '1.right.png': PNG, '1.json': b'{"label": "cat"}'},
        **{'IMG.1.png': PNG, 'IMG.1.cls': b'dog', 'IMG.2.png': PNG, 'IMG.2.cls': '\ufeffcow'.encode()},
        **{'3.cls': b'hen', '3.json': b'{"label": "no"}', '3.png': PNG},
    }
    members, _ = outcome(write(tar_bytes(files)))
    assert [m.label for m in members] == ['cat', 'cat', 'dog', 'cow', 'hen']
    members, _ = outcome(write(tar_bytes({'n1/1.png': PNG, 'n1/1.json': b'{"width": 4}', 'n2/2.png': PNG})))
    assert [m.label for m in members] == ['n1', 'n2']


@COMPRESSED
def test_images_keep_their_order_and_labels_next_to_one_of_two(write, compress):
    """In `1.a.png, 1.b.cls, 1.b.png`, the label is of the second image; the first one has none."""
    archive = write(compress(tar_bytes({'1.a.png': PNG, '1.b.cls': b'7', '1.b.png': PNG})))
    expected = [('1.a.png', '', 0), ('1.b.png', '7', 1)]
    for members in (outcome(archive)[0], opened(str(archive)).order().epoch(0)):
        assert [(member.name, member.label, member.row) for member in members] == expected


def test_only_a_few_images_wait_for_a_label(write):
    """Of a million frames with one name up to the first dot, all would stay in memory."""
    archive = write(tar_bytes({f'a/clip.{n}.png': bytes(100_000) for n in range(100)}))
    count, peak = peak_of(lambda: sum(1 for _ in stream_members(archive)))
    assert count == 100 and peak < 2_500_000
