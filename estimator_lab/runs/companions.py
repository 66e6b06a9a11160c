"""What opens the companions of a model: folders of trained models, and pictures."""

from pathlib import Path

from PIL import Image

from estimator_lab.base.errors import DataError
from estimator_lab.core.opened import Openers
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.files import SkippedFiles
from estimator_lab.data.sources.folder import files_below
from estimator_lab.runs.opening import open_trained


def _pictures_below(folder: str) -> list[str]:
    return sorted(str(Path(folder, path)) for path, *_ in files_below(folder, IMAGES, SkippedFiles()))


def _picture(path: str, flag: str) -> Image.Image:
    try:
        return open_image(read_example(path, IMAGES).data)
    except BadExampleError as error:
        raise DataError(f'{flag}={path} is not a picture: {error}.') from error
    except DataError as error:
        raise DataError(f'{flag}: {error.marked}') from error


OPENERS = Openers(open_trained, _pictures_below, _picture)
