"""The settings of the commands that use a trained model. No TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.settings import setting

_MODEL, _IMAGES, _OUTPUT = 'Model', 'Images', 'Output'
_PAINTINGS = 'Paintings'
_DECODERS = ('exact', 'fast')
_DECODE_HELP = 'how images are decoded; default: as in training'
_MOST_IN_A_BATCH = 10_000_000


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The model."""

    model_dir: Path = setting(None, 'folder in which the model was trained', group=_MODEL)


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(ModelSettings):
    """How to evaluate a model; see `evaluation.evaluate`."""

    data: Sequence[str] = setting((), "tar archives, folders, '-' for standard input", group=_IMAGES)
    labels: Path | None = setting(
        None, "table of names and labels, a pair a line; default: images' folders", group=_IMAGES
    )
    decode: str | None = setting(None, _DECODE_HELP, group=_IMAGES, choices=_DECODERS)
    batch_size: int = setting(32, 'images in a batch', group=_IMAGES, lower=1, upper=_MOST_IN_A_BATCH)
    eval_steps: int | None = setting(None, 'batches to evaluate; default: all', group=_IMAGES, lower=1)
    out: Path | None = setting(None, 'folder for tables and pictures', group=_OUTPUT)
    worst: int = setting(24, 'examples on the contact sheet', group=_OUTPUT, lower=0)
    json: bool = setting(False, 'print JSON instead of tables', group=_OUTPUT)


@dataclass(frozen=True, kw_only=True)
class PaintingSettings:
    """How a style transfer network paints; None means as in training."""

    style: str | None = setting(
        None, 'of paintings: a style, or shares such as a:0.3+b:0.7; default: the first', group=_PAINTINGS
    )
    strength: float | None = setting(
        None, 'of paintings: their share, from 0 for the photo to 1', group=_PAINTINGS
    )
    preserve_colour: bool | None = setting(None, "of paintings: keep the photo's colours", group=_PAINTINGS)


@dataclass(frozen=True, kw_only=True)
class _PredictionInput(ModelSettings):
    data: Sequence[str] = setting(
        (), 'images, folders and archives, in addition to the arguments', group=_IMAGES
    )
    decode: str | None = setting(None, _DECODE_HELP, group=_IMAGES, choices=_DECODERS)
    batch_size: int = setting(64, 'images in a batch', group=_IMAGES, lower=1, upper=_MOST_IN_A_BATCH)


@dataclass(frozen=True, kw_only=True)
class PredictionSettings(PaintingSettings, _PredictionInput):
    """What to predict, and where the predictions are written."""

    format: str = setting('csv', 'format of the rows', group=_OUTPUT, choices=('csv', 'jsonl'))
    top: int = setting(1, 'labels in a row, the most probable first', group=_OUTPUT, lower=1)
    out: Path | None = setting(None, 'file for the rows; default: standard output', group=_OUTPUT)
    files: Path | None = setting(None, 'new folder for vectors (npz) and pictures (PNG)', group=_OUTPUT)


@dataclass(frozen=True, kw_only=True)
class InspectionSettings(ModelSettings):
    """The example to inspect, an image or a tree."""

    image: str | None = setting(
        None, 'an image file, or a member of an archive, ARCHIVE:MEMBER', group='Image or tree'
    )
    tree: str | None = setting(None, 'a tree as text, or ARCHIVE:MEMBER', group='Image or tree')
    label: str = setting('', 'label to find evidence for; default: the predicted one', group='Image or tree')
    out: Path | None = setting(None, 'folder for the pictures; default: MODEL_DIR/inspect', group=_OUTPUT)


@dataclass(frozen=True, kw_only=True)
class ExportSettings(PaintingSettings, ModelSettings):
    """Where the SavedModel is written."""

    out: Path | None = setting(None, 'folder for the SavedModel; default: MODEL_DIR/export', group=_OUTPUT)
    tflite: bool = setting(False, 'also write model.tflite, whose input is pixels', group=_OUTPUT)


@dataclass(frozen=True, kw_only=True)
class ReportSettings(ModelSettings):
    """The examples of a report, and where it is written."""

    data: Sequence[str] = setting(
        (), "archives, folders to evaluate on; default: show the run's last evaluation", group='Examples'
    )
    eval_steps: int | None = setting(None, 'batches to evaluate; default: all', group='Examples', lower=1)
    worst: int = setting(24, 'worst examples to show', group='Examples', lower=0)
    out: Path | None = setting(None, 'the page; default: MODEL_DIR/report.html', group=_OUTPUT)


