"""The command that says what archives hold."""

import json

import pytest
from PIL import Image

from estimator_lab.data import check, pack, tar_index
from tests.support.archive_files import encoded, picture, tar_bytes, write_folder, write_tar


@pytest.fixture
def faulty(tmp_path):
    """An archive with two bad images, a copy with another label, and a name that occurs twice."""
    files = [
        *((f'a/{number}.png', encoded(picture(number))) for number in range(6)),
        ('b/5.png', encoded(picture(5))),
        ('b/6.png', encoded(picture(6, 10, 20, 'L'))),
        ('b/6.png', encoded(picture(7))),
        ('c/bad.jpg', b'\xff\xd8\xffnot a JPEG'),
        ('c/empty.jpg', b''),
        ('readme.txt', b'no image'),
    ]
    return write_tar(tmp_path / 'faulty.tar', files)


def test_text(faulty, run_command):
    status, text, errors = run_command(check, faulty)
    assert (status, errors) == (0, '')
    assert text.startswith(f'{faulty}: 11 images in 0.0 MB; bytes: 0 to ')
    assert (
        dict(line.split(maxsplit=1) for line in text.splitlines()).items()
        >= {
            'Labels': '3: a 6, b 3, c 2',
            'Width': '20 to 32, median 32',
            'Height': '10 to 24, median 24',
            'Channels': '1 to 3, median 3',
            'Bad': '2 images (18.18%)',
            'Same': f'names       1 image with the name of an earlier one: {faulty}:b/6.png',
            'Copies': '1 with the bytes of an earlier example, 1 with another label',
        }.items()
    )
    assert "'c/empty.jpg' at byte" in text and 'no data (0 bytes)' in text
    assert f'{faulty}:a/5.png = {faulty}:b/5.png' in text


def test_images_of_one_value_are_counted(tmp_path, run_command):
    black = Image.new('RGBA', (8, 8), (0, 0, 0, 0))
    black.putpixel((3, 3), (0, 0, 0, 255))
    images = {'a/black.png': black, 'a/red.png': Image.new('RGB', (8, 8), (255, 0, 0)), 'b/0.png': picture(0)}
    path = write_tar(tmp_path / 'x.tar', [(name, encoded(image)) for name, image in images.items()])
    _, text, _ = run_command(check, path)
    assert 'One value' in text and '2 images whose pixels are all the same' in text
    _, text, _ = run_command(check, path, '--json')
    (found,) = json.loads(text)['archives']
    assert found['one_value'] == 2 and found['dimensions']['contrast']['least'] == 0


def test_json(faulty, archive, run_command):
    status, text, errors = run_command(check, faulty, archive, '--json')
    assert (status, errors) == (0, '')
    found = json.loads(text)
    first, second = found['archives']
    assert first['labels'] == {'a': 6, 'b': 3, 'c': 2} and first['bad'] == 2
    assert second['labels'] == {f'n{number:06}': 6 for number in range(4)} and second['bad'] == 0
    assert second['dimensions']['width'] == {'least': 32, 'median': 32, 'most': 32}
    assert found['examples'] == 35
    assert [bad['member'] for bad in found['bad_examples']] == ['c/bad.jpg', 'c/empty.jpg']
    assert found['duplicate_names'] == [f'{faulty}:b/6.png']
    # picture(0) to picture(5) of `faulty` are in `archive`, too, as n000000.
    assert found['copies']['examples'] == 7
    assert found['copies']['in_other_archives'] == 6


def test_damaged_archives_are_described_and_the_others_are_read(archive, tmp_path, run_command):
    whole = archive.read_bytes()
    cut, text, empty = (tmp_path / name for name in ('cut.tar', 'text.tar', 'empty.tar'))
    cut.write_bytes(whole[:9000])
    text.write_bytes(b'no archive ' * 100)
    empty.write_bytes(tar_bytes({'x.txt': b'1'}))
    status, shown, errors = run_command(check, cut, text, empty, archive, '--json')
    assert status == 1
    assert errors.startswith(f"error: 3 of 4 archives are damaged or empty: '{cut}' is cut off at byte 9000")
    found = json.loads(shown)['archives']
    assert [contents['examples'] for contents in found] == [4, 0, 0, 24]
    assert 'is not a tar archive' in found[1]['damage'] and 'holds no images' in found[2]['damage']
    assert run_command(check, cut)[0] == 1


