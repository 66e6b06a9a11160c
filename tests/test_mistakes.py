"""A mistake gets one sentence, and changes no file."""

import glob
import importlib
import shutil

import pytest

from estimator_lab import api
from estimator_lab.base.errors import FlagError, LabError
from tests.support.archive_files import encoded, picture

pytestmark = pytest.mark.trains

IMAGE = '--image=ARCHIVE:train/n000002/0003_01.png'
TINY = ('--image_size=8', '--model_dir=new')
NEW = ('--out=new', '--shards=1')
WITHOUT_A_MODEL = ('import_weights', 'data.', 'run', 'port')
EMPTY = 'is given without a value: leave it out, or give one.'
MISTAKES = [
    ('dream', ['--layer=conv9'], 2, '--layer=conv9 is not a layer of'),
    ('dream', [], 2, '--layer is missing; there are conv1, pool1, conv2, pool2, dense, logits.'),
    ('dream', ['--layer=conv1', '--truncation=1'], 2, '--truncation has no meaning for layers of --model='),
    ('dream', ['--layer=conv1', '--count=5'], 2, '--count has no meaning without --atlas'),
    ('dream', ['--layer=conv1', '--out=x.xyz'], 2, '--out=x.xyz is not a name for a picture: end it in .png'),
    ('dream', ['--layer=conv1', '--out=x.tar'], 2, '--out=x.tar is not a name for a picture'),
    ('dream', ['--layer=conv1', '--out=none/x.png'], 2, '--out=none/x.png cannot be written: its folder'),
    ('dream', ['--layer=conv1', '--size=100000'], 2, '--size=100000'),
    ('dream', ['--layer=conv1', '--image=a.png', '--out=a.png'], 2, "is 'a.png', which is read"),
    ('evaluate', [], 2, '--data is missing'),
    *(
        (command, [*more, f'--{name}='], 2, f'--{name} {EMPTY}')
        for command, name, more in (
            ('dream', 'data', []),
            ('evaluate', 'data', []),
            ('dream', 'out', ['--layer=conv1']),
            ('inspect', 'image', []),
            ('train', 'model_dir', []),
            ('train', 'hparams', []),
            ('predict', 'data', ['a.png']),
            ('report', 'data', []),
            ('train', 'data', []),
            ('train', 'eval_data', ['--data=ARCHIVE']),
            ('train', 'pretrain_data', ['--data=ARCHIVE', '--model=dbn']),
        )
    ),
    ('evaluate', ['--data=none.tar'], 1, "There is no file 'none.tar'"),
    ('evaluate', ['--data=ARCHIVE', '--model_dir=none'], 1, '--model_dir=none is not a folder'),
    ('evaluate', ['--data=ARCHIVE', '--out=/proc/none'], 2, '--out=/proc/none cannot be written'),
    ('evaluate', ['--data=pictures', '--out=pictures'], 2, "is in the folder 'pictures/', which is read"),
    ('evaluate', ['--data=pictures', '--out=pictures/n000001/x'], 2, "is in the folder 'pictures/', which"),
    ('evaluate', ['--data=ARCHIVE', '--out=pictures'], 2, 'such as pictures/n000001/c.png, with which the'),
    ('export', ['--out=photos'], 2, '--out=photos holds examples, such as photos/b.png, with which the res'),
    ('export', ['--out=pictures'], 2, '--out=pictures holds examples, such as pictures/n000001/c.png'),
    ('export', ['--model_dir=/none'], 1, '--model_dir=/none is not a folder'),
    ('export', ['--out=/proc/none'], 2, '--out=/proc/none cannot be written'),
    ('export', ['--strength=0.5'], 2, '--strength and --preserve_colour are for paintings'),
    ('import_weights', [], 2, 'FILE is missing'),
    ('import_weights', ['a.h5', 'b.h5'], 2, "One FILE at a time, not 'b.h5' as well"),
    ('import_weights', ['none.h5'], 1, 'none.h5 cannot be used as a file of weights: No such file'),
    ('import_weights', ['none.h5', '--model=vggg'], 2, '--model=vggg is unknown'),
    ('import_weights', ['none.h5', '--hparams=depth=12'], 2, 'depth=12 must be one of 11, 13'),
    ('import_weights', ['model/model.ckpt-3.index'], 1, 'one file of a checkpoint: name model/model.ckpt-3.'),
    ('import_weights', ['model/model.ckpt-3.data-00000-of-00001'], 1, 'checkpoint: name model/model.ckpt-3.'),
    ('train', ['--data=ARCHIVE', '--eval_data=none.tar'], 1, "--eval_data: There is no file 'none.tar'"),
    (
        'train',
        ['--data=ARCHIVE', *TINY, '--hparams=learning_rate=0,01'],
        2,
        '=learning_rate=0,01 is not a finite number: write a decimal point, not a comma',
    ),
    ('train', ['--data=ARCHIVE', '--hparams=x=1'], 2, "Unknown hyper-parameter 'x'; known are: optimizer"),
    ('train', ['--data=ARCHIVE', '--hparams=optimizer=x'], 2, "one of 'adadelta', 'adagrad', 'adam'"),
    ('train', ['--data=ARCHIVE', '--image_size=2', '--model_dir=new'], 2, '--image_size=2 is too small'),
    ('train', ['--data=ARCHIVE', '--freeze=conv1', '--model_dir=new'], 2, 'be frozen; vgg and resnet have'),
    ('train', ['--data=ARCHIVE', *TINY, '--hparams=optimizer=lbfgs,memory=1001'], 2, 'must be 1000 or less'),
    ('train', ['--model=rbm', '--data=ARCHIVE', '--hparams=balanced=true'], 2, "hyper-parameter 'balanced'"),
    ('train', ['--data=/none/*.tar'], 1, "No file matches '/none/*.tar'"),
    ('train', ['--eval_data=ARCHIVE'], 2, '--eval_data needs --data'),
    ('train', ['--split=0.9'], 2, '--split needs --data'),
    ('train', ['--batch_size=0'], 2, '--batch_size=0: 0 is not an integer in the range'),
    ('train', ['--learning_rate=1'], 2, 'did you mean --hparams=learning_rate=...?'),
    ('data.pack', ['pictures', '--out=pictures', '--shards=1'], 2, "in the folder 'pictures/', which is"),
    ('data.pack', ['pictures', '--out=pictures/x', '--shards=1'], 2, "in the folder 'pictures/', which is"),
    ('data.pack', ['ARCHIVE', '--out=pictures', '--shards=1'], 2, '--out=pictures holds examples, such as'),
    ('data.check', ['--data=ARCHIVE'], 2, 'There is no flag --data: give ARCHIVE|FOLDER... without a flag.'),
    ('train', ['--checkpoint=x'], 2, 'There is no flag --checkpoint; did you mean --warm_start?'),
    ('train', ['--device=gpu'], 2, 'There is no flag --device: the variable CUDA_VISIBLE_DEVICES chooses'),
    ('train', ['--resume'], 2, 'There is no flag --resume: a training goes on in its --model_dir by itself.'),
    ('train', ['--data', '--model=cnn'], 2, '--data is given without a value: leave it out, or give one.'),
    ('train', ['--augment', '--nodeterministic'], 2, '--augment is given without a value'),
    ('train', ['--model_dir=/dev/null'], 2, '/dev/null is a file, not a folder.'),
    ('train', [f'--split={"9" * 100_000}'], 2, '9... is not understood'),
    ('train', [f'--data={"x" * 100_000}'], 1, 'x...'),
    ('evaluate', ['--eval_data=x'], 2, 'There is no flag --eval_data; did you mean --data?'),
    ('evaluate', ['--checkpoint=x'], 2, 'There is no flag --checkpoint; did you mean --model_dir?'),
    ('predict', ['--image=x.jpg'], 2, 'There is no flag --image; did you mean --data?'),
    ('predict', ['model'], 1, "'model/' holds a trained model (experiment.json), not examples"),
    ('train', ['--data=model', '--model_dir=new'], 1, "'model/' holds a trained model (experiment.json)"),
    ('inspect', [], 2, '--image is missing'),
    ('inspect', ['--image=x.png'], 1, "There is no file 'x.png'"),
    ('inspect', ['--image=ARCHIVE'], 1, 'holds many images'),
    ('inspect', ['--image=photos/b.png'], 1, 'photos/b.png cannot be decoded: not an image in a known'),
    ('inspect', [IMAGE, '--label=x'], 2, '--label=x is unknown'),
    ('inspect', ['--tree=( a b )'], 2, '--tree is given, but --model_dir=model accepts images'),
    ('predict', [], 2, 'No image is named'),
    ('predict', ['none.jpg'], 1, "There is no file 'none.jpg'"),
    ('predict', ['photos', '--top=5'], 2, '--top=5 is more than the 4 labels'),
    ('predict', ['photos', '--out=photos/b.png'], 2, "b.png is in the folder 'photos/', which is read"),
    ('predict', ['?.png', '--out=a.png'], 2, "is 'a.png', which is read"),
    ('predict', ['photos', '--out=model/checkpoint'], 2, 'checkpoint is a file of the model: name another'),
    ('predict', ['photos', '--out=x', '--files=x'], 2, 'is the file of --out as well: name two'),
    ('predict', ['photos', '--out=/none/x.csv'], 2, 'cannot be written: its folder /none is not there'),
    ('predict', ['photos', '--files=photos'], 2, 'which is read: name another.'),
    ('predict', ['a.png', '--files=photos'], 2, 'is not empty'),
    ('predict', ['photos', '--files=a.png'], 2, '--files=a.png cannot be written'),
    ('predict', ['photos', '--model_dir=photos'], 1, 'holds no experiment.json'),
    ('predict', ['photos', '--part=0/3'], 2, '--part=0/3 must be one of N shares, from 1/N to N/N'),
    ('predict', ['photos', '--part=x'], 2, '--part=x must be one of N shares, from 1/N to N/N'),
    ('predict', ['-', '--part=1/3'], 2, "--part=1/3 needs archives that are stored: '-' is a pipe"),
    *(
        ('data.pack', ['ARCHIVE', f'--part={part}', *NEW], 2, f'--part={part} must be one of N shares')
        for part in ('0/3', '4/3', '1/0', '-1/3', '1/3/5', '1/', '3', 'x', '1.5/3', '1e0/3')
    ),
    ('report', ['--model_dir=none'], 1, '--model_dir=none is not a folder'),
    ('report', ['--data=none.tar'], 1, "There is no file 'none.tar'"),
    ('report', ['--worst=3'], 2, '--worst needs --data'),
    ('report', ['--out=photos'], 2, 'is a folder: name a file'),
    ('report', ['--out=a.png/page.html'], 2, 'cannot be written'),
    ('report', ['--out=page.txt'], 2, 'is not a name for a page: end it in .html'),
    ('run', [], 2, 'PROGRAM is missing, see --help.'),
    ('run', ['no_such.py'], 2, "There is no program 'no_such.py'."),
    ('run', ['a.png'], 2, "'a.png' is not a Python program."),
    ('run', ['model/report.html'], 2, "'model/report.html' is not a Python program."),
    ('run', ['-m'], 2, '-m is not followed by the name of a module.'),
    ('run', ['--v1', '--v2', '-m', 'json'], 2, '--v1 and --v2 exclude each other.'),
    ('run', ['--nothing', 'x.py'], 2, 'There is no flag --nothing'),
    ('port', [], 2, 'PATH... is missing'),
    ('port', ['no_such.py'], 1, 'no_such.py cannot be read: '),
    ('port', ['photos'], 1, 'has no programs in it'),
]


