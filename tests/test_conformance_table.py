"""Tests tools/conformance_table.py and the committed table."""

import ast
import re

from tests.places import ROOT, load_script


def tool():
    return load_script(ROOT / 'tools' / 'conformance_table.py')


CASE = """<testcase name="t"><properties>
<property name="topic" value="Heads"/><property name="behaviour" value="{behaviour}"/>
<property name="tensorflow" value="{version}"/>{more}</properties>{outcome}</testcase>"""


def write(path, version, *cases):
    body = ''.join(CASE.format(version=version, **{'more': '', 'outcome': '', **case}) for case in cases)
    path.write_text(
        f'<testsuites><testsuite>{body}<testcase name="without a behaviour"/></testsuite></testsuites>'
    )
    return str(path)


def test_table(tmp_path, capsys):
    adds, trains = {'behaviour': 'adds'}, {'behaviour': 'trains'}
    differs = {**trains, 'more': '<property name="differs" value="deleted in 2.16"/>'}
    fails = {**adds, 'outcome': '<failure message="boom&#10;more">trace</failure>'}
    newer = write(tmp_path / 'a.xml', '2.21.0', adds, differs)
    older = write(tmp_path / 'b.xml', '2.15.1', fails, trains)
    tool().main([newer, older])
    lines = capsys.readouterr().out.splitlines()
    assert '| passing | behaviours | 2.15.1 | 2.21.0 |' in lines
    assert '| **total** | 2 | 1 | 1 |' in lines
    assert '| adds | **no** | yes |' in lines
    assert '| trains | yes | differs |' in lines
    assert lines[-2:] == ['- adds: 2.15.1: boom', '- trains: 2.21.0: deleted in 2.16']


def test_the_committed_table_lists_every_test():
    """The docstring of each test is a row; a parametrized test has a row for each parameter, in brackets."""
    page = (ROOT / 'docs' / 'conformance.md').read_text()
    assert '**no**' not in page
    rows = {
        re.sub(r' \(.*', '', line.split(' | ')[0][2:]) for line in page.splitlines() if line.startswith('| ')
    }
    missing = [behaviour for behaviour in behaviours() if re.sub(r' \(.*', '', behaviour) not in rows]
    assert not missing


def behaviours():
    """Yields the docstrings of tests/conformance, as the table shows them."""
    for path in sorted((ROOT / 'tests' / 'conformance').glob('test_*.py')):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith('test_'):
                yield ' '.join(ast.get_docstring(node).split()).rstrip('.').replace('|', chr(92) + '|')
