"""A model under test: its graphs and its training runs, each made when a check first needs it."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.keys import IMAGE, KEY, WEIGHT
from estimator_lab.core.model import AnyModel
from estimator_lab.core.params import resolve
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import EstimatorSpec, tf
from estimator_lab.training.plan import Plan, make_plan
from estimator_lab.training.precision import session_config
from estimator_lab.training.settings import TrainSettings
from estimator_lab.training.train import Result, train
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.small_runs import stopped_at

STEPS = 5
"""Steps of a training run in its last phase."""

SAVED_AT = 3
"""Step of the last phase from which it is resumed."""

LABELS = 4
"""Labels of the images."""

BAD_IMAGES = 1
"""Files of the archive that are not images."""

_PER_LABEL = 6
_BATCH = 6
_MODES = tf.estimator.ModeKeys


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
            self._labels: np.arange(count) % LABELS,
        }
        return self._session.run(fetches, fed)

    def values(self) -> dict[str, np.ndarray]:
        """Returns the values of all variables by name, without the global step."""
        found: dict[str, np.ndarray] = self._session.run(self.variables)
        return found

    def load(self, values: Mapping[str, np.ndarray]) -> None:
        """Sets variables by name."""
        with self.graph.as_default():
            for name, value in values.items():
                self.variables[name].load(value, self._session)

    def initial_values(self) -> dict[str, np.ndarray]:
        """Returns the values that variables have in a new session."""
        with tf.Session(graph=self.graph) as session:
            session.run(self._initializers)
            found: dict[str, np.ndarray] = session.run(self.variables)
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
      folder: an empty folder for the archive and the runs.

    Attributes:
      data: an archive of pictures, and of a file that is not an image.
    """

    def __init__(
        self, model: AnyModel, params: Mapping[str, Any], image_shape: tuple[int, int, int], folder: Path
    ) -> None:
        self.model, self.image_shape, self.folder = model, image_shape, folder
        self.hparams = params
        self.params = {**params, 'image_shape': image_shape}
        self.data = folder / 'train.tar'
        height, width, channels = image_shape
        self._pictures = [
            picture(seed, height, width, 'L' if channels == 1 else 'RGB')
            for seed in range(LABELS * _PER_LABEL)
        ]
        files = [(f'train/{n % LABELS}/{n}.png', encoded(each)) for n, each in enumerate(self._pictures)]
        write_tar(self.data, [*files, ('train/0/bad.png', b'not an image')])

    def images(self, count: int = LABELS * _PER_LABEL) -> np.ndarray:
        """Returns the first images of the archive, float32 [count, height, width, channels] in [0, 1]."""
        pixels = np.stack([np.asarray(each) for each in self._pictures[:count]])
        return (pixels / 255).astype(np.float32).reshape(count, *self.image_shape)

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

    @cached_property
    def in_bfloat16(self) -> Network:
        """The graph of TRAIN once more, in a session with --precision=bfloat16."""
        return self._network(_MODES.TRAIN, session_config('bfloat16'))

    def _network(self, mode: str, config: Any = None) -> Network:
        self._once(f'the graph of {mode}{" in bfloat16" * (config is not None)}')
        return Network(self, mode, config)

    @cached_property
    def run(self) -> Run:
        """A training run from random weights."""
        self._once('a training run')
        return self._trained(self.folder / 'run')

    @cached_property
    def trained(self) -> Trained:
        """The model that `run` has trained."""
        return Trained.open(self.run.model_dir)

    @cached_property
    def resumed(self) -> Run:
        """The same run, after its end was lost: it goes on from step SAVED_AT of the last phase."""
        self._once('a resumed run')
        kept = self.run.result.step - STEPS + SAVED_AT
        return self._trained(stopped_at(kept, self.run.model_dir, self.folder / 'resumed'))

    def _once(self, what: str) -> None:
        """Fails at the second try, so that a model that cannot be built is built once."""
        tried: set[str] = self.__dict__.setdefault('_tried', set())
        assert what not in tried, f'{what} cannot be made; the first check that needs it shows the error.'
        tried.add(what)

    def _trained(self, folder: Path) -> Run:
        return self.train(folder, STEPS, save_checkpoints_steps=SAVED_AT)

    def train(self, folder: Path, steps: int, **changes: Any) -> Run:
        """Trains in a folder up to that step of the last phase, with other settings than the usual ones."""
        usual: dict[str, Any] = {
            'model': self.model.name,
            'hparams': ','.join(f'{name}={value}' for name, value in self.hparams.items()),
            'data': [str(self.data)],
            'model_dir': folder,
            'batch_size': _BATCH,
            'image_size': self.image_shape[0],
            'channels': self.image_shape[2],
            'max_bad_fraction': 0.2,
            'max_steps': steps,
            'eval_steps': 2,
            'deterministic': True,
        }
        return Run(folder, train(self._plan(TrainSettings(**{**usual, **changes}), steps)))

    def _plan(self, settings: TrainSettings, steps: int) -> Plan:
        if len(self.model.phases(resolve(self.model.params, self.params))) > 1:
            probe = make_plan(dataclasses.replace(settings, max_steps=None, epochs=1.0), _quiet)
            before = probe.stages[-1].first_step
            settings = dataclasses.replace(settings, max_steps=before + steps)
        return make_plan(settings, _quiet)


def _quiet(line: str) -> None:
    """Shows nothing."""