@pytest.fixture(scope='module')
def home(cnn_dir, tmp_path_factory):
    """A folder with images, of which photos/b.png is none, and a model with a report."""
    home = tmp_path_factory.mktemp('home')
    shutil.copytree(cnn_dir, home / 'model')
    (home / 'model' / 'report.html').write_text('an earlier one')
    (home / 'photos').mkdir()
    (home / 'a.png').write_bytes(encoded(picture(1)))
    (home / 'photos' / 'b.png').write_bytes(b'junk')
    for number in (1, 2):
        folder = home / 'pictures' / f'n{number:06}'
        folder.mkdir(parents=True)
        (folder / 'c.png').write_bytes(encoded(picture(number)))
    return home


@pytest.mark.parametrize(('command', 'arguments', 'status', 'words'), MISTAKES)
def test_a_mistake(home, archive, run_command, monkeypatch, command, arguments, status, words):
    monkeypatch.chdir(home)
    before = {path: path.read_bytes() for path in home.rglob('*') if path.is_file()}
    given = [argument.replace('ARCHIVE', str(archive)) for argument in arguments]
    if not command.startswith(WITHOUT_A_MODEL) and '--model_dir=' not in ''.join(given):
        given.append('--model_dir=model')
    got, out, err = run_command(importlib.import_module(f'estimator_lab.{command}'), *given)
    assert got == status and (not out or command == 'export')  # which says that it begins
    assert err.startswith('error: ') and err.count('\n') == 1 and words in err and len(err) < 1000
    assert {path: path.read_bytes() for path in home.rglob('*') if path.is_file()} == before


