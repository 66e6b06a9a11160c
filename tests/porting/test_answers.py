"""The answers to error messages: `port --explain`, docs/messages, and the programs of each page."""

import json
import os

import pytest

from estimator_lab.porting.answers.catalogue import ANSWERS, find, written
from tests.places import ROOT, load_script

MESSAGES = [(message, answer.page) for answer in ANSWERS for message in answer.messages]
# Runs each of the programs in a process of its own, forked after the import, and prints what they raise.
RUNNER = """\
import json, os, sys
import {module}

found = {{}}
for name, program in json.load(sys.stdin).items():
    reader, writer = os.pipe()
    if not os.fork():
        os.dup2(2, 1)  # what the program prints
        try:
            exec(compile(program, name, 'exec'), {{'__name__': '__main__'}})
            said = ''
        except BaseException as error:
            said = f'{{type(error).__name__}}: {{error}}'
        os.write(writer, said.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        found[name] = file.read()
    os.wait()
print(json.dumps(found))
"""


@pytest.fixture
def outcomes(run_python):
    """Runs programs after the import of a module; returns what each raises."""

    def run(module, programs):
        done = run_python(
            '-c', RUNNER.format(module=module), stdin=json.dumps(programs).encode(), TF_CPP_MIN_LOG_LEVEL='3'
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_programs_raise_the_message_on_tensorflow_alone(outcomes):
    programs = {answer.page: answer.raises for answer in ANSWERS if answer.raises}
    said = outcomes('tensorflow', programs)
    # A traceback has the line of the program, then the message.
    found = {page: find(f'{programs[page]}\n{message}') for page, message in said.items()}
    assert len(programs) > 25 and all(said.values()), said
    assert {page: answer and answer.page for page, answer in found.items()} == {p: p for p in programs}, said


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_programs_run_after_the_remedy(outcomes):
    programs = {answer.page: answer.works for answer in ANSWERS if answer.works}
    assert len(programs) > 25
    assert outcomes('estimator_lab.tf1', programs) == dict.fromkeys(programs, '')


@pytest.mark.parametrize(('message', 'page'), MESSAGES)
def test_each_message_has_its_answer(message, page):
    (answer,) = (each for each in ANSWERS if each.page == page)
    text = message.replace('...', 'anything')
    # The page of a part of tf.contrib answers messages of all of it with its code only.
    code = f'tf.{answer.needs[0]}\n' if answer.needs and find(text) is not answer else ''
    for pasted in (
        text,
        text.partition('Error: ')[2] or text,
        f'Traceback (most recent call last):\n  File "train.py", line 3\n{text}. Did you mean: \'x\'?',
        text.replace("'", '\u2019').replace('`', '\u201d'),
        text.replace("'", '').upper(),
        f'E0101 12:00:00 worker.py:3]   {text} (/usr/lib/python3/site-packages/x.py)',
        text.replace(' ', '\n    '),
    ):
        assert find(code + pasted) is answer, pasted


@pytest.mark.parametrize(
    ('pasted', 'page'),
    [
        ("module 'tensorflow' has no attribute 'apple'", 'no_attribute_others'),
        ("module 'tensorflow.contrib' has no attribute 'learn'", 'contrib_learn'),
        ("No module named 'tensorflow.contrib.slim'", 'no_module_contrib'),
        ('ERROR: No matching distribution found for tensorflow-gpu==1.14.0', 'no_matching_distribution'),
        (
            'No matching distribution found for tensorflow==1.15.5; python_version < "4"',
            'no_matching_distribution',
        ),
        ("No module named 'tensorflow.python.estimator'\nIn another: KeyError: 'brand'", 'cpuinfo_brand'),
    ],
)
def test_messages_of_the_same_kind(pasted, page):
    assert find(pasted).page == page


@pytest.mark.parametrize(
    'pasted',
    [
        '',
        '...',
        "No module named 'torch'",
        'No matching distribution found for tensorflow==2.30',
        "module 'numpy' has no attribute 'float32x'",
        'x ' * 200_000,
    ],
)
def test_other_messages_have_none(pasted):
    assert find(pasted) is None


def test_the_pages_are_written_from_the_answers():
    pages = load_script(ROOT / 'tools/messages_pages.py').pages()
    folder = ROOT / 'docs/messages'
    assert {path.name: path.read_text(encoding='utf-8') for path in folder.iterdir()} == pages
    assert len(ANSWERS) > 30 and len({answer.messages[0] for answer in ANSWERS}) == len(ANSWERS)
    for answer in ANSWERS:
        assert pages[f'{answer.page}.md'].startswith(written(answer))
        assert f']({answer.page}.md)' in pages['README.md']


def test_explain_prints_the_page(run_command):
    (answer,) = (each for each in ANSWERS if each.page == 'no_attribute_session')
    status, out, err = run_command(
        'estimator_lab.port', "--explain=AttributeError: module 'tensorflow' has no attribute 'Session'"
    )
    assert (status, err) == (0, '')
    assert out == f'{written(answer)}\n'


def test_explain_reads_a_traceback_from_standard_input(run_python):
    traceback = b"  File \"\xff.py\", line 1\nAttributeError: module 'tensorflow' has no attribute 'app'\n"
    done = run_python('-X', 'importtime', '-m', 'estimator_lab.port', '--explain=-', stdin=traceback)
    assert done.returncode == 0 and done.stdout.startswith("# `AttributeError: module 'tensorflow' has no")
    assert 'tensorflow' not in {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    ('arguments', 'status', 'words'),
    [
        (['--explain=cannot reticulate'], 1, 'There is no answer to this message. docs/messages'),
        (['--explain='], 1, 'There is no answer'),
        (['--explain=module', 'tensorflow'], 2, 'quotes around the whole message'),
        (['--explain=x', '--json'], 2, 'no other flags'),
        ([], 2, 'PROGRAM... is missing'),
    ],
)
def test_what_explain_rejects(run_command, arguments, status, words):
    ended, out, err = run_command('estimator_lab.port', *arguments)
    assert (ended, out, err.count('\n')) == (status, '', 1) and words in err
