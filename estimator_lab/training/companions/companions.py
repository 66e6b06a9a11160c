"""What a model takes from other trained models: the targets of a style, and a judge of its samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.core.model import AnyModel
from estimator_lab.models.gan.judge import FILE as JUDGE
from estimator_lab.models.gan.judge import open_judge
from estimator_lab.models.style.perceptual import FILE as STYLE
from estimator_lab.models.style.targets import open_style_targets
from estimator_lab.runs.record import Record

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
