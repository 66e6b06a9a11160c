"""What each model of the registry leaves behind: summaries with tags of one layout, and a report of its run.

Among the labels is one that would run a script on a page that took it for HTML, and one in Chinese.
"""

import html.parser
import re

import pytest

from estimator_lab import export, report
from estimator_lab.models.registry import MODELS
from estimator_lab.runs.event_files import all_values_in
from estimator_lab.runs.model import open_trained
from estimator_lab.runs.serving import numeric_signatures
from estimator_lab.tf1 import tf
from tests.archive_files import encoded, picture, write_tar
from tests.browser import Browser, find_chromium
from tests.commands import invoke
from tests.converted import assert_same, of_onnx, of_saved_model, of_tflite, signatures_of, some_inputs
from tests.models.test_registry import SMALL
from tests.small_runs import cnn_settings, trained

SCRIPT = '<script>document.title="hostile"; "</title><img src=x onerror=alert(1)>'.replace('/', '\u2215')
LABELS = ['n000000', SCRIPT, '猫', '犬']
STEPS = 5
DRAWN_AT = {1, 2, 4}
NAME = r'[\w.<>-]+'
PHASE = re.compile(r'pretrain_\d+/')
LAYOUT = {
    'scalar': re.compile(rf'{NAME}(/{NAME})?'),
    'image': re.compile(rf'images/{NAME}/image'),
    'histogram': re.compile(rf'(weights(/{NAME})+|(activations|gates|outputs)(/{NAME})+)'),
    # of TensorBoard's own plugins, and what Estimator says of its checkpoints
    'other': re.compile(r'pr_curves/.*/pr_curves|_hparams_/session_start_info|checkpoint_path'),
}


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    files = [
        (f'train/{label}/{index:04}_01.png', encoded(picture(10 * number + index)))
        for number, label in enumerate(LABELS)
        for index in range(6)
    ]
    return write_tar(tmp_path_factory.mktemp('data') / 'train.tar', files)


@pytest.fixture(scope='module', params=MODELS)
def run(request, archive, tmp_path_factory):
    """What a model learned, and the folder of its run."""
    chosen = dict(SMALL[request.param])
    side, _, _ = chosen.pop('image_shape', (8, 8, 1))
    if request.param == 'dbn':
        chosen['pretrain_epochs'] = 0.5  # of 24 images in batches of 6: two steps a layer
    folder = tmp_path_factory.mktemp('runs') / request.param
    changes = {
        'model': request.param,
        'max_steps': STEPS + (4 if request.param == 'dbn' else 0),
        'image_size': side,
        'hparams': ','.join(f'{name}={value}' for name, value in chosen.items()),
        'save_checkpoints_steps': None,
    }
    trained(cnn_settings(archive, folder, **changes))
    return open_trained(folder).task, folder


@pytest.fixture(scope='module')
def page(run, archive, tmp_path_factory):
    path = tmp_path_factory.mktemp('page') / 'report.html'
    assert invoke(report, f'--model_dir={run[1]}', f'--data={archive}', f'--out={path}') == 0
    return path


@pytest.fixture(scope='module')
def browser():
    program = find_chromium()
    if program is None:
        pytest.skip('no Chromium on this machine: apt-get install chromium')
    with Browser(program) as opened:
        yield opened


def summaries(folder):
    """Returns {(kind, tag): steps} of a folder's event files."""
    found = {}
    for path in folder.glob('events.out.tfevents.*'):
        for step, value in all_values_in(path, pytest.fail):
            fields = {'simple_value': 'scalar', 'image': 'image', 'histo': 'histogram'}
            kind = fields.get(value.WhichOneof('value'), 'other')
            found.setdefault((kind, value.tag), set()).add(step)
    return found


def nodes(folder):
    return {
        node.name
        for path in folder.glob('events.out.tfevents.*')
        for event in tf.train.summary_iterator(str(path))
        if event.graph_def
        for node in tf.GraphDef.FromString(event.graph_def).node
    }


def test_tags_are_laid_out_alike(run):
    task, folder = run
    assert {path.parent for path in folder.rglob('events.out.tfevents.*')} == {folder, folder / 'eval'}
    for events in (folder, folder / 'eval'):
        wrong = [tag for kind, tag in summaries(events) if not LAYOUT[kind].fullmatch(PHASE.sub('', tag))]
        assert not wrong, (events, wrong)
    training, evaluation = summaries(folder), summaries(folder / 'eval')
    assert {('scalar', 'loss'), ('scalar', 'learning_rate')} <= set(training)
    assert {('scalar', 'loss'), ('scalar', task.primary_metric)} <= set(evaluation)
    for group in ('weights/', 'images/'):
        assert any(tag.startswith(group) for _, tag in training)
    if task.labelled:
        assert {('image', f'images/{name}/image') for name in ('confusion', 'worst')} <= set(evaluation)
        assert ('image', 'images/input/image') in training


