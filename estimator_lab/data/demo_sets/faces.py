"""Cartoon faces: identities, and images of them.

An identity is a set of facial features; an image of it varies pose, expression, light, background,
occlusion and camera, so that a linear model on the pixels fails and a small convolutional network does
not.

No two identities are near-twins. Each of seven features has seven variants, and those of an identity
are a Reed-Solomon code word over GF(7): of up to 49 identities any two share at most one feature.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Points = npt.NDArray[np.float64]  # [n, 2], in head units: -1 to 1 across and down any head.

_SUPERSAMPLE = 2  # Faces are drawn this many times larger and reduced, which smooths the edges.
STREAMS = {'train': 1, 'test': 2, 'variants': 3, 'looks': 4}
"""First words of the generators' seeds."""


def _path(*xy: float) -> Points:
    """Points from x, y, x, y, ..."""
    return np.array(xy, dtype=np.float64).reshape(-1, 2)


def _mirrored(*xy: float) -> Points:  # Half an outline, from the right, and its mirror image.
    half = _path(*xy)
    return np.concatenate([half, half[::-1] * (-1, 1)])


def _oval(
    x: float, y: float, rx: float, ry: float, turns: tuple[float, float] = (0, 1), n: int = 33
) -> Points:
    """The edge of an ellipse from one turn to another, clockwise from the right, as `n` points."""
    t = np.linspace(*turns, n) * math.tau
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], axis=1)


def _cap(*hairline: float) -> Points:
    """Hair over the top of the head, down to half a hairline, given from the ear to the middle."""
    return np.concatenate([_oval(0, 0, 1.07, 1.07, (0.5, 1)), _mirrored(*hairline)])


def _strands(inner: float, outer: float, n: int) -> Points:
    """A zigzag between two circles, over the top of the head."""
    return _oval(0, 0, 1, 1, (0.58, 0.92), n) * np.where(np.arange(n) % 2 == 0, inner, outer)[:, None]


class Shape(NamedTuple):
    """A filled area or a `line`, which stands out of the face by `lift`; a `pair` has a mirror image."""

    paint: str
    points: Points
    lift: float = 0.0
    pair: bool = False
    line: float = 0.0


