"""Measures the lattice that a painter leaves: peaks in the spectrum of (painting - photo) at periods 2, 4, 8.

    python benchmarks/lattice.py PHOTO PAINTING [PHOTO PAINTING ...]

Prints for each period the largest power at its frequencies, across, down and both, as a multiple of the
median power around it. The exit status is 1 if one is above 2. PNG files: JPEG adds a lattice of period 8.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from PIL import Image

_PERIODS = (2, 4, 8)
_MOST = 2.0
_BLOCKS = 128  # pixels; the mean spectrum of many blocks is smooth enough to see a peak in it
_AROUND = 6  # bins of the spectrum


def spectrum(photo: Path, painting: Path) -> np.ndarray:
    """Returns the mean power of the difference's overlapping blocks [128, 128], of frequencies 0, 1, ..."""
    grey = [np.asarray(Image.open(path).convert('L'), np.float64) for path in (photo, painting)]
    difference = grey[1] - grey[0]
    window = np.outer(np.hanning(_BLOCKS), np.hanning(_BLOCKS))
    places = [range(0, side - _BLOCKS + 1, _BLOCKS // 4) for side in difference.shape]
    blocks = [
        difference[top : top + _BLOCKS, left : left + _BLOCKS] for top, left in itertools.product(*places)
    ]
    return np.mean([np.abs(np.fft.fft2((block - block.mean()) * window)) ** 2 for block in blocks], axis=0)


def peak(power: np.ndarray, period: int) -> float:
    """Returns the largest power at a period's frequencies, divided by the median power around each."""
    step = _BLOCKS // period
    places = [place for place in itertools.product((0, step, -step), repeat=2) if any(place)]
    near = range(-_AROUND, _AROUND + 1)

    def ratio(down: int, across: int) -> float:
        around = [
            power[(down + i) % _BLOCKS, (across + j) % _BLOCKS]
            for i, j in itertools.product(near, near)
            if max(abs(i), abs(j)) > 2  # a window spreads a peak over two bins
        ]
        return float(power[down, across] / np.median(around))

    return max(itertools.starmap(ratio, places))


def main() -> int:
    """Prints a line for each pair of files."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    highest = 0.0
    for photo, painting in zip(paths[::2], paths[1::2], strict=True):
        power = spectrum(photo, painting)
        peaks = {period: peak(power, period) for period in _PERIODS}
        highest = max(highest, *peaks.values())
        print(painting, *(f'period {period}: {value:.2f}' for period, value in peaks.items()), sep='  ')
    return int(highest > _MOST)


if __name__ == '__main__':
    sys.exit(main())
