"""One training as users run it: a model's defaults and --deterministic; `kills` starts it and kills it."""

import os
import sys
from pathlib import Path

from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings

IMAGE_SIZE = 16


def run(model: str, archive: str, model_dir: Path, cache: Path, keep_all: bool = False) -> None:
    """Trains up to the last step, from wherever model_dir is.

    Args:
      model: value of --model.
      archive: to train on.
      model_dir: of the training.
      cache: the user's cache folder.
      keep_all: whether all checkpoints are kept, to compare others with them.
    """
    os.environ['XDG_CACHE_HOME'] = str(cache)
    sys.stdout = open(os.devnull, 'w', encoding='utf-8')  # noqa: PTH123, SIM115 - a slow training shows its steps
    settings = Settings(
        model=model,
        data=[archive],
        model_dir=model_dir,
        image_size=IMAGE_SIZE,
        deterministic=True,
        keep_checkpoints=10_000 if keep_all else 2,
    )
    Experiment(settings, say=lambda line: None).train()
