"""The settings of what can be done with a trained model, for commands and the API. No TensorFlow.

Each class is what one function honours; a command adds its own flags, such as where results are written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from estimator_lab.base.settings import setting
from estimator_lab.base.shares import PART_HELP

_images = partial(setting, group='Images')
_example = partial(setting, group='Image or tree')
_examples = partial(setting, group='Examples')
_paintings = partial(setting, group='Paintings')
_output = partial(setting, group='Output')
_dreams = partial(setting, group='Dreams')
_samples = partial(setting, group='Chains and samples')
_seen = partial(setting, group='What a network sees')
_MOST_IN_A_BATCH = 10_000_000


@dataclass(frozen=True, kw_only=True)
class ModelFlag:
    """The flag of commands that open a model."""

    model_dir: Path = setting(None, 'folder in which the model was trained', group='Model')


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How to evaluate a model."""

    labels: Path | None = _images(None, "table of names and labels, a pair a line; default: images' folders")
    batch_size: int = _images(32, 'images in a batch', lower=1, upper=_MOST_IN_A_BATCH)
    eval_steps: int | None = _images(None, 'batches to evaluate; default: all', lower=1)
    worst: int = _output(24, 'examples on the contact sheet', lower=0)


@dataclass(frozen=True, kw_only=True)
class EvaluationFlags(EvaluationSettings, ModelFlag):
    """The flags of `evaluate`."""

    data: Sequence[str] | None = _images(None, "tar archives, folders, '-' for standard input")
    out: Path | None = _output(None, 'folder for tables and pictures')
    json: bool = _output(False, 'print JSON instead of tables')


@dataclass(frozen=True, kw_only=True)
class PredictionSettings:
    """How to predict examples."""

    batch_size: int = _images(64, 'images in a batch', lower=1, upper=_MOST_IN_A_BATCH)
    part: str = _images('', PART_HELP)
    top: int = _output(1, 'labels in a row, the most probable first', lower=1)


@dataclass(frozen=True, kw_only=True)
class PaintingSettings:
    """How a style transfer network paints; None means as in training."""

    style: str | None = _paintings(
        None, 'of paintings: a style, or shares such as a:0.3+b:0.7; default: the first'
    )
    strength: float | None = _paintings(None, 'of paintings: their share, from 0 for the photo to 1')
    preserve_colour: bool | None = _paintings(None, "of paintings: keep the photo's colours")


@dataclass(frozen=True, kw_only=True)
class PredictionFlags(PaintingSettings, PredictionSettings, ModelFlag):
    """The flags of `predict`."""

    data: Sequence[str] | None = _images(None, 'images, folders and archives, in addition to the arguments')
    format: str = _output('csv', 'format of the rows', choices=('csv', 'jsonl'))
    out: Path | None = _output(None, 'file for the rows; default: standard output')
    files: Path | None = _output(None, 'new folder for vectors (npz) and pictures (PNG)')


@dataclass(frozen=True, kw_only=True)
class InspectionSettings:
    """What to look for in an example."""

    label: str = _example('', 'label to find evidence for; default: the predicted one')


@dataclass(frozen=True, kw_only=True)
class InspectionFlags(InspectionSettings, ModelFlag):
    """The flags of `inspect`."""

    image: str | None = _example(None, 'an image file, or a member of an archive, ARCHIVE:MEMBER')
    tree: str | None = _example(None, 'a tree as text, or ARCHIVE:MEMBER')
    summary: bool = setting(
        False, 'list the layers, the shapes of their outputs and their parameters', group='Model'
    )
    out: Path | None = _output(None, 'folder for the pictures; default: MODEL_DIR/inspect')


@dataclass(frozen=True, kw_only=True)
class ExportSettings(PaintingSettings):
    """Where and how a model is exported."""

    out: Path | None = _output(None, 'folder for the SavedModel; default: MODEL_DIR/export')
    tflite: bool = _output(False, 'also write model.tflite, for TensorFlow Lite: from pixels to numbers')
    onnx: bool = _output(False, 'also write model.onnx, for ONNX Runtime: from pixels to numbers')


@dataclass(frozen=True, kw_only=True)
class ExportFlags(ExportSettings, ModelFlag):
    """The flags of `export`."""


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The examples of a report, and where it is written."""

    data: Sequence[str] | None = _examples(
        None, "archives, folders to evaluate on; default: show the run's last evaluation"
    )
    eval_steps: int | None = _examples(None, 'batches to evaluate; default: all', lower=1)
    worst: int = _examples(24, 'worst examples to show', lower=0)
    out: Path | None = _output(None, 'the page; default: MODEL_DIR/report.html')


@dataclass(frozen=True, kw_only=True)
class ReportFlags(ReportSettings, ModelFlag):
    """The flags of `report`."""


@dataclass(frozen=True, kw_only=True)
class AscentSettings:
    """What gradient ascent on an image maximizes."""

    layer: str = _seen(
        '', 'whose activations are maximized, such as conv4_3; with --image, a middle one by default'
    )
    channel: int | None = _seen(None, 'the only channel of the layer to maximize', lower=0)
    image: str | None = _seen(None, 'the photo, or ARCHIVE:MEMBER, to change at its own size; default: noise')
    size: int | None = _seen(
        None,
        "side in pixels of a dream that begins with noise; default: the network's, 96 in an atlas",
        lower=1,
        upper=8000,
    )
    atlas: bool = _seen(False, 'draw what each channel sees instead, --count of them')


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Which samples a generator or a Boltzmann machine makes."""

    label: str = _dreams('', 'class of the picture; default: of samples, every class in turn')
    count: int = _dreams(64, 'number of samples, or of channels in an atlas', lower=1)
    steps: int | None = _dreams(
        None,
        'steps of Gibbs chains (default 50 or 1000) or of gradient ascent (10 to 120)',
        lower=1,
    )
    seed: int = _dreams(1, 'seed of noise and jitter')
    data: Sequence[str] | None = _samples(None, 'archives at whose images Gibbs chains begin')
    truncation: float = _samples(
        0.0, 'largest absolute value of latent numbers; smaller: better, less diverse; 0: no limit', lower=0
    )


@dataclass(frozen=True, kw_only=True)
class DreamSettings(AscentSettings, SampleSettings):
    """What a model draws."""


@dataclass(frozen=True, kw_only=True)
class DreamFlags(DreamSettings, ModelFlag):
    """The flags of `dream`."""

    out: Path = _output(
        Path('dreams.png'), 'the picture, .png or .jpg; of chains and samples also an archive, .tar'
    )
