"""What a model takes from other trained models: the targets of a style, and a classifier of its samples."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.core.model import AnyModel, ModelFn
from estimator_lab.models.style.perceptual import FILE as STYLE_FILE
from estimator_lab.runs.record import Record
from estimator_lab.runs.reference_classifier import (
    ReferenceClassifier,
    open_reference_classifier,
    with_reference_classifier,
)
from estimator_lab.runs.style_targets import StyleTargets, open_style_targets


@dataclass(frozen=True)
class Companions:
    """What a model takes from other trained models; most models take nothing.

    Attributes:
      style_targets: what a transform net learns; None for other models.
      reference_classifier: scores the samples of a generator; None for none.
    """

    style_targets: StyleTargets | None = None
    reference_classifier: ReferenceClassifier | None = None

    def params(self, params: Any) -> Any:
        """Returns the parameters with what the companions decide."""
        return replace(params, styles=self.style_targets.styles) if self.style_targets else params

    def model_fn(self, model: AnyModel) -> ModelFn:
        """Returns the model function, with the classifier in its evaluation."""
        return with_reference_classifier(model.model_fn, self.reference_classifier)

    def write(self, folder: Path) -> None:
        """Writes what the model function reads into a new model_dir.

        Raises:
          OSError: it can't be written.
        """
        if self.style_targets:
            self.style_targets.perceptual_loss.save(folder / STYLE_FILE)


def open_companions(model: AnyModel, params: Any, model_dir: Path, previous: Record | None) -> Companions:
    """Returns the companions that the parameters of a run name.

    Raises:
      FlagError: the perceptual network lacks a layer; the run began with another style.
      DataError: a picture or a folder can't be used.
    """
    return Companions(
        open_style_targets(model, params, model_dir, previous),
        open_reference_classifier(model.task(params), params),
    )
