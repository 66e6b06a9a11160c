"""How fast images come in: ours against the document's input function, Pillow alone, and other loaders.

    python benchmarks/input_pipeline.py --data=photos-train.tar        about 6 minutes

128x128 grey images from the JPEGs of one tar in batches of 32, on two cores. Each contender runs in fresh
processes of its own, in turn (A B C A B C ...); the figure is the median of its rounds. Then come the first
batch, the memory of an endless stream, the index, the cost of resuming, and how far `--decode=fast` is from
exact. Needs `pip install -e '.[bench]'`, 700 MB of disk for a moment, and a quiet machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_HERE = Path(__file__).parent
_CONTENDERS = {
    'document': "the document's input function",
    'bare': 'two threads of Pillow, nothing else',
    'exact': 'ours, --decode=exact',
    'fast': 'ours, --decode=fast',
    'webdataset': 'webdataset + DataLoader, one archive, one worker',
    'webdataset-2': 'webdataset + DataLoader, two archives, two workers',
    'webdataset-2-draft': "the same, Pillow's draft mode",
    'torchvision': 'torchvision + DataLoader, two workers, bytes in memory',
    'tfrecord': 'tf.data over TFRecord, bilinear',
}
_OTHERS_AT_THEIR_FASTEST = ('webdataset-2-draft', 'torchvision', 'tfrecord')
_SECONDS = {'document': 6.0}


def race(archive: str, names: list[str], rounds: int, seconds: float) -> dict[str, float]:
    """Runs the contenders in turn; prints and returns the median images/s of those that ran."""
    rates: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in list(rates):
            output = _child('input_contenders.py', name, archive, str(_SECONDS.get(name, seconds)))
            if output is None:
                del rates[name]
            else:
                rates[name].append(float(output))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(f'{"images/s":>9} {"slowest":>8} {"fastest":>8}')
    for name, found in rates.items():
        print(f'{medians[name]:9.1f} {min(found):8.1f} {max(found):8.1f}  {_CONTENDERS[name]}')
    return medians


def show_ratios(rates: dict[str, float]) -> None:
    """Prints each ratio beside what it is to reach."""
    best_other = max((rates[name] for name in _OTHERS_AT_THEIR_FASTEST if name in rates), default=None)
    print()
    for text, ours, other, goal in (
        ("exact / the document's", 'exact', rates.get('document'), 100),
        ('exact / two bare threads of Pillow', 'exact', rates.get('bare'), 0.95),
        ("fast / the document's", 'fast', rates.get('document'), 300),
        ('exact / webdataset, one archive', 'exact', rates.get('webdataset'), 2),
        ('fast / the best of the others', 'fast', best_other, 1.2),
    ):
        if ours in rates and other:
            ratio = rates[ours] / other
            print(f'{ratio:8.2f}x  {text} (to reach: {goal}, {"reached" if ratio >= goal else "missed"})')


def show_figures(archive: str) -> None:
    """Prints what is no race."""
    for name in ('first_batch', 'resume', 'memory', 'index_build', 'difference'):
        output = _child('input_figures.py', name, archive)
        if output:
            found = json.loads(output)
            print(f'{name:12}', ', '.join(f'{key} {value:,.3f}' for key, value in found.items()), flush=True)
            if name == 'memory':
                print(f'{"":12} growth {found["after_10_GB"] - found["after_500_MB"]:.1f} MB (at most 30)')
            if name == 'index_build':
                for place in ('disk', 'memory'):
                    share = found[f'index_from_{place}'] / found[f'raw_from_{place}']
                    print(f'{"":12} {share:.2f} of the raw read speed from {place} (to reach: 0.8)')


def _child(script: str, *arguments: str) -> str | None:
    """Returns the last line that a script prints; None, with a note, if it fails."""
    done = subprocess.run([sys.executable, str(_HERE / script), *arguments], capture_output=True, text=True)
    if done.returncode:
        print(f'{arguments[0]}: does not run ({(done.stderr.strip() or "no message").splitlines()[-1]})')
        return None
    return done.stdout.splitlines()[-1]


def _versions() -> str:
    found = []
    for name in ('tensorflow', 'pillow', 'torch', 'torchvision', 'webdataset'):
        try:
            found.append(f'{name} {version(name)}')
        except PackageNotFoundError:
            found.append(f"{name} is not installed (pip install -e '.[bench]')")
    return ', '.join(found)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', required=True, help='a tar of JPEGs')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=5.0, help='timed seconds of a contender in a round')
    parser.add_argument('--only', nargs='*', choices=list(_CONTENDERS), help='these contenders alone')
    given = parser.parse_args()
    print(f'{_versions()}; Python {platform.python_version()}, {os.cpu_count()} cores, ', end='')
    print(f'load {os.getloadavg()[0]:.1f} before the start')
    show_ratios(race(given.data, given.only or list(_CONTENDERS), given.rounds, given.seconds))
    if not given.only:
        show_figures(given.data)


if __name__ == '__main__':
    main()
