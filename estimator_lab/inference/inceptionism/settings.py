"""The settings of a gradient ascent on images; `dream` makes its flags of them."""

from dataclasses import dataclass

from estimator_lab.settings import setting

_SEEN = 'What a network sees'
_ASCENT = 'Gradient ascent on an image'
_MORE = 'More pictures of it'


@dataclass(frozen=True)
class AscentSettings:
    """What is to be seen more of, in which image, and how it climbs; the defaults are DeepDream's.

    None stands for what depends on the network and on the image: see `dreams.Dreamer`.
    """

    layer: str = setting('', 'whose activations grow, such as conv4_3; a wrong name lists them', group=_SEEN)
    channel: int | None = setting(None, 'the only channel of it that grows', group=_SEEN, lower=0)
    guide: str | None = setting(None, 'an image whose activations there are imitated', group=_SEEN)
    image: str | None = setting(
        None, 'the photo, or ARCHIVE:MEMBER, that changes, at its own size; default: noise', group=_SEEN
    )
    size: int | None = setting(
        None,
        "side in pixels of a dream that begins with noise; default the network's, 96 in an atlas",
        group=_SEEN,
        lower=1,
        upper=8000,
    )
    octaves: int | None = setting(
        None,
        'sizes, from small to large; default 4, or as many as the network can see',
        group=_ASCENT,
        lower=1,
    )
    octave_scale: float = setting(1.4, 'from one size to the next', group=_ASCENT, lower=1.01, upper=10)
    iterations: int | None = setting(
        None, 'steps in each; default 10, from noise 80 in all', group=_ASCENT, lower=1
    )
    step_size: float | None = setting(
        None,
        'mean change of a pixel in a step, in grey levels; default 1.5, from noise 4',
        group=_ASCENT,
        lower=0,
    )
    jitter: int | None = setting(
        None,
        'pixels by which a step shifts the image; default 32, of small ones a sixth',
        group=_ASCENT,
        lower=0,
    )
    tv: float = setting(0.1, 'how much total variation counts beside the gradient', group=_ASCENT, lower=0)
    smoothing: float | None = setting(
        None,
        'pixels by which the gradient is smoothed; default 0.5, of a class from 1/14 of the side down',
        group=_ASCENT,
        lower=0,
        upper=50,
    )
    precision: str = setting(
        'float32',
        'bfloat16 is faster on processors that have it',
        group=_ASCENT,
        choices=('float32', 'bfloat16'),
    )
    atlas: bool = setting(False, 'draws what each channel sees, --count of them, instead', group=_MORE)
    strip: str = setting('', 'a picture of the octaves side by side, as well', group=_MORE)
    zoom: str = setting('', 'a GIF that dives into the dream, as well', group=_MORE)
    frames: int = setting(24, 'of the GIF', group=_MORE, lower=2, upper=1000)