# Half width, half height (both 1 = a third of the image), squareness of the jaw, wider below.
OUTLINES = {
    'round': (0.92, 0.94, 2.0, 0.0),
    'long': (0.68, 1.16, 2.2, 0.0),
    'square': (0.84, 1.0, 4.5, 0.04),
    'pointed': (0.86, 1.1, 1.35, -0.04),
    'pear': (0.84, 1.0, 2.6, 0.22),
    'heart': (0.84, 1.02, 1.6, -0.2),
    'wide': (1.08, 0.86, 2.6, 0.0),
}
# Distance from the middle, half width, half height, slant in radians, how far the lid hangs.
EYES = {
    'round': (0.38, 0.23, 0.20, 0.0, 0.0),
    'narrow': (0.42, 0.25, 0.07, 0.0, 0.0),
    'upturned': (0.43, 0.24, 0.12, -0.38, 0.0),
    'drooping': (0.42, 0.22, 0.13, 0.38, 0.2),
    'close': (0.22, 0.15, 0.14, 0.0, 0.0),
    'far': (0.58, 0.18, 0.15, 0.0, 0.0),
    'sleepy': (0.40, 0.25, 0.20, 0.0, 0.52),
}
# Half width, upper lip, lower lip, how far the corners rise, tilt, teeth.
MOUTHS = {
    'grin': (0.50, 0.0, 0.0, 0.14, 0.0, 'row'),
    'full': (0.31, 0.10, 0.12, 0.02, 0.0, ''),
    'thin': (0.42, 0.0, 0.0, 0.0, 0.0, ''),
    'tiny': (0.15, 0.07, 0.08, 0.0, 0.0, ''),
    'glum': (0.40, 0.03, 0.05, -0.13, 0.0, ''),
    'rabbit': (0.28, 0.02, 0.03, 0.06, 0.0, 'pair'),
    'wry': (0.34, 0.03, 0.06, 0.03, 0.30, ''),
}
BROWS = {
    'arched': Shape('strand', _path(0.14, -0.4, 0.38, -0.55, 0.68, -0.4), pair=True, line=0.045),
    'thick': Shape('strand', _path(0.1, -0.48, 0.68, -0.48, 0.68, -0.36, 0.1, -0.36), pair=True),
    'stern': Shape('strand', _path(0.1, -0.38, 0.66, -0.6, 0.68, -0.5, 0.1, -0.27), pair=True),
    'worried': Shape('strand', _path(0.12, -0.6, 0.66, -0.4, 0.66, -0.32, 0.12, -0.5), pair=True),
    'joined': Shape('strand', _mirrored(0.7, -0.36, 0.68, -0.45, 0.3, -0.48, 0, -0.4, 0, -0.31)),
    'short': Shape('strand', _oval(0.38, -0.44, 0.12, 0.06), pair=True),
    'faint': Shape('strand', _path(0.18, -0.42, 0.6, -0.44), pair=True, line=0.02),
}
NOSES = {
    'button': Shape('shade', _oval(0, 0.22, 0.11, 0.09), 0.2),
    'bulb': Shape('shade', _oval(0, 0.28, 0.21, 0.17), 0.2),
    'hook': Shape('ink', _path(0, -0.02, 0.17, 0.3, 0.17, 0.38, -0.03, 0.38), 0.2, line=0.05),
    'ridge': Shape('ink', _path(0.1, -0.1, 0.06, 0.22, 0.15, 0.26), 0.2, pair=True, line=0.04),
    'wedge': Shape('shade', _path(0, -0.02, 0.23, 0.36, -0.23, 0.36), 0.15),
    'sliver': Shape('shade', _path(0, -0.1, 0.1, 0.28, -0.1, 0.28), 0.15),
    'flat': Shape('ink', _oval(0.12, 0.22, 0.06, 0.04), 0.15, pair=True),
}
HAIR: dict[str, tuple[Shape, ...]] = {
    'horseshoe': (),
    'crop': (Shape('hair', _cap(0.84, -0.42, 0.62, -0.66)),),
    'bowl': (Shape('hair', _cap(1.04, 0.1, 0.86, 0.1, 0.84, -0.33)),),
    'long': (Shape('hair', _cap(0.98, 0.4, 0.86, -0.1, 0.5, -0.5, 0, -0.88)),),
    'curls': (Shape('hair', _cap(0.9, -0.3, 0.7, -0.46, 0.36, -0.54)),),
    'spikes': (Shape('hair', _cap(0.84, -0.5, 0.6, -0.38, 0.42, -0.68, 0.2, -0.34, 0, -0.66)),),
    'bun': (Shape('hair', _cap(0.97, -0.1, 0.8, -0.5, 0.45, -0.74)),),
}
# A texture is found wherever the head is: a network can learn it, a linear model cannot.
_STRANDS: dict[str, list[Points]] = {
    'horseshoe': [_oval(0, y, 0.42, 0.07, (0.55, 0.95)) for y in (-0.72, -0.62, -0.52)],
    'crop': [_strands(0.8, 1.0, 48)],
    'bowl': [_strands(0.6, 0.86, 25)],
    'long': [_path(x, -0.6, x + 0.06, 1.45) for x in (-1.2, -1.12, -1.04, 0.98, 1.06, 1.14)],
    'curls': [_oval(0, 0, 0.9, 0.9, (0.56, 0.94), 180) + _oval(0, 0, 0.14, 0.14, (0, 15), 180)],
    'spikes': [_strands(0.84, 1.1, 14)],
    'bun': [_oval(0, 0, r, r, (0.55, 0.95)) for r in (0.99, 0.91, 0.84)],
}
_BUMPS = 1 + 0.12 * np.abs(np.sin(np.linspace(0, 5.5 * math.tau, 133)))
_MANE = np.concatenate([_oval(0, 0, 1.22, 1.22, (0.5, 1)), _mirrored(1.3, 1.5)])
_CLOUD = _oval(0, 0, 1.3, 1.3, n=133) * _BUMPS[:, None] - np.array([0, 0.2])
_HAIR_BEHIND: dict[str, tuple[Shape, ...]] = {
    'horseshoe': (Shape('hair', _oval(1.0, -0.2, 0.22, 0.36), pair=True),),
    'long': (Shape('hair', _MANE),),
    'curls': (Shape('hair', _CLOUD),),
    'spikes': (Shape('hair', _mirrored(1, -0.3, 1.3, -0.7, 0.85, -0.7, 0.8, -1.3, 0.4, -1, 0, -1.5)),),
    'bun': (Shape('hair', _oval(0, -1.24, 0.4, 0.32)),),
}
_BRIDGE = Shape('frame', _path(-0.13, -0.14, 0.13, -0.14), 0.06, line=0.06)
_ARM = Shape('frame', _path(0.68, -0.14, 1.02, -0.14), pair=True, line=0.05)
_SQUARE = _path(0.11, -0.32, 0.7, -0.32, 0.68, 0.12, 0.13, 0.12, 0.11, -0.32)
_AVIATOR = np.concatenate([_path(0.1, -0.28, 0.74, -0.3), _oval(0.42, -0.08, 0.3, 0.27, (0, 0.5))])
EXTRAS: dict[str, tuple[Shape, ...]] = {
    'nothing': (),
    'round glasses': (Shape('frame', _oval(0.41, -0.1, 0.29, 0.27), 0.06, True, 0.06), _BRIDGE, _ARM),
    'square glasses': (Shape('frame', _SQUARE, 0.06, pair=True, line=0.07), _BRIDGE, _ARM),
    'dark glasses': (Shape('frame', _AVIATOR, 0.06, pair=True), _BRIDGE, _ARM),
    'moustache': (Shape('hair', _mirrored(0, 0.4, 0.22, 0.38, 0.58, 0.62, 0.24, 0.54, 0, 0.52), 0.05),),
    'goatee': (Shape('hair', _mirrored(0.28, 0.76, 0.2, 1.04, 0.06, 1.2)),),
    'full beard': (),  # Follows the jaw, so it is drawn with the head.
}
_TOOTH = Shape('white', _path(0, 0.6, 0.13, 0.6, 0.12, 0.8, 0.01, 0.8), pair=True)
_SKINS = ((246, 208, 178), (232, 190, 150), (222, 172, 132), (205, 152, 112), (250, 216, 196))
_HAIR_COLOURS = ((104, 80, 68), (134, 84, 46), (178, 84, 44), (204, 160, 90), (128, 124, 122))


