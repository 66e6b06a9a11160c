"""TrainSettings that are refused before TensorFlow is loaded and any data is read."""

import dataclasses
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.settings import settings_of
from estimator_lab.training.checks import prepared
from estimator_lab.training.settings import TrainSettings

pytestmark = pytest.mark.trains


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'epochs': 1, 'max_steps': 1}, 'max_steps and epochs exclude each other: give one of them.'),
        ({'epochs': 0}, 'epochs=0 must be more than 0, and at most 1,000,000.'),
        ({'epochs': 1_000_001}, 'epochs=1e+06 must be more than 0, and at most 1,000,000.'),
        ({'augment': 'turn=1'}, 'augment=turn=1 is not understood: '),
        ({'split': '0.5', 'eval_data': (__file__,)}, 'split divides data in two; give it without eval_data.'),
        *(
            ({'split': text}, f'split={text} is not understood: ')
            for text in ('half', '1,0', '1', '0.9,0.2', 'nan', '0.5,nan')
        ),
        ({'export': ('last',)}, 'export=last is not allowed: one or more of best, latest, final.'),
        ({'shuffle_blocks': '1K'}, 'shuffle_blocks=1K must be from 4K to 1G, or 0.'),
        ({'cache': '2 GB'}, "cache='2 GB' must be a size in bytes, such as 8M or 20G."),
        ({'warm_start': Path('nowhere')}, 'warm_start=nowhere is not a folder.'),
        ({'model_dir': Path('/proc/x')}, 'model_dir=/proc/x cannot be written: '),
        ({'model_dir': Path(__file__, 'x')}, f'{Path(__file__)} is a file, not a folder.'),
    ],
)
def test_what_is_wrong_whatever_the_data(settings, words):
    with pytest.raises((FlagError, DataError)) as caught:
        prepared(TrainSettings(**{'data': (__file__,), 'model_dir': Path('runs/new'), **settings}), print)
    assert words in str(caught.value)


def test_a_folder_that_is_no_run_is_not_written_to(cnn_dir, tmp_path):
    """Examples next to checkpoints would be read the next time, and a checkpoint's name is not a folder."""
    photos = tmp_path / 'photos'
    (photos / 'n000001').mkdir(parents=True)
    (photos / 'n000001' / '1.png').write_bytes(b'')
    checkpoint, data = cnn_dir / 'model.ckpt-3', (__file__,)
    examples = f'holds examples, such as {photos}/n000001/1.png'
    for settings, words in (
        ({'model_dir': checkpoint}, f'model_dir={checkpoint} is a checkpoint: name its folder, '),
        ({'warm_start': checkpoint}, f'warm_start={checkpoint} is a checkpoint: name its folder, '),
        ({'model_dir': photos}, f'model_dir={photos} {examples}'),
        ({'data': (str(photos),), 'model_dir': photos / 'run'}, f'{photos}/run is in the folder '),
        ({'data': (str(cnn_dir),)}, f"data: '{cnn_dir}/' holds a trained model (experiment.json), not exam"),
    ):
        with pytest.raises((FlagError, DataError)) as caught:
            prepared(TrainSettings(**{'data': data, 'model_dir': tmp_path / 'new', **settings}), print)
        assert words in str(caught.value)
    assert prepared(TrainSettings(data=data, model_dir=cnn_dir), print).model_dir == cnn_dir


def test_a_new_folder_is_not_left(tmp_path):
    prepared(TrainSettings(data=(__file__,), model_dir=tmp_path / 'a' / 'b'), print)
    assert not (tmp_path / 'a').exists()


def test_several_processes_of_a_cluster_check_one_new_folder(tmp_path, monkeypatch):
    made = Path.mkdir

    def made_and_removed(path, **more):
        made(path, **more)
        path.rmdir()  # as another process does, between the two calls of this one

    monkeypatch.setattr(Path, 'mkdir', made_and_removed)
    prepared(TrainSettings(data=(__file__,), model_dir=tmp_path / 'new'), print)


def test_every_setting_is_declared():
    assert set(settings_of(TrainSettings)) == {field.name for field in dataclasses.fields(TrainSettings)}
