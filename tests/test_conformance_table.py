"""The table of behaviours, made from JUnit files."""

import importlib.util

from tests.places import ROOT


def tool():
    spec = importlib.util.spec_from_file_location(
        'conformance_table', ROOT / 'tools' / 'conformance_table.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASE = """<testcase name="t"><properties>
<property name="topic" value="Heads"/><property name="behaviour" value="{behaviour}"/>
<property name="tensorflow" value="{version}"/>{more}</properties>{outcome}</testcase>"""


def write(path, version, *cases):
    body = ''.join(CASE.format(version=version, **{'more': '', 'outcome': '', **case}) for case in cases)
    path.write_text(
        f'<testsuites><testsuite>{body}<testcase name="of another folder"/></testsuite></testsuites>'
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
    assert '| holds | behaviours | 2.15.1 | 2.21.0 |' in lines
    assert '| **in all** | 2 | 1 | 1 |' in lines
    assert '| adds | **no** | yes |' in lines
    assert '| trains | yes | differs |' in lines
    assert lines[-2:] == ['- adds: 2.15.1: boom', '- trains: 2.21.0: deleted in 2.16']


def test_the_committed_table_has_the_behaviours_of_the_newest_tests():
    page = (ROOT / 'docs' / 'conformance.md').read_text()
    assert '**no**' not in page
    assert sum(line.startswith('| ') for line in page.splitlines()) > 200
