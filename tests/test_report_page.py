"""The report of a run, and what a browser makes of it; the contract of models draws that of each.

Among the labels is one that would run a script on a page that took it for HTML, and one in Chinese.
"""

import pytest

from estimator_lab import report
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf
from tests.models.contract.models import subject_of
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.chromium import colours, screenshot
from tests.support.commands import invoke
from tests.support.markup import Markup

pytestmark = pytest.mark.trains

SCRIPT = '<script>document.title="hostile"; "</title><img src=x onerror=alert(1)>'.replace('/', '\u2215')
LABELS = ['n000000', SCRIPT, '猫', '犬']


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    files = [
        (f'train/{label}/{index:04}_01.png', encoded(picture(10 * number + index)))
        for number, label in enumerate(LABELS)
        for index in range(6)
    ]
    return write_tar(tmp_path_factory.mktemp('data') / 'train.tar', files)


@pytest.fixture(scope='module', params=('cnn', 'style'))
def run(request, archive, tmp_path_factory):
    """What a model learned, and the folder of its run."""
    subject = subject_of(request.param, tmp_path_factory.mktemp(request.param))
    subject.data = archive
    folder = subject.run.model_dir
    return Trained.open(folder).task, folder


@pytest.fixture(scope='module')
def page(run, archive, tmp_path_factory):
    path = tmp_path_factory.mktemp('page') / 'report.html'
    assert invoke(report, f'--model_dir={run[1]}', f'--data={archive}', f'--out={path}') == 0
    return path


@pytest.mark.slow
def test_the_report_needs_nothing_and_runs_nothing(run, page):
    task, _ = run
    text = page.read_text(encoding='utf-8')
    parts = Markup(text)
    tags = {tag for tag, _ in parts.elements}
    assert 'script' not in tags and {'svg', 'img', 'table', 'style'} <= tags
    for _, attributes in parts.elements:
        assert not any(name.startswith('on') for name in attributes)
        addresses = [attributes[name] for name in ('src', 'href', 'xlink:href') if name in attributes]
        assert all(address.startswith(('data:image/png;base64,', '#')) for address in addresses)
    assert 'url(' not in text and '@import' not in text
    said = ' '.join(parts.texts)
    words = ('Learning curves', 'Hyper-parameters', 'learning_rate', task.primary_metric, tf.__version__)
    assert all(each in said for each in (*words, *LABELS))
    if task.labelled:
        assert 'Confusion' in parts.texts and 'Worst examples' in parts.texts


def test_a_report_is_drawn_by_chromium(cnn_dir, archive, tmp_path):
    """The page is as wide as the window, and has text and pictures in it."""
    page = tmp_path / 'report.html'
    assert invoke(report, f'--model_dir={cnn_dir}', f'--data={archive}', f'--out={page}') == 0
    picture = screenshot(page.as_uri(), tmp_path / 'page.png', (600, 2000), seconds=2)
    assert colours(picture) > 100
    assert colours(picture.crop((598, 0, 600, 2000))) == 1  # a margin: nothing sticks out
