"""How fast images come in: ours against the document's input function, Pillow alone, and other loaders.

    python benchmarks/input_pipeline.py --data=photos-train.tar        about 6 minutes

128x128 grey images (others with --side and --channels) from the JPEGs of one tar in batches of 32, on two
cores, with the processor time that each takes, which other programs disturb less. Each contender runs in
fresh processes of its own, in turn (A B C A B C ...); the figure is the median of its rounds. Then come the
first batch, the memory of an endless stream, the index, the cost of resuming, what an image costs besides
decoding, and how far `--decode=fast` is from exact. Needs `pip install -e '.[bench]'`, 700 MB of disk for a
moment, and a quiet machine.
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


def race(
    archive: str, names: list[str], rounds: int, seconds: float, side: int, channels: int
) -> dict[str, float]:
    """Runs the contenders in turn; prints and returns the median images/s of those that ran."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in list(found):
            shape = str(side), str(channels)
            output = _child('input_contenders.py', name, archive, str(_SECONDS.get(name, seconds)), *shape)
            if output is None:
                del found[name]
            else:
                images, cost = map(float, output.split())
                found[name].append((images, cost))
    medians = {}
    print(f'{"images/s":>9} {"slowest":>8} {"fastest":>8} {"least us":>9}')
    for name, results in found.items():
        rates, costs = zip(*results, strict=True)
        medians[name] = statistics.median(rates)
        line = f'{medians[name]:9.1f} {min(rates):8.1f} {max(rates):8.1f} {min(costs):9.1f}'
        print(f'{line}  {_CONTENDERS[name]}')
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
    for name in ('first_batch', 'resume', 'memory', 'index_build', 'serial', 'difference'):
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
    parser.add_argument('--side', type=int, default=128, help='of the images, in pixels')
    parser.add_argument('--channels', type=int, default=1, choices=(1, 3))
    parser.add_argument('--only', nargs='*', choices=list(_CONTENDERS), help='these contenders alone')
    given = parser.parse_args()
    print(f'{_versions()}; Python {platform.python_version()}, {os.cpu_count()} cores, ', end='')
    print(f'load {os.getloadavg()[0]:.1f} before the start')
    is_usual = (given.side, given.channels) == (128, 1)
    names = given.only or [name for name in _CONTENDERS if is_usual or name != 'document']
    rates = race(given.data, names, given.rounds, given.seconds, given.side, given.channels)
    show_ratios(rates)
    if is_usual and not given.only:
        show_figures(given.data)


if __name__ == '__main__':
    main()
