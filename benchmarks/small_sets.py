"""Small data sets such as users have: digits, letters, shapes, icons, textures; few, uneven or faint ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from archives import read_images
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_SHAPES = ('circle', 'square', 'triangle')
_ICONS = (*_SHAPES, 'ring', 'cross', 'bar', 'diamond', 'arrow')
_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
_TEST = 360  # of 1,797 digits


class Split(NamedTuple):
    """Images and labels [n], to train and to test on.

    Images are [n, height, width, channels], uint8; RGBA and uint16 ones are written to files for a training.
    `settings` are those that the warnings of a training at the defaults name, or docs/troubleshooting.md.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    settings: Mapping[str, Any] = MappingProxyType({})

    @property
    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of both, float32 in [0, 1]: transparent grey ones on white, 16-bit ones stretched."""
        return _seen(self.x), _seen(self.x_test)

    def data(self, folder: Path) -> dict[str, Any]:
        """Returns the settings of `api.fit` that name the images, after writing those that need files."""
        parts = {'data': (self.x, self.y), 'eval_data': (self.x_test, self.y_test)}
        if self.x.dtype == np.uint8 and self.x.shape[3] < 4:
            return {**parts, **self.settings}
        for part, (images, labels) in parts.items():
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                path = Path(folder, part, str(label), f'{number}.png')
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image.squeeze()).save(path)
        paths = {part: [str(Path(folder, part))] for part in parts}
        return {**paths, 'image_size': self.x.shape[1], **self.settings}

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
    x = np.stack([_on_clutter(rng, _SHAPES[label], side) for label in y])
    names = np.array(_SHAPES)[y]
    return Split(x[:count], names[:count], x[count:], names[count:])


def _on_clutter(rng: np.random.Generator, name: str, side: int) -> np.ndarray:
    picture = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(6):
        draw.line([tuple(rng.integers(0, side, 2).tolist()) for _ in range(2)], _colour(rng), 2)
    return _shape(rng, name, picture, None)


def framed() -> Split:
    """Returns dim digits in a constant white frame, 32x32."""

    def change(images: np.ndarray) -> np.ndarray:
        dim = (images * 0.15).astype(np.uint8)
        return np.pad(dim, ((0, 0), (6, 6), (6, 6), (0, 0)), constant_values=255)

    return digits(20).changed(change)


def faint(train: int = 40, test: int = 10) -> Split:
    """Returns faint letters over one background, whose brightness varies from image to image, 48x48."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8))
    blurred = np.asarray(noise.filter(ImageFilter.GaussianBlur(3)), np.float32)
    scene = 60 + 100 * (blurred - np.min(blurred)) / np.ptp(blurred)

    def draw(letter: str) -> np.ndarray:
        mask = glyph(rng, letter, 48, (_sans(32),), moves=1)
        return np.clip(scene * rng.uniform(0.5, 1.4) + 0.08 * mask, 0, 255)

    return _of_classes(_LETTERS, draw, train, test)


def icons() -> Split:
    """Returns black icons on transparency, RGBA 32x32; on black there is nothing to see."""
    rng = np.random.default_rng(0)

    def draw(name: str) -> np.ndarray:
        alpha = _shape(rng, name, Image.new('L', (32, 32)), 255, int(rng.integers(9, 13)))
        return np.stack([np.zeros_like(alpha)] * 3 + [alpha], axis=-1)

    return _of_classes(_ICONS, draw, 60, 20)._replace(settings={'background': 'white'})


def coloured(**more: tuple[int, int, int]) -> Split:
    """Returns shapes of five colours of one luminance, the classes, and of more, on noise, 24x24."""
    rng = np.random.default_rng(0)
    colours = {'red': (200, 60, 60), 'green': (30, 135, 30), 'blue': (80, 90, 220), 'ochre': (130, 95, 20)}
    colours = {**colours, 'violet': (160, 70, 160), **more}

    def draw(name: str) -> np.ndarray:
        grey = np.repeat(rng.integers(60, 140, (24, 24, 1), np.uint8), 3, axis=2)
        fill = np.clip(np.array(colours[name]) * rng.uniform(0.6, 1.4), 0, 255).astype(int)
        return _shape(rng, str(rng.choice(_SHAPES)), Image.fromarray(grey), tuple(fill.tolist()))

    return _of_classes(tuple(colours), draw, 80, 40)._replace(settings={'channels': 3})


def few_bits(bits: int = 10) -> Split:
    """Returns noisy digits, 16x16, in 16-bit files of which only the lowest bits are used."""
    rng = np.random.default_rng(0)

    def change(images: np.ndarray) -> np.ndarray:
        values = images / 255 + rng.normal(0, 0.45, images.shape)
        return (np.clip((values + 1) / 3, 0, 1) * (2**bits - 1)).astype(np.uint16)

    return digits(16).changed(change)


def fonts() -> Split:
    """Returns letters of several fonts, sizes and places, 28x28."""
    rng = np.random.default_rng(0)
    several = (*(_sans(size) for size in (15, 18, 21)), ImageFont.load_default_imagefont())
    return _of_classes(_LETTERS, lambda letter: glyph(rng, letter, 28, several, moves=2), 30, 10)


def many_classes() -> Split:
    """Returns 30 signs with 12 training images each, 24x24."""
    rng, signs = np.random.default_rng(0), f'{_LETTERS}2345'
    return _of_classes(signs, lambda sign: glyph(rng, sign, 24, (_sans(18),), moves=2), 12, 12)


def sizes() -> Split:
    """Returns discs of three sizes, the classes, in any place, 32x32."""
    rng = np.random.default_rng(0)
    radii = {'small': 3, 'middle': 6, 'large': 10}
    return _of_classes(
        tuple(radii), lambda name: _shape(rng, 'circle', Image.new('L', (32, 32)), 255, radii[name]), 150, 60
    )


