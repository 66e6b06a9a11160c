"""What dreams show, judged by their pixels.

python benchmarks/dreams.py --model_dir=runs/first [--layer=conv2 --count=32]
    the atlas of a layer: tiles that differ, the share of their power in fine waves, grey pixels
"""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from runner import command_line, machine

from estimator_lab.base.progress import Progress
from estimator_lab.inference.ascent import Objective
from estimator_lab.inference.dreams import find_layer, from_noise
from estimator_lab.inference.run import open_run
from estimator_lab.inference.settings import DreamSettings

_SIDE = 96  # pixels of a tile, as in an atlas
_FINE = 0.25  # cycles a pixel: half the Nyquist frequency
_ANGLES, _OCTAVES = 8, 5  # of waves that a person distinguishes, roughly
_DIFFERENT = 0.15  # share of the power that is elsewhere


def spectra(tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the shares of power by direction and octave of the waves, and above half the Nyquist frequency.

    Args:
      tiles: float32 [n, side, side] in [0, 1].

    Returns:
      (float64 [n, directions and octaves], which sum to 1; float64 [n].)
    """
    power = np.abs(np.fft.fft2(tiles - tiles.mean(axis=(1, 2), keepdims=True))) ** 2
    down, right = np.fft.fftfreq(tiles.shape[1])[:, np.newaxis], np.fft.fftfreq(tiles.shape[2])
    frequencies = np.hypot(down, right)
    octaves = np.floor(np.log2(np.maximum(frequencies, 1e-9) * 2) + _OCTAVES).clip(0, _OCTAVES - 1)
    angles = np.round(np.arctan2(down, right) / np.pi * _ANGLES) % _ANGLES
    kinds = (octaves * _ANGLES + angles).astype(int).ravel()
    shares = np.stack([np.bincount(kinds, each.ravel(), _ANGLES * _OCTAVES) for each in power])
    fine = power[:, frequencies > _FINE].sum(axis=1) / power.sum(axis=(1, 2))
    return shares / shares.sum(axis=1, keepdims=True), fine


def different(shares: np.ndarray, fine: np.ndarray) -> list[int]:
    """Returns the numbers of tiles that are mostly of coarser waves and differ from all before them."""
    kept: list[int] = []
    for number, own in enumerate(shares):
        apart = [np.abs(own - shares[other]).sum() / 2 for other in kept]
        if fine[number] < _FINE and min(apart, default=1.0) > _DIFFERENT:
            kept.append(number)
    return kept


def print_atlas(given: Any) -> None:
    """Prints what the tiles of an atlas of a layer are like."""
    run = open_run(Path(given.model_dir))
    layer = find_layer(run, given.layer)
    channels = list(range(min(given.count, layer.channels)))
    shape = (_SIDE, _SIDE, run.shape.channels)
    with Objective(run, layer, by_channel=True) as objective, closing(Progress('Dreaming')) as progress:
        settings = DreamSettings(seed=given.seed)
        _, tiles, _ = from_noise(objective, shape, channels, settings, partial(progress, layer.name))
    shares, fine = spectra(tiles.mean(axis=3))
    grey = np.mean((tiles > 25 / 255) & (tiles < 230 / 255))
    full = np.mean((tiles <= 2 / 255) | (tiles >= 253 / 255))
    print(f'tiles that differ: {len(different(shares, fine))} of {len(tiles)}')
    print(f'power above half the Nyquist frequency: median {np.median(fine):.1%}, most {fine.max():.1%}')
    print(f'values from 25 to 230: {grey:.1%}; black or white: {full:.2%}')


def main() -> None:
    """Prints the figures."""
    flags = {
        'model_dir': (None, 'a trained network'),
        'layer': ('conv2', 'whose channels are drawn'),
        'count': (32, 'of channels'),
        'seed': (1, 'of the noise'),
    }
    given = command_line(__doc__, **flags).parse_args()
    print(machine())
    print_atlas(given)


if __name__ == '__main__':
    main()
