"""What a model takes from elsewhere when its training begins: trained networks and pictures.

`Trained.open` opens the networks. What is taken is kept in model_dir, so that the companion may be gone
when the training is resumed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.files import SkippedFiles
from estimator_lab.data.sources.folder import files_below


def pictures_below(folder: str) -> list[str]:
    """Returns the paths of the pictures in a folder, sorted.

    Raises:
      DataError: the folder can't be read.
    """
    return sorted(str(Path(folder, path)) for path, *_ in files_below(folder, IMAGES, SkippedFiles()))


def open_picture(path: str, flag: str) -> Image.Image:
    """Returns the picture of a path that a flag names.

    Raises:
      DataError: there is none, or it can't be decoded.
    """
    try:
        return open_image(read_example(path, IMAGES).data)
    except BadExampleError as error:
        raise DataError(f'{flag}={path} is not a picture: {error}.') from error
    except DataError as error:
        raise DataError(f'{flag}: {error.marked}') from error


def check_same_companions(
    params: Any, names: Sequence[str], model_dir: Path, resumed: Mapping[str, Any] | None
) -> None:
    """Raises FlagError if a resumed training names other companions than it was started with.

    `names` are the hyper-parameters that name companions; `resumed` are all that it was started with, None
    for a new training.
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
