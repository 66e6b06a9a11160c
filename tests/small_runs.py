"""Small training runs whose models tests look at."""

from pathlib import Path
from typing import Any

from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings
from tests.archive_files import small_archive


def train(folder: Path, model: str, hparams: str, **settings: Any) -> Path:
    """Trains on the images of `small_archive`, 6 a step; returns the model_dir.

    Args:
      folder: where train.tar is written.
      model: the model.
      hparams: its hyper-parameters.
      **settings: further settings.
    """
    given: dict[str, Any] = {
        'model_dir': folder / 'model',
        'batch_size': 6,
        'save_checkpoints_steps': 100,
        **settings,
    }
    data = given.pop('data', None) or [str(small_archive(folder))]
    Experiment(Settings(model=model, hparams=hparams, data=data, **given), lambda line: None).train()
    return Path(given['model_dir'])
