"""Values of other types that programs give to the API: each is answered by one sentence."""

import numpy as np
import pytest
from PIL import Image

from estimator_lab import api
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.inference.dreams import Dream
from estimator_lab.inference.samples import Samples

pytestmark = pytest.mark.trains

IMAGES = np.random.default_rng(0).random((24, 16, 16, 1))
LABELS = np.arange(24) % 3
PILLOW = Image.new('L', (16, 16))
SMALL = 'train.tar'
WHAT_DATA_IS = 'must be paths, an array of images [n, height, width, 1 or 3], or a tuple (images, labels)'


@pytest.mark.parametrize(
    'data',
    [
        (list(IMAGES), LABELS),
        IMAGES.tolist(),
        [PILLOW, PILLOW],
        [IMAGES, LABELS],
        {'images': IMAGES, 'labels': LABELS},
        (image for image in IMAGES),
        (IMAGES, LABELS, LABELS),
        PILLOW,
        b'train.tar',
        5,
    ],
    ids=lambda data: type(data).__name__,
)
@pytest.mark.parametrize(
    'use',
    [
        lambda run, data: api.fit('mlp', data),
        lambda run, data: api.fit('mlp', (IMAGES, LABELS), eval_data=data),
        lambda run, data: run.evaluate(data),
        lambda run, data: list(run.predict(data)),
        lambda run, data: run.predict_arrays(data),
    ],
    ids=['fit', 'eval_data', 'evaluate', 'predict', 'predict_arrays'],
)
def test_data_of_another_type_is_told_what_is_accepted(cnn_dir, use, data):
    with pytest.raises(FlagError) as caught:
        use(api.load(cnn_dir), data)
    sentence = str(caught.value)
    assert WHAT_DATA_IS in sentence and '\n' not in sentence and len(sentence) <= 400


