"""Runs side by side: one chart for all, one table of metrics, the settings that differ."""

import json
import re
import shutil

import pytest

from estimator_lab import report
from estimator_lab.inference.report.comparison import comparison_page
from estimator_lab.inference.report.history import History, read_history
from estimator_lab.runs.model import open_trained


@pytest.fixture
def two(cnn_dir, tmp_path):
    """Two runs; the record of the second names another learning rate."""
    folders = [shutil.copytree(cnn_dir, tmp_path / name) for name in ('first', 'second')]
    path = folders[1] / 'experiment.json'
    record = json.loads(path.read_text())
    record['hparams']['learning_rate'] = 0.125
    path.write_text(json.dumps(record))
    return folders


def rows_of(page):
    """Returns the cells of each row of a page's tables."""
    return [
        re.findall(r'<t[dh][^>]*>(.*?)</t[dh]>', row)
        for row in re.findall(r'<tr>(.*?)</tr>', page, re.DOTALL)
    ]


def test_the_page_has_all_curves_in_one_chart_and_what_differs(two, run_command):
    status, out, err = run_command(report, *two)
    assert (status, err) == (0, '')
    assert re.fullmatch(rf'Report +{two[0]}/comparison.html: \d\.\d MB, for any browser\n', out)
    page = (two[0] / 'comparison.html').read_text(encoding='utf-8')
    legend = [name for run in two for name in (f'{run}, training', str(run))]
    assert f'aria-label="loss by global step: {", ".join(legend)}"' in page
    rows = rows_of(page)
    settings = rows[rows.index(['', *map(str, two)], rows.index(['', *map(str, two)]) + 1) + 1 :]
    assert settings == [['learning_rate', '0.001', '0.125']]
    accuracy = read_history(two[0]).last()['accuracy'][1]
    assert ['accuracy', *[f'{float(f"{accuracy:.5g}")}'] * 2] in rows
    assert not (two[0] / 'report.html').exists()


def test_commas_do_the_same_unless_a_folder_has_them(two, run_command, tmp_path):
    out = tmp_path / 'page.html'
    assert run_command(report, f'--model_dir={two[0]},{two[1]}', f'--out={out}')[0] == 0
    assert '2 runs side by side' in out.read_text()
    one = two[0].rename(tmp_path / 'a,b')
    assert run_command(report, one)[0] == 0
    assert (one / 'report.html').exists()


def test_all_are_evaluated_on_the_same_data(two, run_command, archive):
    status, _, err = run_command(report, *two, f'--data={archive}')
    assert (status, err) == (0, '')
    rows = rows_of((two[0] / 'comparison.html').read_text(encoding='utf-8'))
    assert ['examples', '24', '24'] in rows
    start = rows.index(['examples', '24', '24'])
    assert rows[start + 1][0] == 'accuracy' and rows[start + 1][1] == rows[start + 1][2]


def test_best_values_are_those_of_each_task(two):
    opened = [open_trained(folder) for folder in two]
    curves = [{3: 0.25, 6: 0.75, 9: 0.5}, {3: 0.125}]
    histories = [History({'accuracy': {'evaluation': curve}}) for curve in curves]
    rows = rows_of(comparison_page(list(zip(opened, histories, strict=True))))
    assert ['accuracy', '0.5', '0.125'] in rows
    assert ['best accuracy', '0.75 at step 6', '0.125 at step 3'] in rows


def test_runs_without_evaluations_and_equal_settings_have_a_page(cnn_dir, tmp_path):
    opened = [open_trained(cnn_dir), open_trained(shutil.copytree(cnn_dir, tmp_path / 'same'))]
    assert ['none', '-', '-'] in rows_of(comparison_page([(one, History()) for one in opened]))


@pytest.mark.parametrize(
    ('arguments', 'status', 'words'),
    [
        (['FIRST', 'FIRST/'], 2, 'is named twice'),
        (['FIRST', 'nowhere'], 1, 'nowhere is not a folder'),
        (['FIRST', 'SECOND', '--data=x.tar', '--worst=3'], 2, '--worst is for the report of one run'),
        (
            ['FIRST', 'SECOND', '--out=page.txt'],
            2,
            'is not a name for a page: end it in .html',
        ),
        ([*'1234567'], 2, '7 runs are too many for one chart'),
        (
            ['FIRST', 'SECOND', '--out=SECOND/experiment.json'],
            2,
            'is there already, and what is written anew ends in .html',
        ),
    ],
)
def test_mistakes_get_one_sentence_and_leave_nothing(two, run_command, arguments, status, words):
    names = {'FIRST': str(two[0]), 'SECOND': str(two[1])}
    for name, place in names.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    got, out, err = run_command(report, *arguments)
    assert (got, out) == (status, '')
    assert err.count('\n') == 1 and words in err
    assert not list(two[0].parent.glob('*/*.html*'))
