"""How a photo is painted; `predict` and `export` make their flags of it."""

from dataclasses import dataclass

from estimator_lab.settings import setting

_PAINTINGS = 'Paintings'


@dataclass(frozen=True)
class PaintingSettings:
    """What a user asks of paintings; None stands for how the model was trained."""

    style: str | None = setting(
        None, 'of paintings: a style, or shares such as a:0.3+b:0.7; default: the first', group=_PAINTINGS
    )
    strength: float | None = setting(
        None, 'of paintings: their share, the rest is the photo, in [0, 1]', group=_PAINTINGS
    )
    preserve_colour: bool | None = setting(None, "of paintings: keep the photo's colours", group=_PAINTINGS)