@dataclass(frozen=True)
class Person:
    """One person: the names of seven variants, and a colouring that says nothing about who it is.

    `ears` is a size in head units, 0.12 to 0.24. `skin` and `hair_colour` are RGB, 0 to 255; only
    their hue counts, since every image draws its own brightness.
    """

    outline: str
    hair: str
    eyes: str
    brows: str
    nose: str
    mouth: str
    extra: str
    ears: float
    skin: Colour
    hair_colour: Colour


def generator(stream: int, identity: int = 0, index: int = 0) -> np.random.Generator:
    """Returns the generator of one image or identity, which depends on no others."""
    return np.random.default_rng([stream, identity, index, 0])


def _code_word(number: int) -> list[int]:
    """The polynomial whose coefficients are the base-7 digits of `number`, at 0 to 6, modulo 7."""
    digits = [number // 7**power % 7 for power in range(5)]
    return [sum(d * point**power for power, d in enumerate(digits)) % 7 for point in range(7)]


def make_identities(count: int) -> list[Person]:
    """Returns `count` identities; the first ones do not depend on `count`."""
    rng = generator(STREAMS['variants'])
    tables = (OUTLINES, HAIR, EYES, BROWS, NOSES, MOUTHS, EXTRAS)
    variants = [[list(table)[i] for i in rng.permutation(7)] for table in tables]
    people = []
    for number in range(count):
        rng = generator(STREAMS['looks'], number)
        ears = float(rng.uniform(0.12, 0.24))
        skin, hair = (palette[rng.integers(5)] for palette in (_SKINS, _HAIR_COLOURS))
        word = zip(variants, _code_word(number), strict=True)
        outline, style, eyes, brows, nose, mouth, extra = (names[v] for names, v in word)
        people += [Person(outline, style, eyes, brows, nose, mouth, extra, ears, skin, hair)]
    return people


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in colour)
    return red, green, blue


def _any_colour(rng: np.random.Generator) -> Colour:
    """Any brightness, but no loud colour."""
    red, green, blue = (rng.uniform(20, 245) + rng.uniform(-45, 45, size=3)).tolist()
    return _shade((red, green, blue), 1)


def _turn(points: Points, angle: float, x: float, y: float) -> Points:
    sin, cos = math.sin(angle), math.cos(angle)
    return (points - (x, y)) @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


