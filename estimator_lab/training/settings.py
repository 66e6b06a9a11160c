"""The settings of a training run: flags of `estimator_lab.train`, with help and allowed values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from estimator_lab.base.settings import setting
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.images.decode import BACKGROUNDS, ImageShape
from estimator_lab.data.images.options import ImageOptions

_model, _data, _image, _training, _output = (
    partial(setting, group=group) for group in ('Model', 'Data', 'Images', 'Training', 'Output')
)
MOST_STEPS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The settings of a training run, which are also the flags of `estimator_lab.train`.

    `model_dir` must be given; for the command its default is runs/MODEL.
    """

    model: str = _model('cnn', 'which model', recorded=True)
    hparams: str = _model('', "the model's hyper-parameters, name=value,...; 'help' lists them")

    data: Sequence[str] = _data(
        None, "archives, folders or files of trees to train on: paths, globs, '-'; none: built-in faces"
    )
    eval_data: Sequence[str] | None = _data(
        None, 'archives or folders to evaluate on; none: the training data'
    )
    split: str = _data(
        '',
        'TRAIN,EVAL: shares of the images in --data to train and to evaluate on',
        recorded=True,
        of_order=True,
        of_one_run=True,
    )
    only: Path | None = _data(
        None,
        'file of the labels or keys of images in --data to use, one a line; default: all',
        of_one_run=True,
    )
    weights: str = _data(
        '',
        'shares of archives or labels in each batch, such as a.tar=0.7,b.tar=0.3',
        recorded=True,
        of_order=True,
        of_one_run=True,
    )
    pretrain_data: Sequence[str] | None = _data(
        None, 'archives or folders to pre-train on, labels not needed; none: --data'
    )
    labels: Path | None = _data(
        None,
        'table of a name and a label per line; default: folders of images, or .cls files next to them',
        of_one_run=True,
    )
    vocabulary: Path | None = _data(
        None, 'file of one label per line; default: the labels in --data, sorted', of_one_run=True
    )
    tokens: Path | None = _data(None, 'for trees: file of one token per line; default: the tokens in --data')
    shuffle_buffer: int = _data(10_000, 'encoded images held to shuffle a stream; 1: stored order', lower=1)
    shuffle_blocks: str = _data(
        '',
        'shuffle and read blocks of this size, such as 8M, the default for URLs; 0: single images',
        is_size=True,
    )
    cache: str = _data(
        '', 'disk for data from URLs, such as 20G; default 4G; 0: none', of_one_run=True, is_size=True
    )
    max_bad_fraction: float = _data(
        0.01, 'share of images that may fail to decode; fewer than ten always may', lower=0, upper=1
    )
    use_damaged: bool = _data(False, 'use a damaged archive up to the damage, with a warning')

    image_size: int = _image(
        128, 'side in pixels to which images are scaled', lower=1, upper=8000, recorded=True
    )
    channels: int = _image(1, '1 for grey, 3 for colour', choices=(1, 3), recorded=True)
    decode: str = _image(
        'exact', 'fast: JPEGs in less time, nearly the same', choices=('exact', 'fast'), recorded=True
    )
    background: str = _image(BACKGROUNDS[0], 'of transparent images', choices=BACKGROUNDS, recorded=True)
    augment: str = _image(
        '', 'random changes in training, such as mirror,crop=0.5; docs/archives.md lists all', recorded=True
    )

    model_dir: Path = _training(
        None, 'checkpoints and TensorBoard files; default runs/MODEL', of_one_run=True
    )
    batch_size: int = _training(32, 'examples in a step of one worker', lower=1, upper=10_000_000)
    max_steps: int | None = _training(
        None, 'train up to this global step', lower=1, upper=MOST_STEPS, of_one_run=True
    )
    epochs: float | None = _training(
        None,
        'or for this many passes over the data (default 10; some models more of small data)',
        lower=0,
        of_one_run=True,
    )
    eval_steps: int | None = _training(
        None, 'batches in an evaluation; default all, but 20,000 training images', lower=1, of_one_run=True
    )
    early_stopping: int | None = _training(
        None, 'end after this many evaluations without a better one', lower=1
    )
    warm_start: Path | None = _training(
        None, 'start from the weights of this model_dir; labels may differ', of_one_run=True
    )
    freeze: str = _training(
        '', "keep the weights of the layers up to this one; 'backbone': of all but the last", recorded=True
    )
    resume_changed: bool = _training(
        False,
        'go on although settings that decide the order of images or the weights have changed',
        of_one_run=True,
    )
    precision: str = _training(
        'float32',
        'bfloat16 is faster on processors that support it',
        choices=('float32', 'bfloat16'),
        recorded=True,
    )
    distribution: str = _training(
        'none',
        'on all GPUs here, or as TF_CONFIG says',
        choices=('none', 'mirrored', 'multi_worker', 'parameter_server'),
    )
    seed: int = _training(
        1,
        'order of examples, initial weights, dropout',
        lower=-(2**31),
        upper=2**31 - 1,
        recorded=True,
        of_order=True,
    )
    deterministic: bool = _training(False, 'the same weights bit for bit in each run', recorded=True)

    save_checkpoints_steps: int | None = _output(
        None, 'steps between evaluated checkpoints', lower=1, of_one_run=True
    )
    keep_checkpoints: int = _output(2, 'how many of the newest checkpoints to keep', lower=1)
    save_summary_steps: int = _output(50, 'steps between TensorBoard summaries', lower=1)
    export: Sequence[str] = _output((), 'best,latest,final: SavedModels to write during training')

    @cached_property
    def images(self) -> ImageOptions:
        """How images become pixels.

        Raises:
          FlagError: --augment is not understood.
        """
        shape = ImageShape(self.image_size, self.image_size, self.channels)
        augmentation = parse_augmentation(self.augment, self.seed, self.image_size)
        return ImageOptions(shape, self.decode, self.background, augmentation)
