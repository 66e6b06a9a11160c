"""What opens folders and pictures, for models, which are below the rooms that read them.

`Model.companions`, `Model.draw` and `Model.painter` are handed these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from estimator_lab.base.errors import FlagError, hparam, option

Opened: TypeAlias = Any
"""A trained model in its folder: a `runs.trained.Trained`."""


class Openers(NamedTuple):
    """What opens folders and pictures.

    Attributes:
      trained: returns the trained model in a folder; also given the flag that names it, for errors. Raises
        DataError.
      pictures_below: returns the paths of the pictures in a folder, sorted; raises DataError.
      picture: returns the picture of a path; also given the flag that names it. Raises DataError.
    """

    trained: Callable[[Path, str], Opened]
    pictures_below: Callable[[str], list[str]]
    picture: Callable[[str, str], Image.Image]


OpenTrained = Callable[[Path], Opened]
"""Opens a folder in which a model was trained; raises DataError."""

Batches = Iterator[tuple[np.ndarray, Sequence[str]]]
"""Samples, float32 [n, height, width, channels] in [0, 1], and their n labels, '' for none."""


Paint = Callable[[Image.Image], np.ndarray]
"""Returns the painting of a photo, uint8 [height, width, channels]."""


@dataclass(frozen=True)
class Drawing:
    """Samples that a model draws.

    Attributes:
      title: what they are, in words.
      batches: makes them, the same ones at each call.
    """

    title: str
    batches: Callable[[], Batches]


@dataclass(frozen=True)
class Companions:
    """What a model takes from other trained models; most models take nothing.

    Attributes:
      params: parameters that it decides, by name.
      files: functions that write what the model function reads, by names of files in model_dir.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)


def check_same_companions(
    params: Any, names: Sequence[str], model_dir: Path, resumed: Mapping[str, Any] | None
) -> None:
    """Raises FlagError if a training that is resumed has other companions than it was started with.

    They may be gone: what it takes from them is in its folder.

    Args:
      params: the parameters of the model.
      names: of the hyper-parameters that name companions.
      model_dir: the folder.
      resumed: the hyper-parameters that it was started with; None for a new training.
    """
    if resumed is None:
        return
    for name in names:
        given = getattr(params, name)
        if given != resumed.get(name, ''):
            raise FlagError(
                f'{option.model_dir}={model_dir} was started with another {hparam(name)} than '
                f'{given or "none"}: name another folder, or none for a new one.'
            )
