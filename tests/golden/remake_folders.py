"""Writes folders/ anew: for each model a folder of a short run, and what it predicts.

python -m tests.golden.remake_folders FOLDER
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from estimator_lab.core.registry import MODELS
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf
from tests.models.contract.models import subject_of


def main(out: Path) -> None:
    """Trains each model for a few steps and keeps what a folder needs to be opened."""
    for name in MODELS:
        with tempfile.TemporaryDirectory() as temporary:
            subject = subject_of(name, Path(temporary))
            run = subject.run.model_dir
            target = out / name
            target.mkdir(parents=True)
            for path in (*run.glob(f'model.ckpt-{subject.run.result.step}.[di]*'), run / 'experiment.json'):
                shutil.copy(path, target)
            last = f'model.ckpt-{subject.run.result.step}'
            (target / 'checkpoint').write_text(
                f'model_checkpoint_path: "{last}"\nall_model_checkpoint_paths: "{last}"\n'
            )
            images = subject.images(2)
            np.savez(target / 'predictions.npz', image=images, **predictions(target, images))


def predictions(folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the numbers that the newest checkpoint of a folder predicts, by name."""
    trained = Trained.open(folder)
    with tf.Graph().as_default():
        tensors = trained.predictions({'image': tf.constant(images)}).predictions
        numbers = {
            name: each for name, each in tensors.items() if each.dtype.is_floating or each.dtype.is_integer
        }
        with trained.session() as session:
            found: dict[str, np.ndarray] = session.run(numbers)
    return found


if __name__ == '__main__':
    main(Path(sys.argv[1]))
