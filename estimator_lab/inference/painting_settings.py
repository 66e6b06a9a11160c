"""How a photo is painted; `predict` and `export` make their flags of it."""

from dataclasses import dataclass

from estimator_lab.console.options import option

_PAINTINGS = 'Paintings'


@dataclass(frozen=True)
class PaintingSettings:
    """What a user asks of paintings; None stands for how the model was trained."""

    style: str | None = option(
        None, _PAINTINGS, 'of paintings: a style, or shares such as a:0.3+b:0.7; default: the first'
    )
    strength: float | None = option(
        None, _PAINTINGS, 'of paintings: their share, the rest is the photo, in [0, 1]'
    )
    preserve_colour: bool | None = option(None, _PAINTINGS, "of paintings: keep the photo's colours")
