"""Small data sets: digits of several sizes and shades, few images, uneven or wrong labels, shapes."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from archives import read_images
from PIL import Image, ImageDraw

_SHAPES = ('circle', 'square', 'triangle')
_TEST = 360  # of 1,797 digits


class Split(NamedTuple):
    """Images, uint8 [n, height, width, channels], and labels [n], to train and to test on."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> 'Split':
        """Returns the same with other pixels."""
        return self._replace(x=change(self.x), x_test=change(self.x_test))

    def first(self, count: int) -> 'Split':
        """Returns the same with the first training images only."""
        return self._replace(x=self.x[:count], y=self.y[:count])


def digits(side: int) -> Split:
    """Returns scikit-learn's digits, 8x8 pixels scaled to a side."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    small = [Image.fromarray((image * 255 / 16).astype(np.uint8)) for image in found.images]
    images = np.stack([np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)) for image in small])
    parts = train_test_split(
        images[..., None], found.target, test_size=_TEST, random_state=0, stratify=found.target
    )
    x, x_test, y, y_test = parts
    return Split(x, y, x_test, y_test)


def mnist(train: str, test: str, rows: int | None = 2000) -> Split:
    """Returns MNIST from its archives, in a random order, with the first `rows` test images; None for all."""
    (x, y), (x_test, y_test) = (read_images(path) for path in (train, test))
    order = np.random.default_rng(0).permutation(len(x))
    return Split(x[order], np.array(y)[order], x_test[:rows], np.array(y_test)[:rows])


def uneven(split: Split, counts: tuple[int, ...] = (400, 50, 10)) -> Split:
    """Returns few classes with that many training images each."""
    labels = sorted(set(split.y))[: len(counts)]
    rows = np.concatenate(
        [np.flatnonzero(split.y == each)[:n] for each, n in zip(labels, counts, strict=True)]
    )
    seen = np.isin(split.y_test, labels)
    return Split(split.x[rows], split.y[rows], split.x_test[seen], split.y_test[seen])


def mislabelled(split: Split, share: float = 0.1) -> Split:
    """Returns the same with random labels for a share of the training images."""
    rng = np.random.default_rng(0)
    wrong = rng.random(len(split.y)) < share
    return split._replace(y=np.where(wrong, rng.permutation(split.y), split.y))


def shapes(count: int = 600, side: int = 48) -> Split:
    """Returns circles, squares and triangles in colours and places at random, on cluttered backgrounds."""
    rng = np.random.default_rng(0)
    y = rng.integers(len(_SHAPES), size=count + count // 2)
    x = np.stack([_shape(rng, _SHAPES[label], side) for label in y])
    names = np.array(_SHAPES)[y]
    return Split(x[:count], names[:count], x[count:], names[count:])


def _shape(rng: np.random.Generator, name: str, side: int) -> np.ndarray:
    picture = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(6):  # clutter
        draw.line([tuple(rng.integers(0, side, 2).tolist()) for _ in range(2)], _colour(rng), 2)
    radius = int(rng.integers(side // 6, side // 4))
    left, top = rng.integers(0, side - 2 * radius, 2).tolist()
    right, bottom = left + 2 * radius, top + 2 * radius
    if name == 'circle':
        draw.ellipse((left, top, right, bottom), _colour(rng))
    elif name == 'square':
        draw.rectangle((left, top, right, bottom), _colour(rng))
    else:
        draw.polygon([(left, bottom), (right, bottom), ((left + right) // 2, top)], _colour(rng))
    return np.asarray(picture)


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(0, 256, 3).tolist())


def all_sets(train: str = '', test: str = '') -> Iterator[tuple[str, Split]]:
    """Yields each data set with its name; those of MNIST, if its archives are given."""
    middle = digits(16)
    yield 'digits, 8x8', digits(8)
    yield 'digits, 16x16', middle
    yield 'digits, 20x20', digits(20)
    yield 'inverted', middle.changed(lambda x: 255 - x)
    yield 'pale, 204 to 255', middle.changed(lambda x: (204 + x * 0.2).astype(np.uint8))
    yield 'dark, 0 to 51', middle.changed(lambda x: (x * 0.2).astype(np.uint8))
    yield '10 % wrong labels', mislabelled(middle)
    yield 'shapes, 48x48, colour', shapes()
    if train:
        whole = mnist(train, test)
        yield 'MNIST, 200', whole.first(200)
        yield 'MNIST, 1,000', whole.first(1000)
        yield 'MNIST, 400/50/10', uneven(whole)
