import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.data.images.input_fns import numpy_input_fn
from estimator_lab.errors import DataError
from estimator_lab.inference.model import open_trained


@pytest.fixture
def copy(cnn_dir, tmp_path):
    """A copy of the trained model, to be damaged."""
    return Path(shutil.copytree(cnn_dir, tmp_path / 'copy'))


def edit(model_dir, **changes):
    path = model_dir / 'experiment.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_model_dir_says_all_that_predicting_needs(cnn_dir):
    trained = open_trained(cnn_dir)
    assert (trained.model.name, trained.step, tuple(trained.shape)) == ('cnn', 3, (8, 8, 1))
    assert (trained.params.filters, trained.params.dense_units) == (2, 8)
    assert trained.vocabulary.labels == trained.params.vocabulary == trained.record.vocabulary
    assert trained.record.value_range == (0.0, 1.0)
    assert trained.reader.shape == trained.shape and trained.reader.augmentation is None
    images = np.zeros((3, 8, 8, 1), np.uint8)
    predictions = list(trained.estimator.predict(numpy_input_fn(images)))
    assert {p['labels'].decode() for p in predictions} <= set(trained.vocabulary.labels)


def test_opening_writes_nothing(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob('*')}
    trained = open_trained(copy)
    next(trained.estimator.predict(numpy_input_fn(np.zeros((1, 8, 8, 1), np.uint8))))
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob('*')}


def test_images_are_decoded_as_in_training(copy):
    from estimator_lab.data.images.decode import decode_image, decode_image_fast

    assert open_trained(copy).pixels.decode is decode_image
    edit(copy, decode='fast')
    assert open_trained(copy).pixels.decode is decode_image_fast
    assert open_trained(copy).reader_with('exact').decode is decode_image


def test_lists_of_hyper_parameters_are_tuples_again(copy, monkeypatch):
    from estimator_lab.models import cnn

    @dataclasses.dataclass(frozen=True)
    class WithSizes(cnn.Params):
        sizes: tuple[int, ...] = (1,)

    monkeypatch.setattr(cnn, 'Params', WithSizes)
    edit(copy, hparams={**json.loads((copy / 'experiment.json').read_text())['hparams'], 'sizes': [3, 2]})
    assert open_trained(copy).params.sizes == (3, 2)


def test_a_model_without_labels_has_no_vocabulary(copy):
    edit(copy, vocabulary=[])
    assert open_trained(copy).vocabulary is None


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'model': 'transformer'}, r'made by estimator_lab \S+, cannot be opened by this version .*unknown'),
        ({'hparams': {'attention': 3}}, "cannot be opened by this version .* hyper-parameter 'attention'"),
        ({'hparams': {'filters': 0}}, 'cannot be opened by this version .*filters=0 is not allowed'),
        ({'image_shape': [8, 8]}, 'cannot be read as a description of this folder: its image_shape'),
        ({'value_range': [-1, 1]}, r'cannot be opened by this version .*pixels in \[-1, 1\]'),
        ({'decode': 'slow'}, 'cannot be opened by this version .*decode=slow'),
    ],
)
def test_records_that_this_version_does_not_understand(copy, changes, words):
    edit(copy, **changes)
    with pytest.raises(DataError, match=words):
        open_trained(copy)


def test_folders_without_a_model(copy, tmp_path):
    with pytest.raises(DataError, match=r'--model_dir=.*none is no folder'):
        open_trained(tmp_path / 'none')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match=r'--model_dir=.*empty holds no experiment\.json'):
        open_trained(tmp_path / 'empty')
    (tmp_path / 'empty' / 'rbm1').mkdir()
    shutil.copy(copy / 'experiment.json', tmp_path / 'empty' / 'rbm1')
    with pytest.raises(DataError, match=r'empty is still being pre-trained: .* such as rbm1'):
        open_trained(tmp_path / 'empty')
    (copy / 'checkpoint').unlink()
    with pytest.raises(DataError, match=r'--model_dir=.*copy holds no checkpoint yet'):
        open_trained(copy)


@pytest.mark.parametrize('part', ['index', 'data-00000-of-00001'])
@pytest.mark.parametrize('kept', [0, 20, 0.9])
def test_a_damaged_checkpoint_is_named(copy, part, kept):
    path = copy / f'model.ckpt-3.{part}'
    with path.open('r+b') as file:
        file.truncate(kept if isinstance(kept, int) else int(path.stat().st_size * kept))
    with pytest.raises(
        DataError, match=r'The checkpoint .*model\.ckpt-3 in --model_dir cannot be read \(.+\)'
    ):
        open_trained(copy)


def test_a_checkpoint_whose_data_is_gone(copy):
    (copy / 'model.ckpt-3.data-00000-of-00001').unlink()
    with pytest.raises(DataError, match=r'cannot be read'):
        open_trained(copy)