@pytest.mark.parametrize(
    ('use', 'words'),
    [
        (lambda run: api.fit('mlp', IMAGES, hparams=None), 'hparams=None must be a text, name=value,name='),
        (
            lambda run: api.fit('mlp', IMAGES, hparams=['layers=8']),
            "hparams=['layers=8'] must be a text, name",
        ),
        (lambda run: api.fit('mlp', IMAGES, hparams={1: 2}), 'Unknown hyper-parameter 1; known are: optim'),
        (
            lambda run: api.fit('mlp', IMAGES, hparams={'layers': [16, 8]}),
            "layers=[16, 8] must be a text, '16-8'.",
        ),
        (lambda run: api.fit('mlp', (IMAGES, 5)), '24 images need as many labels, [n], not an array [].'),
        (lambda run: api.fit('mlp', (IMAGES, [[1], [2, 3]])), 'need as many labels, [n], not [[1], [2, 3]].'),
        (lambda run: api.fit('mlp', labels=IMAGES), 'labels=array([[[['),
        (lambda run: api.fit('mlp', model_dir='x' * 300), 'cannot be written: File name too long'),
        (lambda run: api.fit('mlp', model_dir=3), 'model_dir=3 must be a path.'),
        (lambda run: api.fit('mlp', augment='x' * 5000), 'x... is not understood'),
        (lambda run: api.fit('mlp', (IMAGES, LABELS), split='x' * 5000), 'x... is not understood'),
        (lambda run: api.fit('x' * 200), 'x... is unknown; known are'),
        (lambda run: api.fit('mlp', **{'x' * 5000: 1}), "Unknown setting 'xxxx"),
        (lambda run: api.model_fn([]), 'model=[] is unknown'),
        (lambda run: api.load(None), 'model_dir=None must be a path.'),
        (lambda run: api.load('/'), 'model_dir=/ holds no experiment.json'),
        (lambda run: api.load(IMAGES), 'must be a path.'),
        (lambda run: run.evaluate(IMAGES), 'has no label: give a pair, (images, labels)'),
        (lambda run: run.report(data=IMAGES), 'must be a path, or several in a list.'),
        (lambda run: run.inspect(5), 'example=5 must be a path, ARCHIVE:MEMBER, or an array of one image'),
        (lambda run: run.inspect(PILLOW), 'must be a path, ARCHIVE:MEMBER, or an array of one image'),
        (lambda run: run.inspect((IMAGES, LABELS)), 'must be a path, ARCHIVE:MEMBER, or an array of one'),
        (lambda run: run.inspect(IMAGES), '[height, width, 1 or 3], not of float64 [24, 16, 16, 1].'),
        (lambda run: api.as_picture('x'), "an array [height, width, 1 or 3], not of 'x'."),
        (lambda run: api.as_picture(IMAGES[0, :, :, 0]), 'not of float64 [16, 16].'),
        (lambda run: api.as_picture(np.array([[['x']]])), 'floats in [0, 1] or uint8, not of <U1.'),
        (lambda run: api.labelled_grid('x', ['a']), "an array [height, width, 1 or 3], not of 'x'."),
        (lambda run: api.as_picture(255 * IMAGES[0]), 'has pixels in [0, 1], not 0.'),
        (lambda run: api.as_picture(np.zeros((4, 4, 1), int)), 'is uint8 or floats in [0, 1], not int64.'),
        (lambda run: api.labelled_grid(IMAGES, ['a']), '24 images need as many texts, not 1.'),
        (lambda run: api.labelled_grid(IMAGES, None), '24 images need as many texts, not None.'),
        (lambda run: api.labelled_grid(IMAGES, ['a'] * 24, columns=0), 'columns=0 and tile='),
        (lambda run: api.fit('mlp', say=True), 'say=True must be a function of a line, such as print, or'),
        (
            lambda run: api.fit('mlp', learning_rate=0.1),
            "a hyper-parameter: give hparams={'learning_rate': 0.1}",
        ),
        (lambda run: api.fit('mlp', (IMAGES, LABELS), augment='cutout=9999'), '9999 is more than the 16 pix'),
        (lambda run: api.fit('mlp', (IMAGES, LABELS), augment='shift=17'), '17 is more than the 16 pixels'),
        (lambda run: api.fit('mlp', (IMAGES, LABELS), augment='mirror=2'), "mirror='2' must be True or Fal"),
        (lambda run: api.fit('mlp', (IMAGES, [None] * 24)), 'A label is a text or a class id, a whole numb'),
        (lambda run: api.fit('mlp', (IMAGES, LABELS), decode='quick'), "one of 'exact', 'fast'."),
        (lambda run: api.stream(SMALL, decode='quick'), "one of 'exact', 'fast'."),
        (lambda run: api.stream(SMALL, vocabulary='vocab.txt'), "vocabulary='vocab.txt' must be a list"),
        (lambda run: api.stream(SMALL, vocabulary=['a', 'b', 'a']), 'must be a list of different labels'),
        (lambda run: api.stream(SMALL, vocabulary=[]), 'vocabulary is given without a value'),
        (lambda run: api.stream(SMALL, vocabulary=[1, 2]), 'vocabulary=[1, 2] must be a list of'),
        (lambda run: api.stream(SMALL, image_shape=(16, 8, 1), augment='shift=17'), 'than the 16 pixels'),
        (lambda run: run.evaluate(IMAGES).save(5), 'has no label'),
        *(
            (lambda run, part=part: next(run.predict(IMAGES, part=part)), ' must be one of N shares')
            for part in ((0, 3), (4, 3), (1, 2, 3), 'x', (1.5, 3))
        ),
        (lambda run: api.fit(imag_size=3), "Unknown setting 'imag_size'; did you mean image_size"),
        (lambda run: api.fit(image_size='8'), "image_size='8' must be a whole number"),
        (lambda run: api.fit(batch_size=0), 'batch_size=0 must be 1 or more'),
        (lambda run: api.fit(split='0.9'), 'split needs data'),
        (lambda run: run.sample(), 'does not dream'),
        (lambda run: run.sample(0), 'count=0'),
        (lambda run: run.paint(IMAGES[0]), 'does not paint'),
        (lambda run: run.predict_arrays(IMAGES[0]), 'not [16, 16, 1]'),
        (lambda run: list(run.predict('/nosuch')), '/nosuch'),
        (lambda run: run.dream(layer='conv1', out='a.png'), "Unknown setting 'out'"),
        (lambda run: run.evaluate('/nosuch', json=True), "Unknown setting 'json'"),
        (lambda run: run.inspect(IMAGES[0], out='maps'), "Unknown setting 'out'"),
        (lambda run: list(run.predict('/nosuch', format='jsonl')), "Unknown setting 'format'"),
        (lambda run: api.stream(5), 'paths=5 must be paths of archives and folders.'),
        (lambda run: api.stream(IMAGES), 'must be paths of archives and folders.'),
        (lambda run: api.input_fn(['a.tar', 5]), "paths=['a.tar', 5] must be paths"),
    ],
)
def test_arguments_of_other_types_get_a_sentence(cnn_dir, tmp_path, monkeypatch, use, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((FlagError, DataError)) as caught:
        use(api.load(cnn_dir))
    sentence = str(caught.value)
    assert words in sentence and '\n' not in sentence and len(sentence) <= 400
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('consumed', [1.5, -1, '5', None, True, 2**63])
def test_a_position_is_a_whole_number(archive, consumed):
    with pytest.raises(FlagError, match='must be a whole number, 0 or more'):
        api.stream(archive).state_at(consumed)


def test_a_table_that_names_no_image_of_a_stream(archive, tmp_path):
    (tmp_path / 'labels.csv').write_text('other.png,cat\n')
    with pytest.raises(DataError, match=r'labels.csv names none of the 24 images of'):
        api.stream(archive, labels=tmp_path / 'labels.csv')


@pytest.mark.parametrize('save', ['Evaluation', 'Inspection', 'Samples', 'Dream'])
def test_results_are_saved_to_a_text_as_to_a_path(cnn_dir, archive, tmp_path, save):
    run, folder = api.load(cnn_dir), str(tmp_path / 'results')
    if save == 'Evaluation':
        result = run.evaluate(archive)
    elif save == 'Inspection':
        result = run.inspect(IMAGES[0])
    else:
        folder += '.png'
        picture = Image.new('L', (8, 8))
        result = Dream(run, 'x', picture, np.zeros(1), np.zeros(1))
        if save == 'Samples':
            result = Samples.__new__(Samples)
            result.picture = lambda: picture
    for wrong in (5, ''):
        with pytest.raises(FlagError, match=r'(folder|path)(=5 must be a path| is given without a value)'):
            result.save(wrong)
    result.save(folder)
    assert (tmp_path / 'results').exists() or (tmp_path / 'results.png').exists()


@pytest.mark.slow
@pytest.mark.parametrize('decode', ['exact', 'fast'])
def test_training_and_streams_decode_by_the_same_words(archive, tmp_path, decode):
    chosen = {'image_size': 8, 'batch_size': 6, 'max_steps': 1, 'model_dir': tmp_path, 'say': None}
    run = api.fit('mlp', archive, decode=decode, **chosen)
    example = next(api.stream(archive, image_shape=(8, 8, 1), decode=decode, shuffle=False))
    assert example.data.shape == (8, 8, 1)
    assert len(list(api.load(run.model_dir).predict(archive))) == 24


def test_the_data_that_cannot_be_read_are_named_by_their_setting(archive, tmp_path):
    (tmp_path / 'bad.tar').write_bytes(b'x' * 600)
    bad = str(tmp_path / 'bad.tar')
    given = {'data': archive, 'eval_data': archive, 'model_dir': tmp_path / 'run'}
    for name in ('data', 'eval_data'):
        with pytest.raises(DataError, match=f'^{name}: .*bad.tar'):
            api.fit('mlp', **{**given, name: bad})
    with pytest.raises(DataError) as caught:
        api.fit('mlp', bad, model_dir=tmp_path / 'run')
    assert not str(caught.value).startswith('data')


@pytest.mark.slow
def test_predictions_that_are_not_finished_at_exit_are_silent(cnn_dir, run_forked):
    code = (
        'import numpy as np; from estimator_lab import api; '
        f'rows = api.load({str(cnn_dir)!r}).predict(np.zeros((50, 8, 8, 1), np.uint8), batch_size=2); '
        'print(next(rows)["key"])'
    )
    done = run_forked('-c', code)
    assert done.returncode == 0 and done.stdout == '0\n'
    assert 'Exception ignored' not in done.stderr and 'Traceback' not in done.stderr
