"""What a model takes from other trained models: the targets of a style, and a judge of its samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.core.model import AnyModel
from estimator_lab.models.gan.judge import FILE as JUDGE
from estimator_lab.models.gan.judge import Judge
from estimator_lab.models.style.perceptual import FILE as STYLE
from estimator_lab.models.style.targets import open_style_targets
from estimator_lab.runs.opening import open_trained
from estimator_lab.runs.record import Record
from estimator_lab.runs.trained import Trained
from estimator_lab.training.companions.networks import layers_of, with_weights, without_weights

_JUDGE_FLAG = hparam.judge
_FROM_ELSEWHERE = ('perceptual', 'style_image', 'judge')  # hyper-parameters


@dataclass(frozen=True)
class Companions:
    """What a model takes from other trained models; most models take nothing.

    Attributes:
      params: parameters that it decides, by name.
      files: functions that write what the model function reads, by names of files in model_dir.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes the files into a new model_dir.

        Raises:
          OSError: it can't be written.
        """
        for name, save in self.files.items():
            save(folder / name)


def open_companions(model: AnyModel, params: Any, model_dir: Path, previous: Record | None) -> Companions:
    """Returns the companions that the parameters name; of a training that is resumed, those in its folder.

    Raises:
      FlagError: the perceptual network lacks a layer; the training began with another style or judge.
      DataError: a picture or a folder can't be used.
    """
    resumed = previous if previous and previous.model == model.name else None
    if resumed:  # whose pictures and networks may be gone: their files are in its folder
        for name in _FROM_ELSEWHERE:
            if hasattr(params, name) and getattr(params, name) != resumed.hparams.get(name, ''):
                raise FlagError(
                    f'{option.model_dir}={model_dir} was started with another {hparam(name)} than '
                    f'{getattr(params, name) or "none"}: name another folder, or none for a new one.'
                )
    if model.transform_net:
        targets = open_style_targets(params, model_dir, resumed)
        return Companions({'styles': targets.styles}, {STYLE: targets.perceptual_loss.save})
    if getattr(params, 'judge', '') and not (resumed and (model_dir / JUDGE).exists()):
        return Companions(files={JUDGE: open_judge(params).save})
    return Companions()


def open_judge(params: Any) -> Judge:
    """Opens the classifier that the parameters of a generator name.

    Raises:
      DataError: the folder holds no classifier that can be opened, or one for other images or labels.
    """
    trained = open_trained(Path(params.judge), _JUDGE_FLAG)
    _check_fit(trained, params)
    shape = tuple(trained.shape)
    network = without_weights(trained, {'image_shape': shape, 'vocabulary': trained.labels})
    layers = layers_of(network, shape) if trained.architecture.network else {}
    hidden = [name for name, values in layers.items() if name != LOGITS and values.shape.rank == 2]
    if LOGITS not in layers or not hidden:
        raise DataError(
            f'{_JUDGE_FLAG}={params.judge} holds no classifier, but {option.model}={trained.model}: name the '
            f'folder of {option.model}=cnn, mlp or dbn.'
        )
    return Judge(with_weights(network, trained, [hidden[-1], LOGITS], shape, _JUDGE_FLAG), hidden[-1])


def _check_fit(trained: Trained, params: Any) -> None:
    """Raises DataError if the classifier takes other images or labels than the generator."""
    if tuple(trained.shape) != tuple(params.image_shape):
        was, now = ('x'.join(map(str, shape)) for shape in (trained.shape, params.image_shape))
        raise DataError(
            f'{_JUDGE_FLAG}={params.judge} classifies images of {was} pixels and channels, not {now}: '
            f'train a classifier with the same {option.image_size} and {option.channels}.'
        )
    if params.vocabulary and trained.labels != tuple(params.vocabulary):
        raise DataError(
            f'{_JUDGE_FLAG}={params.judge} knows other labels than the data ({len(trained.labels)} there, '
            f'{len(params.vocabulary)} here): train a classifier on the same labels.'
        )
