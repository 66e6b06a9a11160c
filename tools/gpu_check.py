"""What tools/gpu_check.sh prints: one table of what works on the GPUs of this machine.

    tools/gpu_check.sh [--models=cnn,gan,...] [--steps=N] [--out=FOLDER]

Each row is a command of its own: what ran, whether it worked, its last loss and its seconds. Without a GPU,
the same rows run on the CPU, with few small images, and the table says so. Exits with 1 if a row fails. The
style network is left out, as it needs a picture and the weights of another network.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from estimator_lab.models.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
MODELS_CHECKED = [name for name in MODELS if name != 'style']
_LOSS = re.compile(r'^(?:loss|reconstruction_error|generator_loss)\s+(-?[\d.]+)', re.MULTILINE)
_FLAGS = {
    'dbn': ['--hparams=pretrain_epochs=0'],
    'gan': ['--batch_size=8'],
}
_TOLERANCE = 0.1  # of the loss, between float16 and float32


class Row(NamedTuple):
    """One line of the table."""

    name: str
    outcome: str
    seconds: float
    loss: float | None = None


def gpus() -> list[str]:
    """Returns the names of TensorFlow's GPUs, found in a process of its own."""
    program = (
        'from estimator_lab.runs.devices import gpus\nfrom estimator_lab.tf1 import tf\n'
        'details = tf.config.experimental.get_device_details\n'
        'for gpu in gpus(): print("GPU:", details(gpu).get("device_name", "unknown"))'
    )
    printed = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return re.findall('^GPU: (.*)$', printed, re.MULTILINE)


def run(name: str, arguments: Sequence[str], out: Path) -> Row:
    """Runs `python ARGUMENTS`; its output is kept in the folder."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    path = out / f'{re.sub(r"[^a-z0-9]+", "_", name)}.txt'
    path.write_text(done.stdout, encoding='utf-8')
    found = _LOSS.search(done.stdout)
    outcome = 'works' if done.returncode == 0 else f'FAILS with status {done.returncode}: {path}'
    return Row(name, outcome, time.monotonic() - begun, float(found[1]) if found else None)


def rows(tests: str, models: Sequence[str], steps: int, out: Path, has_gpu: bool) -> Iterator[Row]:
    """Yields the rows of the table, each once it has run."""
    size = ['--image_size=64', '--batch_size=32'] if has_gpu else ['--image_size=32', '--batch_size=4']
    device = f'--device={"gpu" if has_gpu else "cpu"}'
    common = [device, *size, f'--max_steps={steps}', f'--save_checkpoints_steps={steps}', '--eval_steps=2']

    def train(name: str, model: str, *flags: str) -> Row:
        folder = out / re.sub(r'[^a-z0-9]+', '_', name)
        own = [f'--model={model}', f'--model_dir={folder}', *_FLAGS.get(model, ()), *flags]
        return run(name, ['-m', 'estimator_lab.train', *common, *own], out)

    yield run('conformance', ['-m', 'pytest', '-q', tests], out)
    for model in filter(None, models):
        yield train(model, model)
    full = train('cnn float32', 'cnn', '--deterministic')
    half = train('cnn float16', 'cnn', '--deterministic', '--precision=float16')
    yield full
    yield half._replace(outcome=_compared(half, full))
    yield train('cnn mirrored', 'cnn', '--distribution=mirrored')


def _compared(half: Row, full: Row) -> str:
    """Returns the outcome of a row in float16, which also fails if its loss is another than in float32."""
    if half.loss is None or full.loss is None or half.outcome != 'works':
        return half.outcome
    difference = abs(half.loss - full.loss)
    is_same = difference <= _TOLERANCE * max(abs(full.loss), 1e-3)
    return f'{"works" if is_same else "FAILS"}: the loss differs by {difference:.4f} from float32'


def main(arguments: Sequence[str]) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--models', default=','.join(MODELS_CHECKED), help='that are trained')
    parser.add_argument('--tests', default='tests/conformance', help='the tests of the first row')
    parser.add_argument('--steps', type=int, help='of each training; default: 200, without a GPU 3')
    parser.add_argument('--out', type=Path, help='folder for outputs and models; default: a new one')
    given = parser.parse_args(arguments)
    found = gpus()
    out = given.out or Path(tempfile.mkdtemp(prefix='gpu_check-'))
    out.mkdir(parents=True, exist_ok=True)
    print(f'Devices: {", ".join(found) or "no GPU, so everything below runs on the CPU"}. Outputs: {out}\n')
    print(f'| {"what":<14} | {"loss":>8} | {"seconds":>7} | outcome |\n| --- | --- | --- | --- |')
    failed = False
    for row in rows(
        given.tests, given.models.split(','), given.steps or (200 if found else 3), out, bool(found)
    ):
        loss = '' if row.loss is None else f'{row.loss:.4f}'
        print(f'| {row.name:<14} | {loss:>8} | {row.seconds:>7.1f} | {row.outcome} |', flush=True)
        failed |= 'FAILS' in row.outcome
    return int(failed)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