def test_quick_reads_headers_only(faulty, run_command):
    found = json.loads(run_command(check, faulty, '--quick', '--json')[1])
    assert found['copies'] is None and found['archives'][0]['bad'] is None
    assert found['archives'][0]['labels'] == {'a': 6, 'b': 3, 'c': 2}
    assert found['duplicate_names'] == [f'{faulty}:b/6.png']
    assert 'Labels' in run_command(check, faulty, '--quick')[1]


def test_folders(tmp_path, run_command):
    image = encoded(picture(1))
    photos = write_folder(tmp_path / 'photos', {'cat/1.png': image, 'cat/2.png': image, 'cat/3.jpg': b'?'})
    text = run_command(check, photos)[1]
    assert f'{photos}/cat/1.png = {photos}/cat/2.png' in text and "'cat/3.jpg': not an image" in text
    quick = json.loads(run_command(check, photos, '--quick', '--json')[1])
    assert quick['archives'][0]['labels'] == {'cat': 3}


def test_trees(tmp_path, run_command):
    path = tmp_path / 'trees.txt'
    path.write_text('(3 (2 It) (4 works))\n(3 (2 It) (4 works))\n(1 x\n')
    found = json.loads(run_command(check, path, '--json')[1])
    assert found['archives'][0]['kind'] == 'tree' and found['archives'][0]['bad'] == 1
    assert found['archives'][0]['dimensions']['nodes']['most'] == 3
    assert found['copies']['examples'] == 1


def test_wrong_use(run_command):
    assert run_command(check)[0] == run_command(check, 'x.tar', '--channels=2')[0] == 2


@pytest.mark.parametrize(
    ('name', 'data', 'words'),
    [
        ('a.zip', b'PK\x03\x04' + bytes(600), 'but a ZIP archive: unpack it'),
        ('a.tar.zst', b'\x28\xb5\x2f\xfd' + bytes(600), 'but compressed by zstd: decompress it'),
        ('a.txt', b'not an image\n' * 99, 'is not a tar archive'),
    ],
)
@pytest.mark.parametrize(
    'command', [[check], [check, '--quick'], [pack, '--out=OUT', '--shards=1'], [tar_index]]
)
def test_what_is_no_archive_is_not_taken_for_one_image(tmp_path, run_command, name, data, words, command):
    (tmp_path / name).write_bytes(data)
    module, *more = command
    more = [word.replace('OUT', str(tmp_path / 'out')) for word in more]
    status, _, errors = run_command(module, tmp_path / name, *more)
    assert status == 1 and words in errors and errors.count('\n') == 1
    assert [*tmp_path.iterdir()] == [tmp_path / name]


def test_copies_in_other_archives_and_without_a_label(faulty, tmp_path, run_command):
    (tmp_path / '5.png').write_bytes(encoded(picture(5)))
    bare = write_tar(tmp_path / 'bare.tar', [(f'{number}.png', encoded(picture(5))) for number in range(12)])
    status, text, _ = run_command(check, faulty, bare, '--json')
    found = json.loads(text)
    assert status == 0 and found['archives'][1]['labels'] == {'': 12}
    copies = found['copies']
    assert [copies[name] for name in ('examples', 'in_other_archives', 'with_other_labels')] == [13, 12, 13]
    (group,) = copies['groups']
    assert len(group) == 10 and group[:3] == [f'{faulty}:a/5.png', f'{faulty}:b/5.png', f'{bare}:0.png']
    text = run_command(check, faulty, bare)[1]
    assert '13 with the bytes of an earlier example, 12 of them in another archive, 13 with another' in text
    assert 'Without label    12 images' in text


def test_only_the_first_thousand_bad_examples_are_listed(tmp_path, run_command, monkeypatch):
    monkeypatch.setattr(check, '_MOST_LISTED', 3)
    bad = write_tar(tmp_path / 'bad.tar', [(f'a/{number}.png', b'') for number in range(5)])
    found = json.loads(run_command(check, bad, '--json')[1])
    assert [each['member'] for each in found['bad_examples']] == ['a/0.png', 'a/1.png', 'a/2.png']
    assert found['archives'][0]['bad'] == 5


def test_commands_are_modules(run_forked, tmp_path):
    for module in ('check', 'demo', 'pack', 'tar_index'):
        done = run_forked('-m', f'estimator_lab.data.{module}', '--version')
        assert (done.returncode, done.stdout.split()[0]) == (0, 'estimator_lab'), module