def places() -> Split:
    """Returns shapes in four corners, the classes, 32x32."""
    rng = np.random.default_rng(0)

    def draw(name: str) -> np.ndarray:
        small = _shape(rng, str(rng.choice(_SHAPES)), Image.new('L', (16, 16)), int(rng.integers(80, 256)))
        image = np.zeros((32, 32), np.uint8)
        image[16 * (name[0] == 's') :, 16 * (name[1] == 'e') :][:16, :16] = small
        return image

    return _of_classes(('nw', 'ne', 'sw', 'se'), draw, 100, 40)


def textures() -> Split:
    """Returns noisy gratings of four directions and two widths with random phases, 32x32."""
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:32, :32]

    def draw(name: str) -> np.ndarray:
        angle, width = (float(part) for part in name.split('_'))
        along = down * np.sin(np.radians(angle)) + right * np.cos(np.radians(angle))
        wave = np.sin(2 * np.pi * along / width + rng.uniform(0, 2 * np.pi))
        return np.clip(128 + 60 * wave + rng.normal(0, 40, wave.shape), 0, 255)

    names = tuple(f'{angle}_{width}' for angle in (0, 45, 90, 135) for width in (4, 7))
    return _of_classes(names, draw, 60, 20)


def _of_classes(names: Sequence[str], draw: Callable[[str], np.ndarray], train: int, test: int) -> Split:
    """Returns images that are drawn, the given numbers of each class."""
    y, y_test = (np.repeat(list(names), count) for count in (train, test))
    x, x_test = (np.stack([draw(str(name)) for name in part]).astype(np.uint8) for part in (y, y_test))
    x, x_test = (part if part.ndim == 4 else part[..., None] for part in (x, x_test))
    return Split(x, y, x_test, y_test)


def _seen(images: np.ndarray) -> np.ndarray:
    pixels = images.astype(np.float32) / (255 if images.dtype == np.uint8 else np.max(images))
    if images.shape[3] < 4:
        return pixels
    return pixels[..., :1] * pixels[..., 3:] + 1 - pixels[..., 3:]


def _sans(size: int) -> Any:
    return ImageFont.load_default(size)


def glyph(
    rng: np.random.Generator, sign: str, side: int, several: Sequence[Any], moves: int, slant: float = 0.2
) -> np.ndarray:
    """Returns a sign in one of the fonts, thin or bold, slanted, within some pixels of the middle.

    Args:
      rng: decides.
      sign: a letter or digit.
      side: of the picture, uint8 [side, side], in pixels.
      several: the fonts.
      moves: largest distance from the middle, across and down, in pixels.
      slant: largest shift across for each pixel down.
    """
    picture = Image.new('L', (side, side))
    font, bold = several[int(rng.integers(len(several)))], int(rng.integers(2))
    bold *= isinstance(font, ImageFont.FreeTypeFont)
    left, top, right, bottom = ImageDraw.Draw(picture).textbbox((0, 0), sign, font=font, stroke_width=bold)
    across, down = ((side - length) / 2 for length in (right + left, bottom + top))
    move = rng.integers(-moves, moves + 1, 2)
    ImageDraw.Draw(picture).text((across + move[0], down + move[1]), sign, 255, font=font, stroke_width=bold)
    shift = rng.uniform(-slant, slant)
    slanted = (1, shift, -shift * side / 2, 0, 1, 0)
    return np.asarray(
        picture.transform((side, side), Image.Transform.AFFINE, slanted, Image.Resampling.BILINEAR)
    )


def _shape(
    rng: np.random.Generator, name: str, picture: Image.Image, fill: Any, radius: int | None = None
) -> np.ndarray:
    """Draws a shape in a random place; a size and a colour of None are random, too. Returns the picture."""
    draw, side = ImageDraw.Draw(picture), picture.width
    if radius is None:
        radius = int(rng.integers(side // 6, side // 4))
    left, top = rng.integers(0, side - 2 * radius, 2).tolist()
    right, bottom = left + 2 * radius, top + 2 * radius
    fill = _colour(rng) if fill is None else fill
    across, down = left + radius, top + radius
    box, third = (left, top, right, bottom), max(radius // 3, 1)
    if name == 'circle':
        draw.ellipse(box, fill)
    elif name == 'square':
        draw.rectangle(box, fill)
    elif name == 'triangle':
        draw.polygon([(left, bottom), (right, bottom), (across, top)], fill)
    elif name == 'ring':
        draw.ellipse(box, outline=fill, width=third)
    elif name == 'cross':
        draw.rectangle((left, down - third, right, down + third), fill)
        draw.rectangle((across - third, top, across + third, bottom), fill)
    elif name == 'bar':
        draw.rectangle((left, down - third, right, down + third), fill)
    elif name == 'diamond':
        draw.polygon([(left, down), (across, top), (right, down), (across, bottom)], fill)
    else:
        draw.polygon([(left, top), (right, down), (left, bottom), (across, down)], fill)
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
    yield 'framed, 32x32', framed()
    yield 'faint letters, 48x48', faint()
    yield 'transparent icons, 32x32', icons()
    yield 'colours, 24x24', coloured()
    yield '16 bits, 10 used', few_bits()
    yield 'letters of fonts, 28x28', fonts()
    yield 'sizes, 32x32', sizes()
    yield 'places, 32x32', places()
    yield 'digits, 95:5', uneven(middle, (140, 7))
    yield '30 classes of 12', many_classes()
    yield 'textures, 32x32', textures()
    if train:
        whole = mnist(train, test)
        yield 'MNIST, 200', whole.first(200)
        yield 'MNIST, 1,000', whole.first(1000)
        yield 'MNIST, 400/50/10', uneven(whole)