class _Face:
    """Draws one identity on an image, part by part, from the back to the front."""

    def __init__(self, person: Person, image: Image.Image, rng: np.random.Generator) -> None:
        self._person, self._draw = person, ImageDraw.Draw(image)
        self._wide, self._high, self._jaw, self._taper = OUTLINES[person.outline]
        # Pose, in pixels and radians; then expression.
        self._at = (image.width * rng.uniform(0.43, 0.57), image.height * rng.uniform(0.45, 0.58))
        self._scale = min(image.size) * rng.uniform(0.335, 0.395)
        self._roll = math.radians(rng.uniform(-20, 20))
        self._facing = (rng.uniform(-0.15, 0.15), rng.uniform(-0.09, 0.09))  # Yaw and pitch.
        self._smile, self._gape = rng.uniform(-0.05, 0.05), max(0.0, rng.uniform(-0.1, 0.12))
        self._lids, self._look = rng.uniform(0.7, 1.1), rng.uniform(-0.7, 0.7)
        self._lift = rng.uniform(-0.02, 0.05)
        # Brightness is the image's, hue the person's: grey levels say nothing about who it is.
        skin = _shade(person.skin, rng.uniform(110, 255) / max(person.skin))
        hair = _shade(person.hair_colour, rng.uniform(45, 255) / max(person.hair_colour))
        self._paints = {
            'skin': skin,
            'shade': _shade(skin, 0.84),
            'ink': _shade(skin, 0.07),
            'hair': hair,
            'strand': _shade(hair, 0.45),
            'lips': _shade((206, 92, 92), rng.uniform(0.7, 1.15)),
            'frame': _shade((60, 60, 70), rng.uniform(0.3, 1.3)),
            'shirt': _any_colour(rng),
            'white': (245, 243, 236),
        }

    def draw(self) -> None:
        person = self._person
        self._shapes(_HAIR_BEHIND.get(person.hair, ()), rigid=True)
        self._fill(_mirrored(0.45, 0.5, 0.5, 1.7), 'shade', rigid=True)
        shoulders = np.concatenate([_oval(0, 3.2, 2.0, 1.95, (0.5, 1)), _mirrored(2.0, 6.0)])
        self._fill(shoulders, 'shirt', rigid=True)
        ear = _oval(1 + 0.3 * person.ears, 0.02, person.ears, 1.25 * person.ears)
        self._shapes([Shape('shade', ear, pair=True)], rigid=True)
        self._fill(self._head(1.0, 0, 1), 'skin')
        if person.extra == 'full beard':
            cheeks = _mirrored(-0.8, 0.2, -0.58, 0.38, 0, 0.34)
            self._fill(np.concatenate([self._head(1.07, 0, 0.5), cheeks]), 'hair')
        self._mouth()
        self._shapes([NOSES[person.nose]])
        for side in (-1, 1):
            self._eye(side)
        # Brows keep near the eyes, unless they meet.
        brows = BROWS[person.brows]
        apart = EYES[person.eyes][0] - 0.4 if brows.pair else 0.0
        self._shapes([brows._replace(points=np.add(brows.points, (0.7 * apart, -self._lift)))])
        self._shapes(HAIR[person.hair])
        self._shapes(Shape('strand', points, line=0.035) for points in _STRANDS[person.hair])
        self._shapes(EXTRAS[person.extra])

    def occlude(self, rng: np.random.Generator) -> None:
        """Puts an arm or a hand in front of the head's rim: it hides a small part of the face."""
        length, width = 0.3 if rng.random() < 0.5 else 1.8, rng.uniform(0.14, 0.25)
        arm = _turn(_oval(0.75 + length, 0, length, width), rng.uniform(0, math.tau), 0, 0)
        self._fill(arm, 'shirt', rigid=True)

    def _place(self, points: Points, lift: float, rigid: bool) -> list[tuple[float, float]]:
        """Head units to pixels."""
        x, y = points[:, 0] * (1 + self._taper * np.clip(points[:, 1], -1, 1)), points[:, 1]
        if not rigid:
            # A point moves with yaw and pitch as far as it stands out of the picture: the edge of
            # the head stays, its middle moves most, and the tip of the nose (lift) a bit more.
            depth = np.sqrt(np.maximum(1 - np.square(points).sum(axis=1), 0)) + lift
            x, y = x + depth * self._facing[0], y + depth * self._facing[1]
        sized = np.stack([x * self._wide, y * self._high], axis=1) * self._scale
        return [(px, py) for px, py in (_turn(sized, self._roll, 0, 0) + self._at).tolist()]

    def _fill(
        self, points: Points, paint: str, lift: float = 0, rigid: bool = False, edge: float = 0.055
    ) -> None:
        placed = self._place(points, lift, rigid)
        self._draw.polygon(placed, fill=self._paints[paint])
        if edge:
            self._pen([*placed, placed[0]], 'ink', edge)

    def _pen(self, placed: list[tuple[float, float]], paint: str, width: float) -> None:
        self._draw.line(placed, fill=self._paints[paint], width=max(1, round(width * self._scale)))

    def _shapes(self, shapes: Iterable[Shape], rigid: bool = False) -> None:
        for shape in shapes:
            for side in (1, -1) if shape.pair else (1,):
                points = shape.points * (side, 1)
                if shape.line:
                    self._pen(self._place(points, shape.lift, rigid), shape.paint, shape.line)
                else:
                    self._fill(points, shape.paint, lift=shape.lift, rigid=rigid)

    def _head(self, grow: float, start: float, end: float) -> Points:
        """The head's edge: half a circle above, half a superellipse (square to pointed) below."""
        edge = _oval(0, 0, 1, 1, (start, end))
        power = np.where(edge[:, 1:] > 0, 2 / self._jaw, 1.0)
        return np.sign(edge) * np.abs(edge) ** power * grow

    def _mouth(self) -> None:
        width, upper, lower, curve, tilt, teeth = MOUTHS[self._person.mouth]
        x = np.linspace(-1, 1, 15)
        bow = 1 - x**2
        middle = 0.58 + (curve + self._smile) * (0.5 - x**2) + tilt * width * x
        gape = self._gape + (0.17 if teeth == 'row' else 0.0)

        def lens(above: float, below: float) -> Points:
            edges = np.concatenate([middle - above * bow, (middle + below * bow)[::-1]])
            return np.stack([np.concatenate([x, x[::-1]]) * width, edges], axis=1)

        if upper:
            self._fill(lens(upper + 0.3 * gape, lower + 0.7 * gape), 'lips', edge=0.02)
        self._fill(lens(0.3 * gape, 0.7 * gape), 'ink')
        if teeth == 'row':
            self._fill(lens(0.3 * gape - 0.02, 0.3 * gape) * (0.92, 1), 'white', edge=0)
        elif teeth == 'pair':
            self._shapes([_TOOTH])

    def _eye(self, side: int) -> None:
        x, rx, ry, slant, lid = EYES[self._person.eyes]
        x, y, ry = side * x, -0.1, ry * self._lids
        self._fill(_turn(_oval(x, y, rx, ry), side * slant, x, y), 'white')
        iris = min(0.1, 0.62 * rx, 0.95 * ry)
        self._fill(_oval(x + self._look * (rx - iris), y, iris, iris), 'ink', edge=0)
        if lid:
            start = 0.75 - 0.5 * lid
            self._fill(_turn(_oval(x, y, rx, ry, (start, 1.5 - start)), side * slant, x, y), 'shade')


