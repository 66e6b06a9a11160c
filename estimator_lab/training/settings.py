"""What a training run is made from: each setting declared once, for its flag, the help page and its check."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.models.registry import MODELS
from estimator_lab.settings import setting

_MODEL, _DATA, _IMAGES, _TRAINING, _OUTPUT = 'Model', 'Data', 'Images', 'Training', 'Output'
MOST_STEPS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training run is made from; the flags of `estimator_lab.train`, as plain values.

    `model_dir` is the only one without a use for its default: the command puts it into runs/MODEL.
    """

    model: str = setting('cnn', f'which model: {", ".join(MODELS)}', group=_MODEL)
    hparams: str = setting(
        '', "the model's hyper-parameters, name=value,...; 'help' lists them", group=_MODEL
    )

    data: Sequence[str] = setting(
        (),
        "archives or folders to train on, or texts of trees: paths, globs, '-'; none: built-in faces",
        group=_DATA,
    )
    eval_data: Sequence[str] = setting(
        (), 'archives or folders to evaluate on; none: the training data', group=_DATA
    )
    split: str = setting(
        '', 'TRAIN,EVAL: shares of the images in --data to train and to evaluate on', group=_DATA
    )
    pretrain_data: Sequence[str] = setting(
        (), 'archives or folders to pre-train on, labels not needed; none: --data', group=_DATA
    )
    unlabelled_data: Sequence[str] = setting(
        (),
        'archives or folders to learn from without labels, beside --data, for semi_supervised=true',
        group=_DATA,
    )
    labels: Path | None = setting(
        None,
        "table of a name and a label a line; default: images' folders, or .cls files beside them",
        group=_DATA,
    )
    vocabulary: Path | None = setting(
        None, 'file of one label a line; default: the labels in --data, sorted', group=_DATA
    )
    tokens: Path | None = setting(
        None, 'of trees: file of one token a line; default: those in --data', group=_DATA
    )
    max_tokens: int = setting(
        50_000,
        'of trees: how many of the tokens in --data, the most frequent',
        group=_DATA,
        lower=1,
        upper=1_000_000,
    )
    shuffle_buffer: int = setting(
        10_000, 'encoded images held to shuffle a stream; 1: stored order', group=_DATA, lower=1
    )
    max_bad_fraction: float = setting(
        0.01, 'share of images that may fail to decode', group=_DATA, lower=0, upper=1
    )
    use_damaged: bool = setting(False, 'use archives that break off up to there, with a warning', group=_DATA)

    image_size: int = setting(
        128, 'side in pixels to which images are scaled', group=_IMAGES, lower=1, upper=8000
    )
    channels: int = setting(1, '1 for grey, 3 for colour', group=_IMAGES, choices=(1, 3))
    decode: str = setting(
        'exact',
        'fast: JPEGs in a third of the time, nearly the same',
        group=_IMAGES,
        choices=('exact', 'fast'),
    )
    decoded_cache: int = setting(
        256,
        'megabytes of decoded images to keep, if all fit; 0: decode in each epoch',
        group=_IMAGES,
        lower=0,
    )
    augment: str = setting(
        '', 'random changes in training: shift=PIXELS,mirror,brightness=SHARE', group=_IMAGES
    )

    model_dir: Path = setting(None, 'checkpoints and TensorBoard files; default runs/MODEL', group=_TRAINING)
    batch_size: int = setting(
        32, 'examples in a step of one worker', group=_TRAINING, lower=1, upper=10_000_000
    )
    max_steps: int | None = setting(
        None, 'train up to this global step', group=_TRAINING, lower=1, upper=MOST_STEPS
    )
    epochs: float | None = setting(
        None, 'or for this many passes over the data (default 10)', group=_TRAINING, lower=0
    )
    eval_steps: int | None = setting(
        None, 'batches in an evaluation; default all, but 20,000 training images', group=_TRAINING, lower=1
    )
    early_stopping: int | None = setting(
        None, 'end after this many evaluations without a better one', group=_TRAINING, lower=1
    )
    rebuild_evaluation_graph: bool = setting(
        False,
        'build a graph for each evaluation; else one is kept, with a copy of the weights',
        group=_TRAINING,
    )
    warm_start: Path | None = setting(
        None, 'begin with the weights of this model_dir or file; labels may differ', group=_TRAINING
    )
    resume_changed: bool = setting(
        False, 'go on though what decides the order of images or the weights has changed', group=_TRAINING
    )
    precision: str = setting(
        'float32',
        'bfloat16 is faster on processors that have it',
        group=_TRAINING,
        choices=('float32', 'bfloat16'),
    )
    distribution: str = setting(
        'none',
        'on all GPUs here, or as TF_CONFIG says',
        group=_TRAINING,
        choices=('none', 'mirrored', 'multi_worker', 'parameter_server'),
    )
    seed: int = setting(
        1, 'order of examples, initial weights, dropout', group=_TRAINING, lower=-(2**31), upper=2**31 - 1
    )
    deterministic: bool = setting(False, 'the same weights bit for bit in each run', group=_TRAINING)

    save_checkpoints_steps: int | None = setting(
        None, 'steps between evaluated checkpoints', group=_OUTPUT, lower=1
    )
    keep_checkpoints: int = setting(2, 'how many of the newest checkpoints stay', group=_OUTPUT, lower=1)
    save_summary_steps: int = setting(50, 'steps between TensorBoard summaries', group=_OUTPUT, lower=1)
    export: Sequence[str] = setting((), 'best,latest,final: SavedModels to write on the way', group=_OUTPUT)
    profile: bool = setting(False, "write a timeline of early steps, for Chrome's viewer", group=_OUTPUT)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) to which images are scaled."""
        return self.image_size, self.image_size, self.channels
