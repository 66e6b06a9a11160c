"""Parameters of models: what the data and the run decide, and hyper-parameters, set by --hparams.

A model's `Params` extends `TrainingParams` or, for a classifier, `ClassifierParams`; with `AnyOptimizer` in
front, it can also be trained by second-order optimizers. Fields declared by `setting` are hyper-parameters.
"""

import contextlib
import dataclasses
import functools
import re
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.base.json_input import as_type, shown
from estimator_lab.base.pixels import SeenPixels
from estimator_lab.base.settings import check_settings, setting, settings_of
from estimator_lab.base.suggestions import unknown
from estimator_lab.optimizers import FIRST_ORDER, OPTIMIZERS, SCHEDULES, SECOND_ORDER, SecondOrderParams

P = TypeVar('P')

structural = functools.partial(setting, structural=True)
"""Declares a hyper-parameter that decides which variables a checkpoint has, or their shapes."""

share = functools.partial(setting, lower=0, below=1)
"""Declares a hyper-parameter in [0, 1), such as a rate of dropout."""

SIZES = r'[1-9]\d*(-[1-9]\d*)*'
"""Pattern of a text that `sizes` reads, such as '500-250'; a layer list that may be empty adds '|'."""

_NOUNS = {bool: 'true or false', int: 'a whole number', float: 'a finite number'}


def is_first_order(params: Any) -> bool:
    """Whether the optimizer is of first order: it needs only the gradient, and has a learning rate."""
    return params.optimizer not in SECOND_ORDER


def warms_up(params: Any) -> bool:
    """Whether the optimizer has a warm-up of its own for units with many inputs."""
    return is_first_order(params) and FIRST_ORDER[params.optimizer].has_warmup


def other_default(params_class: type, name: str, default: Any) -> Any:
    """Declares a hyper-parameter of a base class again, with another default."""
    declared = vars(settings_of(params_class)[name]) | {'default': default}
    return setting(help_text=declared.pop('help'), **declared)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """Where in a run a model is trained: each phase has its own.

    Attributes:
      train_steps: steps of the phase, which the learning-rate schedule spans.
      first_step: the global step at which the schedule begins; above 0 after another phase.
      phase: name of the training phase; '' is the last, and the only one of most models.
      model_dir: the folder with what a model computed before training; '' for none.
    """

    train_steps: int = 10_000
    first_step: int = 0
    phase: str = ''
    model_dir: str = ''


@dataclasses.dataclass(frozen=True)
class TrainingParams(Context):
    """Parameters of every model: its context, what the data decides, and the optimizer.

    Examples:
        >>> TrainingParams(vocabulary=('cat', 'dog')).num_classes
        2

    Attributes:
      image_shape: (height, width, channels) of the input, in pixels.
      vocabulary: label texts in the order of their class ids.
      frozen: names of the layers that keep their weights in training.
      given: names of the hyper-parameters that were given, with whatever value.
    """

    image_shape: tuple[int, int, int] = (128, 128, 1)
    vocabulary: tuple[str, ...] = tuple('0123456789')
    frozen: tuple[str, ...] = ()
    given: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    optimizer: str = setting('adam', 'name of the optimizer', choices=tuple(FIRST_ORDER))
    learning_rate: float = setting(0.001, 'initial learning rate', above=0, used_if=is_first_order)
    learning_rate_schedule: str = setting(
        'cosine', 'schedule of the learning rate', choices=tuple(SCHEDULES), used_if=is_first_order
    )
    warmup_steps: int = setting(
        0,
        'steps in which the learning rate rises to its schedule, at most a tenth of all; 0 for none',
        lower=0,
        used_if=is_first_order,
    )
    warmup_inputs: int = setting(
        0,
        'for adam: inputs of a unit above which its warm-up is longer than warmup_steps, in proportion to '
        'them; 0 for the same warm-up everywhere',
        lower=0,
        used_if=lambda params: warms_up(params) and params.warmup_steps > 0,
    )
    momentum: float = share(
        0.9,
        'for momentum, nesterov and rmsprop',
        used_if=lambda params: is_first_order(params) and FIRST_ORDER[params.optimizer].has_momentum,
    )

    @property
    def num_classes(self) -> int:
        """Number of labels in the vocabulary."""
        return len(self.vocabulary)

    @classmethod
    def defaults_of(cls, optimizer: str) -> dict[str, float]:
        """Returns the values of parameters that depend on the optimizer, if no learning rate is given."""
        return {}

    def check(self) -> None:
        """Raises FlagError for hyper-parameters that can't be combined, or do not fit the images."""

    def caution(self) -> str:
        """Returns a warning, a sentence, if it will hardly learn what the user expects; '' for none."""
        return ''

    @property
    def smallest_batch(self) -> int:
        """Smallest number of examples in a batch, and in the training data."""
        return 1

    def for_data(self) -> 'TrainingParams':
        """Returns the parameters with the hyper-parameters that were not given as the data suggests."""
        return self


