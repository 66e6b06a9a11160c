"""Runs the blocks of pages in docs/ as a reader would: in order, in a folder with the README's first run.

    python -m tests.run_pages [PAGE...]

A page is the name of a file in docs/ without its suffix; without names, all of them run. Trainings are cut
short by --max_steps only, and the reader's own files are small. A shell block must end with status 0, write
what its --out, --files and --model_dir name, and train where it trains; a Python block must end with
status 0. `APART` gives the reason of each block that is left out.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.archive_files import encoded, picture, small_archive, write_tar

ROOT = Path(__file__).parents[1]
STEPS = 20
_LONGER = {'dbn': 80}  # whose pre-training takes 54
_SECONDS = 600  # of one block
_BLOCK = re.compile(r'^```(sh|python)\n(.*?)^```', re.DOTALL | re.MULTILINE)

# Why a block with these words is left out, by page; '' for the whole page.
APART = {
    'adding_a_model': {'': 'changes the package: tests/test_adding_a_model.py does it in a copy'},
    'archives': {'example.com/train-': 'needs a web server and a bucket'},
    'distributed': {
        'TF_CONFIG': 'needs three machines: tests/training/test_distribution.py',
        'srun': 'needs Slurm: tests/training/test_cluster.py',
    },
    'porting': {'': "is run with the reader's own program: tests/test_run.py and tests/test_port.py"},
    'data': {
        'torch': 'needs PyTorch: tests/test_data_page.py',
        'import grain': 'needs grain: tests/test_data_page.py',
        'jax': 'needs JAX',
    },
    'resnet': {'resnet50.': 'needs a download'},
    'programs': {'': 'clones repositories of others: benchmarks/programs.py'},
    'results': {'': 'takes nights: benchmarks/results.py'},
    'second_order': {'': "is part of the reader's own model function"},
    'style': {'runs/vgg16': 'needs a download', 'vgg16_notop.h5': 'needs a download'},
    'vgg': {'vgg_16.ckpt': 'needs a download'},
}
SHORT = ('api', 'data', 'rbm', 'trained_models')
"""Pages that take few minutes, which the tests run."""

# What a page calls the reader's own, ahead of its Python.
_OWN = {
    'api': 'import numpy as np\nx, y = x_test, y_test = np.random.rand(8, 28, 28, 1), [0, 1] * 4\n',
    'data': "from estimator_lab.api import dataset\nfaces = dataset('faces.tar', image_shape=(64, 64, 3))\n",
}
# Python gets fewer steps; there is nothing to install, and no server to wait for.
_SHELL = """
set -eo pipefail
python() {
    case "$*" in
        *estimator_lab.train\\ *=help*) "$PYTHON" "$@" ;;
        *estimator_lab.train\\ *)
            local argument; local shorter=()
            for argument in "$@"; do [[ $argument == --epochs=* ]] || shorter+=("$argument"); done
            "$PYTHON" "${shorter[@]}" --max_steps=$STEPS ;;
        examples/recurrent.py*) "$PYTHON" "$ROOT/$@" --train_steps=$STEPS ;;
        examples/*) "$PYTHON" "$ROOT/$@" ;;
        *) "$PYTHON" "$@" ;;
    esac
}
pip() { :; }
tensorboard() { :; }
curl() { cat faces.tar.gz; }
"""


class Block(NamedTuple):
    """A block of a page: its language, 'sh' or 'python', and its text."""

    language: str
    text: str


def blocks_of(page: str) -> Iterator[Block]:
    """Yields the blocks of a page that are run."""
    apart = APART.get(page, {})
    for language, text in _BLOCK.findall((ROOT / f'docs/{page}.md').read_text(encoding='utf-8')):
        if not any(words in text for words in apart):
            yield Block(language, text)


def pages() -> list[str]:
    """Returns the pages with a block to run."""
    names = sorted(path.stem for path in (ROOT / 'docs').glob('*.md'))
    return [name for name in names if any(blocks_of(name))]


def prepare(folder: Path, environment: dict[str, str]) -> None:
    """Makes the README's first run, with its data, and the reader's own files."""
    (folder / 'faces').mkdir(parents=True)
    archive = small_archive(folder).read_bytes()
    for name in ('test', 'faces', 'birds', 'a', 'b', 'photos', 'unseen', 'faces/train-0', 'faces/test'):
        (folder / f'{name}.tar').write_bytes(archive)
    write_tar(folder / 'faces.tar.gz', _members(4, 6, 'n{:06}'), 'w:gz')
    (folder / 'people.txt').write_text(''.join(f'n{number:06}\n' for number in range(4)))
    for part in ('train', 'test'):
        write_tar(folder / f'mnist-{part}.tar.gz', _members(10, 12, '{}', 28, 'L'), 'w:gz')
    (folder / 'holiday').mkdir()
    for place in ('holiday/a.jpg', 'holiday/b.jpg', 'photo.jpg', 'wave.jpg', 'scream.jpg'):
        (folder / place).write_bytes(encoded(picture(len(place), 96, 128), 'JPEG'))
    for module, *arguments in (('train', '--model=cnn', f'--max_steps={STEPS}'), ('data.demo', 'runs/demo')):
        _run([sys.executable, '-m', f'estimator_lab.{module}', *arguments], folder, environment)


def _members(
    classes: int, each: int, label: str, side: int = 32, mode: str = 'RGB'
) -> list[tuple[str, bytes]]:
    return [
        (f'train/{label.format(one)}/{number}.png', encoded(picture(9 * one + number, side, side, mode)))
        for one in range(classes)
        for number in range(each)
    ]


def run_page(page: str, folder: Path, environment: dict[str, str]) -> Iterator[tuple[Block, str]]:
    """Runs the blocks of a page in a prepared folder; yields each with what is wrong, '' for nothing."""
    imports = _OWN.get(page, '')
    for number, block in enumerate(blocks_of(page)):
        if block.language == 'sh':
            steps = {'STEPS': str(_LONGER.get(page, STEPS))}
            yield block, _shell(block.text, folder, environment | steps)
            continue
        script = folder / f'block_{number}.py'
        shorter = re.sub(r'\bsteps=\d+', f'steps={STEPS}', block.text)
        shorter = re.sub(
            r'(api\.fit\(.*?)(?:, epochs=\d+)?\)(\s*#.*)?$', rf'\1, max_steps={STEPS})\2', shorter, flags=re.M
        )
        script.write_text(imports + shorter)
        imports += ''.join(re.findall(r'^(?:from|import) .*\n', block.text, re.MULTILINE))
        yield block, _error(_run([sys.executable, str(script)], folder, environment))


def _shell(text: str, folder: Path, environment: dict[str, str]) -> str:
    variables = {'PYTHON': sys.executable, 'ROOT': str(ROOT)}
    done = _run(['bash', '-c', _SHELL + text], folder, environment | variables)
    if problem := _error(done):
        return problem
    for name, value in re.findall(r'--(out|files|model_dir)=(\S+)', text):
        if not (folder / value).exists():
            return f'--{name}={value} was not written'
    # The README's first run has been trained.
    trainings = len(re.findall(r'estimator_lab\.train (?!--model=cnn$|.*=help)', text, re.MULTILINE))
    taken = [
        int(end) - int(start)
        for start, end in re.findall(r'step (\d+) to (\d+)', done.stdout.replace(',', ''))
    ]
    if sum(map(bool, taken)) < trainings:
        return f'of {trainings} trainings, {sum(map(bool, taken))} took steps:\n{done.stdout[-3000:]}'
    return ''


def _run(words: Sequence[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )


def _error(done: subprocess.CompletedProcess[str]) -> str:
    """Returns how a process failed; '' if it did not."""
    return f'status {done.returncode}: {done.stderr[-3000:]}' if done.returncode else ''


def main(names: Sequence[str]) -> int:
    """Runs pages; returns how many of their blocks fail."""
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        first, environment = Path(temporary, 'first'), {'TF_CPP_MIN_LOG_LEVEL': '3'}
        prepare(first, environment)
        for page in names or pages():
            folder = Path(temporary, page)
            shutil.copytree(first, folder)
            for block, problem in run_page(page, folder, environment):
                title = shlex.quote(block.text.strip().splitlines()[0][:70])
                print(f'{page:<16} {"FAILED" if problem else "passed"}  {title}  {problem}', flush=True)
                failed += bool(problem)
            shutil.rmtree(folder)
    return failed


if __name__ == '__main__':
    sys.exit(bool(main(sys.argv[1:])))
