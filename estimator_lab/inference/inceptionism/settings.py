"""The settings of a gradient ascent on images; `dream` makes its flags of them."""

from dataclasses import dataclass

from estimator_lab.console.options import option

_SEEN = 'What a network sees'
_ASCENT = 'Gradient ascent on an image'
_MORE = 'More pictures of it'


@dataclass(frozen=True)
class AscentSettings:
    """What is to be seen more of, in which image, and how it climbs; the defaults are DeepDream's.

    None stands for what depends on the network and on the image: see `dreams.Dreamer`.
    """

    layer: str = option('', _SEEN, 'whose activations grow, such as conv4_3; a wrong name lists them')
    channel: int | None = option(None, _SEEN, 'the only channel of it that grows', lower=0)
    guide: str | None = option(None, _SEEN, 'an image whose activations there are imitated')
    image: str | None = option(
        None, _SEEN, 'the photo, or ARCHIVE:MEMBER, that changes, at its own size; default: noise'
    )
    size: int | None = option(
        None,
        _SEEN,
        "side in pixels of a dream that begins with noise; default the network's, 96 in an atlas",
        lower=1,
        upper=8000,
    )
    octaves: int | None = option(
        None, _ASCENT, 'sizes, from small to large; default 4, or as many as the network can see', lower=1
    )
    octave_scale: float = option(1.4, _ASCENT, 'from one size to the next', lower=1.01, upper=10)
    iterations: int | None = option(None, _ASCENT, 'steps in each; default 10, from noise 80 in all', lower=1)
    step_size: float | None = option(
        None, _ASCENT, 'mean change of a pixel in a step, in grey levels; default 1.5, from noise 4', lower=0
    )
    jitter: int | None = option(
        None, _ASCENT, 'pixels by which a step shifts the image; default 32, of small ones a sixth', lower=0
    )
    tv: float = option(0.1, _ASCENT, 'how much total variation counts beside the gradient', lower=0)
    smoothing: float | None = option(
        None,
        _ASCENT,
        'pixels by which the gradient is smoothed; default 0.5, of a class from 1/14 of the side down',
        lower=0,
        upper=50,
    )
    precision: str = option(
        'float32', _ASCENT, 'bfloat16 is faster on processors that have it', choices=('float32', 'bfloat16')
    )
    atlas: bool = option(False, _MORE, 'draws what each channel sees, --count of them, instead')
    strip: str = option('', _MORE, 'a picture of the octaves side by side, as well')
    zoom: str = option('', _MORE, 'a GIF that dives into the dream, as well')
    frames: int = option(24, _MORE, 'of the GIF', lower=2, upper=1000)