@dataclasses.dataclass(frozen=True)
class GradientParams(TrainingParams):
    """Parameters of a model that follows the gradient of a loss."""

    clip_norm: float = setting(
        0.0,
        'largest norm of the gradient, which is scaled down to it; 0 for none',
        lower=0,
        used_if=is_first_order,
    )

    @classmethod
    def defaults_of(cls, optimizer: str) -> dict[str, float]:
        """Returns the learning rate and the clipping of `optimizers.FIRST_ORDER`.

        A model whose rate for adam is k times the usual one has k times the rate of each other optimizer.
        """
        if optimizer not in FIRST_ORDER:
            return {}
        usual = FIRST_ORDER[optimizer]
        rate = usual.learning_rate * (cls.learning_rate / FIRST_ORDER['adam'].learning_rate)
        return {'learning_rate': float(f'{rate:.2g}'), 'clip_norm': cls.clip_norm or usual.clip_norm}


@dataclasses.dataclass(frozen=True)
class AnyOptimizer(SecondOrderParams, GradientParams):
    """Parameters of a model that second-order optimizers can train, too."""

    optimizer: str = setting('adam', 'name of the optimizer', choices=OPTIMIZERS)


@dataclasses.dataclass(frozen=True)
class Pixels:
    """How pixels become what a network reads: scaled to [0, 1], less a mean, times a gain.

    `core.layers.network_pixels` does that, and `image_pixels` the inverse. Networks learn slowly from pixels
    that are nearly alike: pale digits, from 0.8 to 1, differ by a fifth of the range, with a larger common
    offset.

    Attributes:
      low: the lowest pixel of the training images.
      high: the highest one.
      mean: what is subtracted from all pixels.
      mean_image: whether the mean image is subtracted instead.
      gain: a factor.
    """

    low: float = 0.0
    high: float = 1.0
    mean: float = 0.0
    mean_image: bool = False
    gain: float = 1.0

    def scaled(self, images: Any) -> Any:
        """Returns pixels scaled from low and high to [0, 1], an array or a tensor."""
        return images if self._is_whole else (images - self.low) / (self.high - self.low)

    def unscaled(self, values: Any) -> Any:
        """Returns pixels of their `scaled` values."""
        return values if self._is_whole else values * (self.high - self.low) + self.low

    @property
    def _is_whole(self) -> bool:
        return (self.low, self.high) == (0.0, 1.0)


def scaled_pixels(seen: SeenPixels) -> Pixels:
    """Returns the rule of most models: pixels fill [0, 1]."""
    return Pixels(seen.low, seen.high)


def centred_pixels(seen: SeenPixels) -> Pixels:
    """Returns the rule that also subtracts the mean image.

    What all images have in common moves all weights into a unit together: at 128x128 pixels, one step of Adam
    shifts the unit so far that it is 0 for all images, and learns nothing from then on. Faint signs on a
    bright background are lost likewise, if only the mean of all pixels is subtracted.
    """
    return Pixels(seen.low, seen.high, mean_image=True)


RAW_PIXELS = Pixels()
"""A network that reads pixels as they are."""


@dataclasses.dataclass(frozen=True)
class PixelParams:
    """Parameters of a model that scales pixels to suit the training images.

    Attributes:
      pixels: how.
      first_mean: the mean image when training begins, float32 of `image_shape`; None afterwards.
    """

    pixels: Pixels = RAW_PIXELS
    first_mean: Any = dataclasses.field(default=None, compare=False)

    stretch: bool = structural(
        True,
        'pixels of pale, dark or low-contrast training images are scaled to fill [0, 1]; mlp, cnn and '
        'a linear autoencoder subtract the mean image, recurrent if images hardly differ',
    )

    @staticmethod
    def pixels_from(seen: SeenPixels) -> Pixels:
        """Returns how the network reads pixels, from what the training images show."""
        return scaled_pixels(seen)


@dataclasses.dataclass(frozen=True)
class ClassifierParams(PixelParams, GradientParams):
    """Parameters of every classifier.

    Attributes:
      class_weights: weight of each class in the training loss, in the order of the vocabulary; () for 1.
      curves: whether an evaluation has curves of precision and recall, and counts by class, as summaries.
    """

    class_weights: tuple[float, ...] = ()
    curves: bool = False

    balanced: bool = setting(False, 'all classes count the same in the training loss')
    weight_decay: float = setting(
        0.0, 'factor of the L2 penalty in the training loss, half the squares of all kernels', lower=0
    )


