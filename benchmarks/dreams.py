"""What dreams show, judged by their pixels.

python benchmarks/dreams.py --model_dir=runs/first [--layer=conv2 --count=32]
    the atlas of a layer: tiles that differ, the share of their power in fine waves, grey pixels
python benchmarks/dreams.py --table=belief [--data=digits --hparams=pretrain_learning_rate=0.1 --seed=2]
    a belief network of 1,040 letters of 20x20 pixels, or digits of 8x8: classes among 200 samples, those that
    are fainter than 99 % of the images, and samples of each class that a support-vector machine recognises
"""

import string
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageFont
from runner import command_line, machine
from small_sets import Split, digits, glyph

from estimator_lab import api
from estimator_lab.inference.ascent import AscentObjective
from estimator_lab.inference.dreams import find_layer, from_noise
from estimator_lab.inference.settings import DreamSettings

_SIDE = 96  # pixels of a tile, as in an atlas
_FINE = 0.25  # cycles a pixel: half the Nyquist frequency
_ANGLES, _OCTAVES = 8, 5  # of waves that a person distinguishes, roughly
_DIFFERENT = 0.15  # share of the power that is elsewhere
_OF_A_CLASS = 10
_JUDGED = 6000  # letters that the judge learns from: of 1,040, it would know 59 % of others


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
    run = api.load(given.model_dir)
    layer = find_layer(run, given.layer)
    channels = list(range(min(given.count, layer.channels)))
    shape = (_SIDE, _SIDE, run.shape.channels)
    with AscentObjective(run, layer, by_channel=True) as objective:
        settings = DreamSettings(seed=given.seed)
        _, tiles, _ = from_noise(objective, shape, channels, settings, lambda share: None)
    shares, fine = spectra(tiles.mean(axis=3))
    grey = np.mean((tiles > 25 / 255) & (tiles < 230 / 255))
    full = np.mean((tiles <= 2 / 255) | (tiles >= 253 / 255))
    print(f'tiles that differ: {len(different(shares, fine))} of {len(tiles)}')
    print(f'power above half the Nyquist frequency: median {np.median(fine):.1%}, most {fine.max():.1%}')
    print(f'values from 25 to 230: {grey:.1%}; black or white: {full:.2%}')


def letters() -> Split:
    """Returns capital letters of 20x20 pixels, thin, bold and slanted, of several sizes: 1,040 and 520."""
    (x, y), (x_test, y_test) = _letters(1040, 0), _letters(520, 1)
    return Split(x, y, x_test, y_test)


def _letters(count: int, seed: int, side: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.array([string.ascii_uppercase[number % 26] for number in range(count)])
    fonts = [ImageFont.load_default(size) for size in np.linspace(0.6, 1.0, 9) * side]
    pictures = [glyph(rng, label, side, fonts, moves=2, slant=0.35) for label in labels]
    return np.stack(pictures)[..., np.newaxis], labels


def print_belief(given: Any) -> None:
    """Trains a belief network, and prints what its samples are like."""
    from sklearn.svm import SVC

    split = letters() if given.data == 'letters' else digits(8)
    images, test = (_flat(pixels / 255) for pixels in (split.x, split.x_test))
    seen = _letters(_JUDGED, 2) if given.data == 'letters' else (split.x, split.y)
    judge = SVC().fit(_flat(seen[0] / 255), seen[1])
    faintest = np.percentile(images.mean(axis=1), 1)
    print(f'the judge is right on {judge.score(test, split.y_test):.3f} of the test images')
    with tempfile.TemporaryDirectory() as folder:
        data, unseen = (split.x, split.y), (split.x_test, split.y_test)
        settings = {'model_dir': Path(folder, 'run'), 'seed': given.seed, 'hparams': given.hparams or {}}
        run = api.fit('dbn', data, eval_data=unseen, say=None, **settings)
        samples = _flat(run.sample(given.samples, seed=given.seed).images)
        counts = sorted(np.unique(judge.predict(samples), return_counts=True)[1], reverse=True)
        faint = np.mean(samples.mean(axis=1) < faintest)
        most = sum(counts[:5]) / given.samples
        print(f'classes among {given.samples} samples: {len(counts)}, five of them in {most:.0%}')
        print(f'fainter than 99 % of the images: {faint:.1%}')
        right = [
            sum(judge.predict(_flat(run.sample(_OF_A_CLASS, label=label).images)).astype(str) == label)
            for label in run.labels
        ]
    print(f'samples of a class that the judge recognises, of {_OF_A_CLASS}:', *right)


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def main() -> None:
    """Prints the figures."""
    flags = {
        'table': ('atlas', 'which one', ('atlas', 'belief')),
        'data': ('letters', 'of the belief network', ('letters', 'digits')),
        'model_dir': ('runs/first', 'a trained network, for the atlas'),
        'layer': ('conv2', 'whose channels are drawn'),
        'count': (32, 'of channels'),
        'hparams': ('', 'of the belief network, such as chains=400'),
        'samples': (200, 'of the belief network'),
        'seed': (1, 'of the noise and, for the belief network, of its training'),
    }
    given = command_line(__doc__, **flags).parse_args()
    print(machine())
    (print_atlas if given.table == 'atlas' else print_belief)(given)


if __name__ == '__main__':
    main()
