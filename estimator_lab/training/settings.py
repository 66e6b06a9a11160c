"""What a training run is made from: each setting declared once, for its flag, the help page and its check."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.console.options import option
from estimator_lab.models.registry import MODELS

_MODEL, _DATA, _IMAGES, _TRAINING, _OUTPUT = 'Model', 'Data', 'Images', 'Training', 'Output'
MOST_STEPS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training run is made from; the flags of `estimator_lab.train`, as plain values.

    `model_dir` is the only one without a use for its default: the command puts it into runs/MODEL.
    """

    model: str = option('cnn', _MODEL, f'which model: {", ".join(MODELS)}')
    hparams: str = option('', _MODEL, "the model's hyper-parameters, name=value,...; 'help' lists them")

    data: Sequence[str] = option(
        (),
        _DATA,
        "archives or folders to train on, or texts of trees: paths, globs, '-'; none: built-in faces",
    )
    eval_data: Sequence[str] = option(
        (), _DATA, 'archives or folders to evaluate on; none: the training data'
    )
    split: str = option('', _DATA, 'TRAIN,EVAL: shares of the images in --data to train and to evaluate on')
    pretrain_data: Sequence[str] = option(
        (), _DATA, 'archives or folders to pre-train on, labels not needed; none: --data'
    )
    unlabelled_data: Sequence[str] = option(
        (), _DATA, 'archives or folders to learn from without labels, beside --data, for semi_supervised=true'
    )
    labels: Path | None = option(
        None, _DATA, "table of a name and a label a line; default: images' folders, or .cls files beside them"
    )
    vocabulary: Path | None = option(
        None, _DATA, 'file of one label a line; default: the labels in --data, sorted'
    )
    tokens: Path | None = option(None, _DATA, 'of trees: file of one token a line; default: those in --data')
    max_tokens: int = option(
        50_000,
        _DATA,
        'of trees: how many of the tokens in --data, the most frequent',
        lower=1,
        upper=1_000_000,
    )
    shuffle_buffer: int = option(
        10_000, _DATA, 'encoded images held to shuffle a stream; 1: stored order', lower=1
    )
    max_bad_fraction: float = option(0.01, _DATA, 'share of images that may fail to decode', lower=0, upper=1)
    use_damaged: bool = option(False, _DATA, 'use archives that break off up to there, with a warning')

    image_size: int = option(128, _IMAGES, 'side in pixels to which images are scaled', lower=1, upper=8000)
    channels: int = option(1, _IMAGES, '1 for grey, 3 for colour', choices=(1, 3))
    decode: str = option(
        'exact', _IMAGES, 'fast: JPEGs in a third of the time, nearly the same', choices=('exact', 'fast')
    )
    decoded_cache: int = option(
        256, _IMAGES, 'megabytes of decoded images to keep, if all fit; 0: decode in each epoch', lower=0
    )
    augment: str = option('', _IMAGES, 'random changes in training: shift=PIXELS,mirror,brightness=SHARE')

    model_dir: Path = option(None, _TRAINING, 'checkpoints and TensorBoard files; default runs/MODEL')
    batch_size: int = option(32, _TRAINING, 'examples in a step of one worker', lower=1, upper=10_000_000)
    max_steps: int | None = option(None, _TRAINING, 'train up to this global step', lower=1, upper=MOST_STEPS)
    epochs: float | None = option(
        None, _TRAINING, 'or for this many passes over the data (default 10)', lower=0
    )
    eval_steps: int | None = option(
        None, _TRAINING, 'batches in an evaluation; default all, but 20,000 training images', lower=1
    )
    early_stopping: int | None = option(
        None, _TRAINING, 'end after this many evaluations without a better one', lower=1
    )
    rebuild_evaluation_graph: bool = option(
        False, _TRAINING, 'build a graph for each evaluation; else one is kept, with a copy of the weights'
    )
    warm_start: Path | None = option(
        None, _TRAINING, 'begin with the weights of this model_dir or file; labels may differ'
    )
    resume_changed: bool = option(
        False, _TRAINING, 'go on though what decides the order of images or the weights has changed'
    )
    precision: str = option(
        'float32',
        _TRAINING,
        'bfloat16 is faster on processors that have it',
        choices=('float32', 'bfloat16'),
    )
    distribution: str = option(
        'none',
        _TRAINING,
        'on all GPUs here, or as TF_CONFIG says',
        choices=('none', 'mirrored', 'multi_worker', 'parameter_server'),
    )
    seed: int = option(
        1, _TRAINING, 'order of examples, initial weights, dropout', lower=-(2**31), upper=2**31 - 1
    )
    deterministic: bool = option(False, _TRAINING, 'the same weights bit for bit in each run')

    save_checkpoints_steps: int | None = option(None, _OUTPUT, 'steps between evaluated checkpoints', lower=1)
    keep_checkpoints: int = option(2, _OUTPUT, 'how many of the newest checkpoints stay', lower=1)
    save_summary_steps: int = option(50, _OUTPUT, 'steps between TensorBoard summaries', lower=1)
    export: Sequence[str] = option((), _OUTPUT, 'best,latest,final: SavedModels to write on the way')
    profile: bool = option(False, _OUTPUT, "write a timeline of early steps, for Chrome's viewer")