def resolve(params_class: type[P], params: Mapping[str, Any] | None) -> P:
    """Returns the parameters that Estimator hands to a model function as an object, with defaults for others.

    Raises:
      FlagError: for an unknown name (it lists the known ones) or a value that is not allowed.
    """
    params = dict(params or {})
    known = [field.name for field in dataclasses.fields(params_class)]  # type: ignore[arg-type]
    for name in params:
        if name not in known:
            raise FlagError(unknown('Unknown hyper-parameter', name, known))
    if issubclass(params_class, TrainingParams):
        params.setdefault('given', sorted(params.keys() & settings_of(params_class).keys()))
    if 'learning_rate' not in params and issubclass(params_class, TrainingParams):
        params = {**params_class.defaults_of(params.get('optimizer', params_class.optimizer)), **params}
    made = params_class(**params)
    return dataclasses.replace(  # type: ignore[type-var]
        made, **_plain_fields(made), **check_settings(made, 'Hyper-parameter ')
    )


def _plain_fields(params: Any) -> dict[str, Any]:
    """Returns the checked values of the parameters that are not hyper-parameters; lists become tuples."""
    hints, declared, checked = typing.get_type_hints(type(params)), settings_of(type(params)), {}
    for field in dataclasses.fields(params):
        if field.name in declared:
            continue
        value, hint = getattr(params, field.name), hints[field.name]
        try:
            checked[field.name] = as_type(value, hint, field.name)
        except ValueError as error:
            noun = hint if typing.get_args(hint) else hint.__name__
            raise FlagError(f'The parameter {field.name}={shown(value)} must be of type {noun}.') from error
    return checked


def parse_hparams(params_class: type, text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Parses 'name=value,name=value' into typed values; values by name, from programs, stay as they are.

    Raises:
      FlagError: for an unknown name, a value of the wrong type, a part without '=', or neither text nor dict.
    """
    known = settings_of(params_class)
    values: dict[str, Any] = {}
    if isinstance(text, Mapping):
        if strange := [name for name in text if name not in known]:
            raise FlagError(unknown('Unknown hyper-parameter', strange[0], known))
        return dict(text)
    if not isinstance(text, str):
        raise FlagError(
            f'{option.hparams}={shown(text)} must be a text, name=value,name=value, or a dict of values by '
            'name.'
        )
    # A comma within a value stays there: it is not followed by the name of another.
    for part in filter(None, (p.strip(' ,') for p in re.split(r',(?=\s*\w+\s*=)', text))):
        name, equals, value = (p.strip() for p in part.partition('='))
        if not equals:
            raise FlagError(f'{option.hparams} takes name=value,name=value, not {shown(part)}.')
        if name not in known:
            raise FlagError(unknown('Unknown hyper-parameter', name, known))
        if name in values:
            raise FlagError(f'Hyper-parameter {name} is given twice in {option.hparams}: give it once.')
        values[name] = _typed(name, value, type(known[name].default))
    return values


def describe_hparams(params_class: type) -> str:
    """Returns one line for each hyper-parameter: name, default, meaning and allowed values."""
    return '\n'.join(
        f'  {name}={declared.default}  '
        + '; '.join(filter(None, [declared.help, declared.allowed(), _by_optimizer(params_class, name)]))
        for name, declared in settings_of(params_class).items()
    )


def _by_optimizer(params_class: Any, name: str) -> str:
    """Returns a hyper-parameter's other defaults with the optimizers for which it has them."""
    if not issubclass(params_class, GradientParams):
        return ''
    defaults = {optimizer: params_class.defaults_of(optimizer).get(name) for optimizer in FIRST_ORDER}
    others = ', '.join(
        f'{value:g} for {optimizer}'
        for optimizer, value in defaults.items()
        if value not in (None, getattr(params_class, name))
    )
    return f'unless a learning rate is given, {others}' if others else ''


def sizes(text: str) -> tuple[int, ...]:
    """Returns the sizes of some layers, given in a text that matches `SIZES`.

    Examples:
        >>> sizes('500-250'), sizes('')
        ((500, 250), ())
    """
    return tuple(map(int, text.split('-'))) if text else ()


def _typed(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        choices = {'true': True, '1': True, 'false': False, '0': False}
        if text.lower() in choices:
            return choices[text.lower()]
    else:
        with contextlib.suppress(ValueError):
            return kind(text)
    point = ': write a decimal point, not a comma' if kind is float and ',' in text else ''
    raise FlagError(f'{hparam(name)}={text} is not {_NOUNS[kind]}{point}.')