@pytest.mark.parametrize(
    'use',
    [
        lambda run, archive: api.fit('mlp', []),
        lambda run, archive: api.fit('mlp', ''),
        lambda run, archive: api.fit('mlp', [archive, '']),
        lambda run, archive: api.fit('mlp', archive, model_dir=''),
        lambda run, archive: api.fit('mlp', archive, hparams=''),
        lambda run, archive: api.fit('mlp', archive, split=''),
        lambda run, archive: api.load(''),
        lambda run, archive: run.inspect(''),
        lambda run, archive: run.inspect(archive, label=''),
        lambda run, archive: run.paint(''),
        lambda run, archive: run.export(''),
        lambda run, archive: run.report(''),
        lambda run, archive: run.evaluate(archive, labels=''),
        lambda run, archive: run.evaluate(archive).save(''),
        lambda run, archive: run.dream(layer='conv1', image=''),
        lambda run, archive: api.fit('mlp', glob.glob('typo*')),  # noqa: PTH207 - as users write it
        lambda run, archive: api.fit('mlp', archive, eval_data=()),
        lambda run, archive: api.fit('dbn', archive, pretrain_data=[]),
        lambda run, archive: api.stream([]),
        lambda run, archive: api.stream(''),
        lambda run, archive: api.input_fn([]),
        lambda run, archive: run.evaluate([]),
        lambda run, archive: list(run.predict([])),
        lambda run, archive: run.predict_arrays(''),
        lambda run, archive: run.report(data=[]),
        lambda run, archive: run.sample(data=[]),
    ],
)
def test_an_empty_value_is_an_error(use, home, archive, monkeypatch):
    """Not a reason to train on the built-in faces, nor in the current folder."""
    monkeypatch.chdir(home)
    with pytest.raises(FlagError, match=EMPTY):
        use(api.load('model'), str(archive))
    assert not (home / 'runs').exists()


def test_results_may_be_written_again(home, archive, monkeypatch):
    """To the folder of earlier ones, and below model_dir, which has pictures; not to a folder of images."""
    monkeypatch.chdir(home)
    run = api.load(shutil.copytree('model', 'other'))
    evaluation = run.evaluate(str(archive))
    (home / 'other' / 'inspect').mkdir()
    shutil.copy('a.png', home / 'other' / 'inspect')
    for folder in ('results', 'results', 'other'):
        assert {'confusion.png', 'worst.png'} <= set(evaluation.save(home / folder))
        assert run.export(home / folder)
    with pytest.raises(LabError, match=r'holds examples, such as \S+/photos/b\.png'):
        evaluation.save(home / 'photos')
