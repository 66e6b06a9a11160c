"""A model under test: its graphs and its training runs, each built when a check needs it."""

import contextlib
import dataclasses
import io
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.conventions import IMAGE, KEY, WEIGHT
from estimator_lab.core.heads.model import AnyModel
from estimator_lab.core.model.hparams import resolve
from estimator_lab.tf1 import EstimatorSpec, tf
from estimator_lab.training.experiment import Experiment, Result
from estimator_lab.training.settings import Settings

STEPS = 5
"""Steps of a training run in its last phase."""

SAVED_AT = 3
"""Step of the last phase from which it is resumed."""

LABELS = ('a', 'b', 'c', 'd')
"""Of the random images."""

_PER_LABEL = 6
_BATCH = 6
_NOT_AN_IMAGE = 'train/a/bad.png'
_MODES = tf.estimator.ModeKeys


class Violation(Exception):  # noqa: N818 - it is a finding about the model
    """A check fails; the message is one sentence."""


class Unavailable(Exception):  # noqa: N818 - another check reports the reason
    """A check can't be made, because something fails that another check reports."""


def require(condition: Any, sentence: str) -> None:
    """Raises Violation with a sentence if a condition is false."""
    if not condition:
        raise Violation(sentence)


class Network:
    """The graph of one mode, with a session.

    Args:
      subject: the model.
      mode: TRAIN, EVAL or PREDICT.
      config: a tf.ConfigProto for the session.

    Attributes:
      graph: the graph.
      spec: the EstimatorSpec that the model function returned.
    """

    def __init__(self, subject: 'Subject', mode: str, config: Any = None) -> None:
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.set_random_seed(1)
            self._step = tf.train.create_global_step()
            self._images = tf.placeholder(tf.float32, [None, *subject.image_shape])
            self._keys = tf.placeholder(tf.string, [None])
            self._weights = tf.placeholder(tf.float32, [None])
            self._labels = tf.placeholder(tf.int64, [None])
            features = {IMAGE: self._images, KEY: self._keys}
            if mode != _MODES.PREDICT:
                features[WEIGHT] = self._weights
            labels = None if mode == _MODES.PREDICT else self._labels
            self.spec: EstimatorSpec = subject.model.model_fn(features, labels, mode, subject.params)
            self.variables = {v.op.name: v for v in tf.global_variables() if v is not self._step}
            self.trainable = [v.op.name for v in tf.trainable_variables()]
            self._initializers = [
                tf.global_variables_initializer(),
                tf.local_variables_initializer(),
                tf.tables_initializer(),
            ]
            self._session = tf.Session(config=config)
        self.reset()

    def reset(self) -> None:
        """Initializes all variables."""
        self._session.run(self._initializers)

    def run(self, fetches: Any, images: np.ndarray, weights: Sequence[float] | None = None) -> Any:
        """Returns what a `tf.Session` returns for these images, float32 [n, height, width, channels]."""
        count = len(images)
        fed = {
            self._images: images,
            self._keys: [f'{number}' for number in range(count)],
            self._weights: [1.0] * count if weights is None else weights,
            self._labels: np.arange(count) % len(LABELS),
        }
        return self._session.run(fetches, fed)

    def values(self) -> dict[str, np.ndarray]:
        """Returns the values of all variables by name, without the global step."""
        found: dict[str, np.ndarray] = self._session.run(self.variables)
        return found

    def global_step(self) -> int:
        """Returns the global step."""
        return int(self._session.run(self._step))

    def metrics(self, images: np.ndarray) -> dict[str, Any]:
        """Returns the metrics of one batch in EVAL, by name."""
        self._session.run(self._initializers[1])
        measured = self.spec.eval_metric_ops
        self.run([update for _, update in measured.values()], images)
        found: dict[str, Any] = self._session.run({name: value for name, (value, _) in measured.items()})
        return found


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
      model_dir: its folder.
      result: what training returned.
    """

    model_dir: Path
    result: Result


class Subject:
    """A model under test.

    Args:
      model: the model.
      params: its hyper-parameters, by name.
      image_shape: (height, width, channels) of the images.
      folder: an empty folder for archives and runs.
      data: an archive or a folder to train on; None for one of random images, with one that is damaged.
    """

    def __init__(
        self,
        model: AnyModel,
        params: Mapping[str, Any],
        image_shape: tuple[int, int, int],
        folder: Path,
        data: Path | None,
    ) -> None:
        self.model, self.image_shape, self.folder = model, image_shape, folder
        self.hparams = params
        self.params = {**params, 'image_shape': image_shape}
        self.data, self.bad_images = (data, 0) if data else (folder / 'train.tar', 1)
        if not data:
            _write_archive(self.data, image_shape)

    @cached_property
    def training(self) -> Network:
        """The graph of TRAIN."""
        return self._network(_MODES.TRAIN)

    @cached_property
    def evaluation(self) -> Network:
        """The graph of EVAL."""
        return self._network(_MODES.EVAL)

    @cached_property
    def prediction(self) -> Network:
        """The graph of PREDICT."""
        return self._network(_MODES.PREDICT)

    def _network(self, mode: str) -> Network:
        self._once(f'the graph of {mode}')
        return Network(self, mode)

    @cached_property
    def run(self) -> Run:
        """A training run from random weights."""
        self._once('a training run')
        return self._trained(self.folder / 'run')

    @cached_property
    def resumed(self) -> Run:
        """The same run, after its end was lost: it goes on from step SAVED_AT of the last phase."""
        self._once('a resumed run')
        source, folder = self.run.model_dir, self.folder / 'resumed'
        shutil.copytree(source, folder)
        last = self.run.result.step
        kept = f'model.ckpt-{last - STEPS + SAVED_AT}'
        for path in folder.glob(f'model.ckpt-{last}.*'):
            path.unlink()
        folder.joinpath('checkpoint').write_text(
            f'model_checkpoint_path: "{kept}"\nall_model_checkpoint_paths: "{kept}"\n', encoding='utf-8'
        )
        return self._trained(folder)

    def _once(self, what: str) -> None:
        """Raises Unavailable at the second try: the check that made the first one reports why it failed."""
        tried: set[str] = self.__dict__.setdefault('_tried', set())
        if what in tried:
            raise Unavailable(what)
        tried.add(what)

    def _trained(self, folder: Path) -> Run:
        settings = Settings(
            model=self.model.name,
            hparams=','.join(f'{name}={value}' for name, value in self.hparams.items()),
            data=[str(self.data)],
            model_dir=folder,
            batch_size=_BATCH,
            image_size=self.image_shape[0],
            channels=self.image_shape[2],
            max_bad_fraction=0.2,
            max_steps=STEPS,
            save_checkpoints_steps=SAVED_AT,
            eval_steps=2,
        )
        # Progress would be printed.
        with contextlib.redirect_stdout(io.StringIO()):
            return Run(folder, self._experiment(settings).train())

    def _experiment(self, settings: Settings) -> Experiment:
        if len(self.model.phases(resolve(self.model.params, self.params))) > 1:
            probe = Experiment(dataclasses.replace(settings, max_steps=None, epochs=1.0), _quiet)
            before = probe.trainers[-1].plan.first_step
            settings = dataclasses.replace(settings, max_steps=before + STEPS)
        return Experiment(settings, _quiet)


def _write_archive(path: Path, image_shape: tuple[int, int, int]) -> None:
    """Writes random images of each label, and a file that is not an image."""
    rng = np.random.default_rng(1)
    height, width, channels = image_shape
    with tarfile.open(path, 'w') as archive:
        for label in LABELS:
            for number in range(_PER_LABEL):
                data = io.BytesIO()
                pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
                Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(data, 'PNG')
                _add(archive, f'train/{label}/{number}.png', data.getvalue())
        _add(archive, _NOT_AN_IMAGE, b'not an image')


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    archive.addfile(header, io.BytesIO(data))


def _quiet(line: str) -> None:
    """Shows nothing."""
