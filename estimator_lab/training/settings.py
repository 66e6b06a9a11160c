"""What a training run is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What a training run is made from; the flags of `estimator_lab.train`, as plain values.

    Attributes:
      model: a name in `models.registry`.
      data: tar archives to train on: paths, globs, URLs, '-' for standard input.
      eval_data: tar archives to evaluate on; empty evaluates on the training data, and says so.
      pretrain_data: tar archives to pre-train on, for models that do; their images need no labels. Empty
        pre-trains on `data`.
      model_dir: where checkpoints and summaries go; training goes on from what is there.
      batch_size: examples in a step of one worker or replica.
      max_steps: the global step at which training ends, pre-training included; None leaves it to `epochs`.
      epochs: passes over the training data, behind pre-training; None for 10; not together with `max_steps`.
      eval_steps: batches in an evaluation; None for all.
      image_size: side in pixels to which images are scaled.
      channels: 1 for grey, 3 for colour.
      decode: 'exact' for the document's pixels, 'fast' for nearly the same in less than half the time.
      decoded_cache: megabytes of decoded images kept in memory, where all of them fit in; 0 for none.
      split: 'TRAIN,EVAL', shares in [0, 1] of the images in `data` to train and to evaluate on, told apart
        by a hash of their names; 'TRAIN' alone leaves the rest to evaluation; '' trains on all of them.
      vocabulary: text file of one label a line, in the order of their ids; None takes the labels that
        occur in `data`, in sorted order.
      augment: random changes to training images, 'shift=2,mirror,brightness=0.1'; '' for none.
      hparams: the model's hyper-parameters as 'name=value,...'.
      precision: what the network computes in, 'float32' or 'bfloat16'; variables are float32 in both.
      seed: of the order of examples, the initial weights and dropout.
      save_checkpoints_steps: steps between checkpoints, each followed by an evaluation; None for a fifth
        of the run, 2,000 at most.
      save_summary_steps: steps between two summaries.
      shuffle_buffer: encoded images held for shuffling what has no random access; 1 keeps the stored order
        of any archive.
      max_bad_fraction: share of images that may fail to decode.
      use_damaged: whether an archive that breaks off is used up to there.
      distribution: 'mirrored' for all GPUs of this process, 'multi_worker' or 'parameter_server' for the
        processes that the environment variable TF_CONFIG names; 'none' for one process, or
        'parameter_server' where TF_CONFIG has ps tasks.
      warm_start: folder of a model whose weights a new run begins with; its labels may be others.
      early_stopping: how many evaluations may pass without a better headline metric; None for any number.
      export: names in `exporters.NAMES`: what to export on the way.
      profile: whether to write a timeline of a few early steps.
      deterministic: whether operations whose result varies from run to run are refused.
    """

    model: str
    data: Sequence[str]
    model_dir: Path
    eval_data: Sequence[str] = ()
    pretrain_data: Sequence[str] = ()
    batch_size: int = 32
    max_steps: int | None = None
    epochs: float | None = None
    eval_steps: int | None = None
    image_size: int = 128
    channels: int = 1
    decode: str = 'exact'
    decoded_cache: int = 256
    split: str = ''
    vocabulary: Path | None = None
    augment: str = ''
    hparams: str = ''
    precision: str = 'float32'
    seed: int = 1
    save_checkpoints_steps: int | None = None
    save_summary_steps: int = 50
    shuffle_buffer: int = 10_000
    max_bad_fraction: float = 0.01
    use_damaged: bool = False
    distribution: str = 'none'
    warm_start: Path | None = None
    early_stopping: int | None = None
    export: Sequence[str] = ()
    profile: bool = False
    deterministic: bool = False
