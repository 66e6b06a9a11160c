"""Results that show themselves: as text in a terminal, as HTML in a notebook."""

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.core.picture import labelled_grid
from estimator_lab.inference.evaluation import Evaluation
from estimator_lab.inference.report.html import Html, figure, html, page, table
from estimator_lab.inference.report.page import evaluation_sections
from estimator_lab.runs.metrics_text import images_text, primary_metric_text, worth_showing

_MOST_SAMPLES = 256
_TALL, _LOW = 600, 320  # pixels of a frame


@dataclasses.dataclass
class EvaluationResult(Evaluation):
    """The results of an evaluation; in a notebook its metrics, confusion and worst examples.

    Attributes:
      metrics: by name, such as result.metrics['accuracy'].
      images: how many examples were evaluated.
      bad: how many more could not be decoded.
      confusion: counts of true and predicted classes; None for a model that does not classify.
      worst: the worst examples, the worst first; those of a classifier are all mistakes.
    """

    def __repr__(self) -> str:
        trained = self.trained
        on = images_text(self.metrics, self.images, trained.kind.noun)
        lines = [f'{name:<24} {value:.4f}' for name, value in worth_showing(self.metrics)]
        return '\n'.join([*lines, '', primary_metric_text(trained.task, self.metrics, on, trained.step)])

    def _repr_html_(self) -> str:
        return framed('evaluation', evaluation_sections(self), _TALL)


@dataclasses.dataclass(frozen=True)
class InspectionResult:
    """What a network sees in one example; in a notebook its pictures.

    Attributes:
      key: of the example.
      values: the predictions by name, arrays without a batch dimension.
      pictures: filters, activations, saliency and the like, by the names of TensorBoard's tags.
    """

    key: str
    values: Mapping[str, np.ndarray]
    pictures: Mapping[str, Image.Image]

    def __repr__(self) -> str:
        return f'{self.key}: predictions {", ".join(self.values)}; pictures {", ".join(self.pictures)}'

    def _repr_html_(self) -> str:
        figures = [figure(picture, name) for name, picture in self.pictures.items()]
        return framed(self.key, [html('<div class="pictures">{}</div>', figures)], _TALL)


@dataclasses.dataclass(frozen=True)
class Samples:
    """Images that a model made; in a notebook a grid of them.

    Attributes:
      images: float32 [n, height, width, channels] in [0, 1].
      labels: their n labels, '' for none.
    """

    images: np.ndarray
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f'{len(self.images)} samples, {self.images.dtype} {list(self.images.shape)}'

    def picture(self) -> Image.Image:
        """Returns the first 256 samples as one picture, with their labels."""
        some = slice(_MOST_SAMPLES)
        return labelled_grid(self.images[some], self.labels[some])

    def _repr_html_(self) -> str:
        return framed('samples', [figure(self.picture(), repr(self))], _TALL)


@dataclasses.dataclass(frozen=True)
class Report:
    """A run on one page of HTML; in a notebook the page itself.

    Attributes:
      path: of the page.
      damage: what could not be read of the run, a sentence for each file.
    """

    path: Path
    damage: Sequence[str] = ()

    def _repr_html_(self) -> str:
        return _frame(self.path.read_text(encoding='utf-8'), _TALL)


def framed_table(rows: Mapping[str, str]) -> str:
    """Returns names and texts as a table in a frame."""
    return framed('names', [table((), rows.items())])


def framed(title: str, parts: Sequence[Html], height: int = _LOW) -> str:
    """Returns markup as a page in a frame, which keeps its style from that of the notebook.

    Args:
      title: of the page.
      parts: its body.
      height: of the frame in pixels.
    """
    return _frame(page(title, parts), height)


def _frame(text: str, height: int) -> str:
    style = f'width: 100%; height: {height}px; border: 0'
    return f'<iframe srcdoc="{escape(text)}" style="{style}"></iframe>'
