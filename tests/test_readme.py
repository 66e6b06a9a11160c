"""The commands of README and CONTRIBUTING run, and all pages name what exists: see `shown_commands`."""

import re
import shutil
from pathlib import Path

import pytest

from estimator_lab import train
from estimator_lab.core.params import parse_hparams, resolve
from estimator_lab.models.registry import find_model
from tests.commands import flags_of
from tests.documentation import (
    ROOT,
    all_commands,
    all_pages,
    anchors,
    commands_of_page,
    flags_named,
    flags_of_training,
    links,
)
from tests.shown_commands import World, matches, name_of, output_of_module, run_command

COMMANDS = all_commands()
PAGES = ('README.md', 'CONTRIBUTING.md')


@pytest.mark.parametrize('command', [each for each in COMMANDS if each.file in PAGES], ids=str)
def test_command(command, world, stdin, capfd):
    run_command(command.text, world, stdin, capfd)


def test_the_five_minutes_can_be_repeated(world, stdin, capfd, cnn_dir, style_dir, tmp_path, monkeypatch):
    """They write below runs/, which git ignores, and nowhere else."""
    section = (ROOT / 'README.md').read_text(encoding='utf-8').split('## Five minutes')[1]
    commands = list(commands_of_page(section.partition('\nNo command')[0]))
    inputs, clone = tmp_path / 'inputs', tmp_path / 'clone'
    inputs.mkdir()
    shutil.copytree(cnn_dir, clone / 'runs' / 'cnn')
    monkeypatch.chdir(clone)
    for text in 2 * commands:
        run_command(text, World(inputs, cnn_dir, style_dir), stdin, capfd)
        (clone / 'runs/exported/temp-9').mkdir(parents=True, exist_ok=True)  # as an export that was killed
    assert len(matches('runs/exported/[0-9]*')) == 2
    assert matches('*') == ['runs']


def test_the_quoted_output_is_what_train_prints(world, capfd):
    """Except numbers, the size of a large checkpoint, and the command that starts Python."""
    smaller = ['--image_size=8', '--max_steps=2', '--model_dir=runs/quoted']
    shown = output_of_module('estimator_lab.train', ['--model=cnn', *smaller], capfd)
    shown = shown.replace('runs/quoted', 'runs/cnn').replace('training images', 'unseen images')
    shown = shown.replace(' --image_size=8', '')
    quoted = re.search(
        r'^```\n(Accuracy .*?)^```', (ROOT / 'README.md').read_text(), re.DOTALL | re.MULTILINE
    )
    assert masked(shown).splitlines()[-4:] == masked(quoted[1]).splitlines()


def masked(text):
    text = re.sub(r'\S*python -m tensorboard\.main', 'tensorboard', re.sub(r' \(.* MB;.*\)', '', text))
    return re.sub(r'\d[\d.,]*', 'N', re.sub(r'\S*python ', 'python ', text))


@pytest.mark.parametrize('page', [*all_pages(), ROOT / 'CHANGELOG.md'], ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in links(page):
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_picture_is_on_a_page():
    shown = {Path(link).name for page in all_pages() for link in links(page)}
    assert {path.name for path in (ROOT / 'docs' / 'images').iterdir()} <= shown


@pytest.mark.parametrize('text', sorted({text for page in all_pages() for text in flags_of_training(page)}))
def test_flags_of_training(text):
    chosen = {name_of(part): part.partition('=')[2] for part in text.split()}
    assert set(chosen) <= flags_of(train)
    model = find_model(chosen.get('model', 'cnn'))
    if chosen.get('hparams', 'help') != 'help':
        model.check(resolve(model.params, parse_hparams(model.params, chosen['hparams'])))


def test_every_flag_on_a_page_exists(capfd):
    modules = {m[1] for c in COMMANDS if (m := re.search(r'-m (estimator_lab[.\w]+)', c.text))}
    known = {'help', 'flagfile', 'completion', 'version'}  # of every command and of `estimator_lab` itself
    # Flags of benchmarks, examples and tools:
    known |= {'train', 'test', 'count', 'rounds', 'seeds', 'kills', 'models', 'perceptual', 'commands'}
    known |= {'only', 'photos', 'rival', 'seconds', 'side', 'style_weight'}
    known |= {'batch', 'cg_steps', 'checkpoint', 'method', 'minutes', 'rate', 'share'}
    known |= {
        'actual_size',
        'crop',
        'images',
        'megabytes',
        'python',
        'reuse',
        'tags',
        'tensorflow',
        'trainings',
    }
    known |= {'network', 'total_batch', 'at_once', 'calls', 'faults', 'iterations', 'patience'}
    # Flags of other programs, such as docker, modernize and BERT; of names with hyphens, the first part:
    known |= {'bleu_source', 'build', 'data_dir', 'do_eval', 'do_predict', 'do_train', 'export_dir', 'no'}
    known |= {'task_name', 'tpu', 'use_tpu', 'v'}
    for module in modules:
        help_text = output_of_module(module, ['--help'], capfd)
        known |= set(re.findall(r'^ +--(\w+)', help_text, re.MULTILINE))
    assert set().union(*map(flags_named, all_pages())) <= known