def test_a_short_run_has_its_pictures(run):
    _, folder = run
    for kind, tag in (training := summaries(folder)):
        if kind == 'image' and not PHASE.match(tag):  # a phase is shorter
            first = min(training[kind, tag]) - 1  # after the preceding phases
            assert {step - first for step in training[kind, tag]} == DRAWN_AT, tag


def test_a_layer_has_one_name(run):
    _, folder = run
    tags = {PHASE.sub('', tag) for kind, tag in summaries(folder) if kind == 'histogram'}
    boxes = {'/'.join(name.split('/')[:-1]) for name in nodes(folder)}
    for tag in tags:
        if tag.startswith('activations/'):
            layer = tag.removeprefix('activations/')
            assert any(other.startswith(f'weights/{layer}/') for other in tags), tag
            assert any(f'/{layer}/' in f'/{box}/' for box in boxes), tag


def test_onnx_and_tflite_agree_with_the_export(run, tmp_path, capfd):
    _, folder = run
    flags = (f'--model_dir={folder}', f'--out={tmp_path / "out"}')
    forms = ['onnx', 'tflite']
    if folder.name == 'recursive':
        assert invoke(export, f'--model_dir={folder}', f'--out={tmp_path / "none"}', '--tflite') == 1
        said = 'cannot be converted to TensorFlow Lite: it lacks the operation ExtractImagePatches.\n'
        assert capfd.readouterr().err.endswith(said)
        forms.remove('tflite')
    assert invoke(export, *flags, *(f'--{form}' for form in forms)) == 0
    out, err = capfd.readouterr()
    assert not err
    (saved,) = (tmp_path / 'out').iterdir()
    signatures = signatures_of(saved)
    for stem, name in numeric_signatures(open_trained(folder)).items():
        given = some_inputs(signatures[name], side=12)
        wanted = of_saved_model(saved, name, given)
        for form in forms:
            path = saved / f'{stem}.{form}'
            (line,) = (line for line in out.splitlines() if f'{path}, ' in line)
            left_out = set(line.partition(' without ')[2].split(', ')) - {''}
            found = of_onnx(path, given) if form == 'onnx' else of_tflite(path.read_bytes(), name, given)
            assert_same(found, wanted)
            assert set(found) | left_out == set(wanted) and not set(found) & left_out
            texts = {'labels', 'top_labels'} if form == 'onnx' else set()
            assert left_out <= texts | {'dream', 'png'}


class Parts(html.parser.HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.texts = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        named = dict(attributes)
        self.addresses += [named[name] for name in ('src', 'href', 'xlink:href') if name in named]
        assert not any(name.startswith('on') for name in named)

    def handle_data(self, data):
        self.texts.append(data)


def test_the_report_needs_nothing_and_runs_nothing(run, page):
    task, _ = run
    text = page.read_text(encoding='utf-8')
    parts = Parts(text)
    assert 'script' not in parts.tags and {'svg', 'img', 'table', 'style'} <= parts.tags
    assert all(address.startswith(('data:image/png;base64,', '#')) for address in parts.addresses)
    assert 'url(' not in text and '@import' not in text
    said = ' '.join(parts.texts)
    for words in (
        'Learning curves',
        'Hyper-parameters',
        'learning_rate',
        task.primary_metric,
        tf.__version__,
    ):
        assert words in said
    assert all(label in said for label in LABELS)
    if task.labelled:
        assert 'Confusion' in parts.texts and 'Worst examples' in parts.texts


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_the_report_in_chromium(run, page, browser, scheme, tmp_path):
    browser.prefer(scheme)
    browser.resize(390, 800)  # a phone
    browser.open(page.as_uri())
    browser.wait_for('Learning curves', 'Run', SCRIPT, '猫')
    assert browser.run('document.title').startswith(f'{run[1].name}: ')
    assert browser.run('document.documentElement.scrollWidth') == 390
    assert browser.run('[...document.images].every(image => image.complete && image.naturalWidth > 0)')
    ground = browser.run('getComputedStyle(document.body).backgroundColor')
    ink = browser.run('getComputedStyle(document.body).color')
    brightness = [sum(map(int, re.findall(r'\d+', colour)[:3])) for colour in (ground, ink)]
    assert (brightness[0] > 600 > 200 > brightness[1]) == (scheme == 'light')
    assert (brightness[1] > 600 > 200 > brightness[0]) == (scheme == 'dark')