_SEEN = 'What a network sees'
_ASCENT = 'Gradient ascent on an image'
_MORE = 'More pictures of it'
_DREAMS, _CHAINS, _SAMPLES = 'Dreams', 'Gibbs chains', 'Samples of a generator'


@dataclass(frozen=True, kw_only=True)
class _SampleSettings(ModelSettings):
    data: Sequence[str] = setting(
        (),
        'archives: Gibbs chains begin at their images; samples are shown with the nearest of them',
        group=_DREAMS,
    )
    label: str = setting(
        '', 'class of the picture; default: with chains and samples, every class in turn', group=_DREAMS
    )
    count: int = setting(64, 'number of samples, or of channels in an atlas', group=_DREAMS, lower=1)
    seed: int = setting(1, 'seed of noise and jitter', group=_DREAMS)
    steps: int = setting(1000, 'Gibbs steps of each chain', group=_CHAINS, lower=1)
    truncation: float = setting(
        0.0,
        'largest absolute value of latent numbers; smaller: better, less diverse; 0: no limit',
        group=_SAMPLES,
        lower=0,
    )
    walk: int = setting(0, 'samples on the way from one latent vector to the next', group=_SAMPLES, lower=0)
    film: Path | None = setting(
        None, 'also write a GIF of samples over the course of training', group=_SAMPLES
    )


@dataclass(frozen=True, kw_only=True)
class AscentSettings:
    """Gradient ascent on an image: what to maximize, and how; the defaults are DeepDream's.

    None means that the default depends on the network and the image: see `dreams.Dreamer`.
    """

    layer: str = setting(
        '', 'whose activations are maximized, such as conv4_3; a wrong name lists them', group=_SEEN
    )
    channel: int | None = setting(None, 'the only channel of the layer to maximize', group=_SEEN, lower=0)
    guide: str | None = setting(None, 'an image whose activations in the layer are imitated', group=_SEEN)
    image: str | None = setting(
        None, 'the photo, or ARCHIVE:MEMBER, to change at its own size; default: noise', group=_SEEN
    )
    size: int | None = setting(
        None,
        "side in pixels of a dream that begins with noise; default: the network's, 96 in an atlas",
        group=_SEEN,
        lower=1,
        upper=8000,
    )
    octaves: int | None = setting(
        None,
        'sizes, from small to large; default: 4, or as many as the network can see',
        group=_ASCENT,
        lower=1,
    )
    octave_scale: float = setting(
        1.4, 'ratio of one size to the one before', group=_ASCENT, lower=1.01, upper=10
    )
    iterations: int | None = setting(
        None, 'steps in each octave; default: 10, from noise 80 in all', group=_ASCENT, lower=1
    )
    step_size: float | None = setting(
        None,
        'mean change of a pixel in a step, in grey levels; default: 1.5, from noise 4',
        group=_ASCENT,
        lower=0,
    )
    jitter: int | None = setting(
        None,
        'pixels by which a step shifts the image at most; default: 32, of small images a sixth',
        group=_ASCENT,
        lower=0,
    )
    tv: float = setting(0.1, 'weight of the total variation', group=_ASCENT, lower=0)
    smoothing: float | None = setting(
        None,
        'blur of the gradient, standard deviation in pixels; default: 0.5, of a class side/14 and less',
        group=_ASCENT,
        lower=0,
        upper=50,
    )
    precision: str = setting(
        'float32',
        'bfloat16 is faster on processors that have it',
        group=_ASCENT,
        choices=('float32', 'bfloat16'),
    )
    atlas: bool = setting(False, 'draw what each channel sees instead, --count of them', group=_MORE)
    strip: Path | None = setting(None, 'also write a picture of the octaves side by side', group=_MORE)
    zoom: Path | None = setting(None, 'also write a GIF that zooms into the dream', group=_MORE)
    frames: int = setting(24, 'frames of the GIF', group=_MORE, lower=2, upper=1000)


@dataclass(frozen=True, kw_only=True)
class DreamSettings(AscentSettings, _SampleSettings):
    """What a model draws, and where."""

    out: Path = setting(
        Path('dreams.png'),
        'the picture, .png or .jpg; of chains and samples also an archive, .tar',
        group=_OUTPUT,
    )
