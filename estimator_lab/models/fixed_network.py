"""A trained network with fixed weights in the graph of another model, and in a file in that model's folder.

A transform net has one, the perceptual network, and a GAN one that judges its samples. The file replaces the
folder in which the network was trained.
"""

import contextlib
import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.files import open_regular, whole_file
from estimator_lab.base.json_input import parse_json
from estimator_lab.base.settings import settings_of
from estimator_lab.core.abilities import HasNetwork
from estimator_lab.core.endpoints import Endpoints, Layers
from estimator_lab.core.params import resolve
from estimator_lab.core.registry import find_model
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import DType, Tensor, tf

_SCOPE = 'fixed'
_ABOUT = 'about'
_SIDE = 224  # pixels of the images of a network that accepts any
_LONGEST_REASON = 200
_MOST_BYTES = 2**30  # VGG-19 with 8,631 classes has 0.7 GB
_UNUSABLE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    FlagError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
)


@dataclass(frozen=True)
class FixedNetwork:
    """A network with fixed weights.

    Attributes:
      model: name of its model, which has a `network`.
      hparams: parameters of the model, by name.
      channels: of the images that it accepts; grey ones are repeated for 3.
      weights: values of its variables by name, as far as its layers are needed.
    """

    model: str
    hparams: Mapping[str, Any]
    channels: int
    weights: Mapping[str, np.ndarray]

    def layers(self, images: Tensor) -> Layers:
        """Yields its layers by name, with new variables or the ones in the current scope.

        Images are float32 [batch, height, width, channels] in [0, 1].
        """
        if images.shape.as_list()[3] < self.channels:
            images = tf.tile(images, [1, 1, 1, self.channels])
        model = find_model(self.model)
        if not isinstance(model, HasNetwork):
            raise FlagError(f'{option.model}={self.model} has no network that can be built layer by layer.')
        return model.network(images, self._params)

    def perceive(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Returns the values of layers by name, float32 [batch, ...], for images as of `layers`.

        The weights are local variables, which all calls in a graph share: they are not trained, and
        checkpoints do not contain them.

        Raises:
          LookupError: there is no such layer, or its weights are missing.
          ValueError: weights have another shape than the network's.
        """
        perceived: dict[str, Tensor] = {}
        with tf.variable_scope(_SCOPE, reuse=tf.AUTO_REUSE, custom_getter=self._fixed):
            for name, values in self.layers(images):
                if name in layers:
                    perceived[name] = values
                if len(perceived) == len(layers):
                    return {name: perceived[name] for name in layers}
        missing = next(name for name in layers if name not in perceived)
        raise LookupError(f'its network has no layer {missing!r}')

    @cached_property
    def _params(self) -> Any:
        params = {'image_shape': (_SIDE, _SIDE, self.channels), **self.hparams}
        return resolve(find_model(self.model).params, params)

    def _fixed(self, getter: Any, name: str, *args: Any, **options: Any) -> Any:
        """Creates a local variable with the value in `weights`, for `tf.get_variable`."""
        value = self.weights.get(name.removeprefix(f'{_SCOPE}/'))
        if value is None:
            raise LookupError(f'it has no weights {name.removeprefix(f"{_SCOPE}/")}')

        def initial(shape: Sequence[int], dtype: DType = None, partition_info: Any = None) -> Tensor:
            if tuple(shape) != value.shape:
                raise ValueError(f'its {name} is {value.shape}, not {tuple(shape)}')
            return _without_constant(value)

        options.update(trainable=False, initializer=initial, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        return getter(name, *args, **options)


def without_weights(trained: Trained, more: Mapping[str, Any] | None = None) -> FixedNetwork:
    """Returns the network of a model that has a `network`, with its hyper-parameters and more parameters."""
    known, params = settings_of(trained.architecture.params), asdict(trained.params)
    hparams = {name: value for name, value in params.items() if name in (*known, 'image_shape', 'pixels')}
    return FixedNetwork(trained.model, {**hparams, **(more or {})}, trained.shape.channels, {})


def layers_of(network: FixedNetwork, image_shape: Sequence[int]) -> Endpoints:
    """Returns the layers of a network for images [height, width, channels], for their names and shapes."""
    with tf.Graph().as_default():
        return dict(network.layers(tf.placeholder(tf.float32, [None, *image_shape])))


def with_weights(
    network: FixedNetwork,
    trained: Trained,
    layers: Sequence[str],
    image_shape: Sequence[int | None],
    flag: str,
) -> FixedNetwork:
    """Returns the network with the weights of a model, up to the last of the layers.

    Raises:
      DataError: a variable is missing or not float32, as in a layer of another size.
    """
    missing = set(layers)
    with tf.Graph().as_default():
        for name, _ in network.layers(tf.placeholder(tf.float32, [None, *image_shape])):
            missing.discard(name)
            if not missing:
                break
        shapes = {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}
    with trained.tensors() as reader:
        if any(reader.get_variable_to_shape_map().get(name) != shape for name, shape in shapes.items()):
            raise DataError(f'{flag}={trained.model_dir} does not hold the weights of its network.')
        return replace(network, weights={name: reader.get_tensor(name) for name in shapes})


def fixed(value: np.ndarray) -> Tensor:
    """Returns the value of a local variable, float32."""
    return tf.Variable(
        lambda: _without_constant(value),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES],
        use_resource=True,
    ).read_value()


def _without_constant(value: np.ndarray) -> Tensor:
    """Returns a value that no saved graph contains, as it would contain a constant."""
    return tf.ensure_shape(tf.py_func(lambda: value, [], tf.float32), value.shape)


def write_network(
    path: Path,
    network: FixedNetwork,
    more: Mapping[str, Any] | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Writes a network to an npz file, atomically, with more facts and arrays.

    Raises:
      DataError: it has more weights than `open_network` reads.
      OSError: it can't be written.
    """
    size = sum(value.nbytes for value in network.weights.values())
    if size > _MOST_BYTES * 9 // 10:  # the rest is for what is stored with them
        raise DataError(
            f'{option.model}={network.model} has {size:,} bytes of weights, too many to be kept in {path}.'
        )
    about = {
        'model': network.model,
        'hparams': dict(network.hparams),
        'channels': network.channels,
        'weights': {name: value.shape for name, value in network.weights.items()},
        **(more or {}),
    }
    weights = {f'weights_{number}': value for number, value in enumerate(network.weights.values())}
    encoded = np.frombuffer(json.dumps(about).encode(), np.uint8)
    everything = {_ABOUT: encoded, **weights, **(arrays or {})}
    with whole_file(path) as file:
        np.savez(file, **everything)  # type: ignore[arg-type] # any name is one


@contextlib.contextmanager
def open_network(path: Path, what: str) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """Opens a file of `write_network`, which may be untrusted; `what` it holds is named in errors.

    Yields:
      (the archive, the facts in it), for `network_in` and `read_array`.

    Raises:
      DataError: it can't be read, or the block finds something else in it.
    """
    try:
        with open_regular(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > _MOST_BYTES:
                raise ValueError(f'it has {size:,} bytes, {_MOST_BYTES:,} are allowed')
            with zipfile.ZipFile(file) as archive:
                about = parse_json(read_array(archive, _ABOUT, '|u1', (None,)).tobytes())
                if 'model' not in about:
                    raise ValueError('it names no model')
                yield archive, about
    except _UNUSABLE as error:
        reason = str(error).rstrip('.')[:_LONGEST_REASON]
        raise DataError(f'{path} has no usable {what}: {reason}.') from error


def network_in(archive: zipfile.ZipFile, about: Mapping[str, Any], kind: type = FixedNetwork) -> Any:
    """Returns the network in an archive, an object of a class.

    Raises:
      LookupError, TypeError, ValueError: the archive holds something else.
    """
    if about['channels'] not in (1, 3):
        raise ValueError(f'its channels are {about["channels"]!r}')
    weights = {
        name: read_array(archive, f'weights_{number}', '<f4', tuple(map(int, shape)))
        for number, (name, shape) in enumerate(dict(about['weights']).items())
    }
    hparams = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in dict(about['hparams']).items()
    }
    return kind(str(about['model']), hparams, about['channels'], weights)


def read_array(
    archive: zipfile.ZipFile, name: str, kind: str, expected: tuple[int | None, ...]
) -> np.ndarray:
    """Returns an array of such a file, after checking its type, shape (None for any length) and size.

    Raises:
      LookupError: there is no array of that name.
      ValueError: the array has another type or shape, is compressed, claims more bytes than the file has, or
        is not finite.
    """
    info = archive.getinfo(f'{name}.npy')
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f'its {name} is compressed')
    with archive.open(info) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f'its {name} has an unknown format')
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
        fits = len(shape) == len(expected) and all(
            wanted in (length, None) for length, wanted in zip(shape, expected, strict=True)
        )
        if dtype != np.dtype(kind) or not fits:
            raise ValueError(f'its {name} is {dtype} {shape}')
        size = math.prod(shape) * dtype.itemsize
        if not 0 <= size <= info.file_size:
            raise ValueError(f'its {name} claims {size} bytes, more than are there')
        values = np.frombuffer(file.read(size), dtype).reshape(shape, order='F' if in_columns else 'C')
        if not np.isfinite(values).all():
            raise ValueError('some of its numbers are not finite')
        return values
