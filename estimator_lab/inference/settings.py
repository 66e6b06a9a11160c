"""What can be done with a trained model: a class of settings for each verb. No TensorFlow.

A command's flags, a method's keywords and their help follow from these. What is marked `of_command` is a flag
only: a program passes the model and the examples as arguments, and gets results as objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.settings import setting
from estimator_lab.base.shares import PART_HELP
from estimator_lab.data.sources.source import expand


def check_there(model_dir: Path, paths: Sequence[str] | None = ()) -> None:
    """Checks, before TensorFlow is loaded, that a folder and the examples that a command reads are there.

    Raises:
      DataError: one is not.
    """
    if not model_dir.exists():
        raise DataError(f'{option.model_dir}={model_dir} is not a folder.')
    if paths:
        expand(paths, commas=False)


_model_dir = partial(setting, None, 'folder in which the model was trained', group='Model', of_command=True)
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
class EvaluationSettings:
    """How a model is evaluated."""

    model_dir: Path = _model_dir()
    data: Sequence[str] | None = _images(
        None, "tar archives, folders, '-' for standard input", of_command=True
    )
    labels: Path | None = _images(None, "table of names and labels, a pair a line; default: images' folders")
    batch_size: int = _images(32, 'images in a batch', lower=1, upper=_MOST_IN_A_BATCH)
    eval_steps: int | None = _images(None, 'batches to evaluate; default: all', lower=1)
    worst: int = _output(24, 'examples on the contact sheet', lower=0)
    out: Path | None = _output(None, 'folder for tables and pictures', of_command=True)
    json: bool = _output(False, 'print JSON instead of tables', of_command=True)


@dataclass(frozen=True, kw_only=True)
class PaintingSettings:
    """How a style transfer network paints; None means as in training."""

    model_dir: Path = _model_dir()
    style: str | None = _paintings(
        None, 'of paintings: a style, or shares such as a:0.3+b:0.7; default: the first'
    )
    strength: float | None = _paintings(None, 'of paintings: their share, from 0 for the photo to 1')
    preserve_colour: bool | None = _paintings(None, "of paintings: keep the photo's colours")


@dataclass(frozen=True, kw_only=True)
class PredictionSettings(PaintingSettings):
    """How examples are predicted, or photos painted."""

    data: Sequence[str] | None = _images(
        None, 'images, folders and archives, in addition to the arguments', of_command=True
    )
    batch_size: int = _images(64, 'images in a batch', lower=1, upper=_MOST_IN_A_BATCH)
    part: str = _images('', PART_HELP)
    top: int = _output(1, 'labels in a row, the most probable first', lower=1)
    format: str = _output('csv', 'format of the rows', choices=('csv', 'jsonl'), of_command=True)
    out: Path | None = _output(None, 'file for the rows; default: standard output', of_command=True)
    files: Path | None = _output(None, 'new folder for vectors (npz) and pictures (PNG)', of_command=True)


@dataclass(frozen=True, kw_only=True)
class InspectionSettings:
    """What is shown of an example."""

    model_dir: Path = _model_dir()
    summary: bool = setting(
        False,
        'list the layers, the shapes of their outputs and their parameters',
        group='Model',
        of_command=True,
    )
    image: str | None = _example(
        None, 'an image file, or a member of an archive, ARCHIVE:MEMBER', of_command=True
    )
    tree: str | None = _example(None, 'a tree as text, or ARCHIVE:MEMBER', of_command=True)
    label: str = _example('', 'label to find evidence for; default: the predicted one')
    out: Path | None = _output(None, 'folder for the pictures; default: MODEL_DIR/inspect', of_command=True)


@dataclass(frozen=True, kw_only=True)
class ExportSettings(PaintingSettings):
    """Where and how a model is exported."""

    out: Path | None = _output(None, 'folder for the SavedModel; default: MODEL_DIR/export')


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The examples of a report, and where it is written."""

    model_dir: Path = _model_dir()
    data: Sequence[str] | None = _examples(
        None, "archives, folders to evaluate on; default: show the run's last evaluation"
    )
    eval_steps: int | None = _examples(None, 'batches to evaluate; default: all', lower=1)
    worst: int = _examples(24, 'worst examples to show', lower=0)
    out: Path | None = _output(None, 'the page; default: MODEL_DIR/report.html')


@dataclass(frozen=True, kw_only=True)
class DreamSettings:
    """What a model draws: gradient ascent on an image, or samples that it makes up."""

    model_dir: Path = _model_dir()
    label: str = _dreams('', 'class of the picture; default: of samples, every class in turn')
    count: int = _dreams(64, 'number of samples, or of channels in an atlas', lower=1)
    steps: int | None = _dreams(
        None, 'steps of Gibbs chains (default 50 or 1000) or of gradient ascent (10 to 120)', lower=1
    )
    seed: int = _dreams(1, 'seed of noise and jitter')
    data: Sequence[str] | None = _samples(None, 'archives at whose images Gibbs chains begin')
    truncation: float = _samples(
        0.0, 'largest absolute value of latent numbers; smaller: better, less diverse; 0: no limit', lower=0
    )
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
    out: Path = _output(
        Path('dreams.png'),
        'the picture, .png or .jpg; of chains and samples also an archive, .tar',
        of_command=True,
    )