def _background(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Clutter out of focus, drawn small and enlarged because that is quick."""
    plain = Image.new('RGB', (80, 80), _any_colour(rng))
    small = plain.copy()
    draw = ImageDraw.Draw(small)
    for _ in range(int(rng.integers(5, 14))):
        corners = rng.uniform(-36, 36, size=(int(rng.integers(3, 6)), 2)) + rng.uniform(-8, 88, 2)
        draw.polygon([(x, y) for x, y in corners.tolist()], fill=_any_colour(rng))
    small = Image.blend(small, plain, 0.5).filter(ImageFilter.GaussianBlur(rng.uniform(1.0, 2.5)))
    return small.resize(size, Image.Resampling.BILINEAR)


def _photograph(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Blur, gain, gamma, light from a side, and noise."""
    image = image.filter(ImageFilter.GaussianBlur(max(0.0, rng.uniform(-0.6, 0.7))))
    curve = 255 * rng.uniform(0.85, 1.15) * np.linspace(0, 1, 256) ** rng.uniform(0.8, 1.25)
    pixels = curve.astype(np.float32)[np.asarray(image)]
    strength, angle = rng.uniform(0, 0.25), rng.uniform(0, math.tau)
    across = np.linspace(-1, 1, image.width, dtype=np.float32) * (strength * math.cos(angle))
    down = np.linspace(-1, 1, image.height, dtype=np.float32) * (strength * math.sin(angle))
    pixels *= (1 + down[:, None] + across)[:, :, None]
    grain = rng.standard_normal((image.height, image.width), dtype=np.float32)
    pixels += (grain * np.float32(rng.uniform(1, 5)))[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def draw_face(identity: Person, rng: np.random.Generator) -> Image.Image:
    """Draws one image of an identity: RGB, each side 120 to 220 pixels.

    All that is not the identity comes from `rng`: the same generator state, the same image.
    """
    side, stretch = rng.uniform(130, 205), rng.uniform(-0.06, 0.06)
    width, height = round(side * math.exp(stretch)), round(side * math.exp(-stretch))
    image = _background((width * _SUPERSAMPLE, height * _SUPERSAMPLE), rng)
    face = _Face(identity, image, rng)
    face.draw()
    if rng.random() < 0.08:
        face.occlude(rng)
    return _photograph(image.reduce(_SUPERSAMPLE), rng)
