"""The model function: a transform net that learns from a perceptual loss.

Johnson, Alahi and Fei-Fei 2016: a pre-trained perceptual network with fixed weights compares the painting
with the photo by one of its layers, and with the style by the Gram matrices of several layers. A network can
learn several styles and mix them (Dumoulin et al. 2017).
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.base.keys import IMAGE, LUMINANCE
from estimator_lab.base.settings import setting
from estimator_lab.core import keys
from estimator_lab.core.abilities import HasCompanions, Paints
from estimator_lab.core.endpoints import publish
from estimator_lab.core.features import float_pixels, has_images
from estimator_lab.core.metrics import evaluated_images
from estimator_lab.core.model import Args, Model, Task, arguments, prediction_spec
from estimator_lab.core.noise import hashes
from estimator_lab.core.params import SIZES, AnyOptimizer, structural
from estimator_lab.core.summaries import rows_picture, weight_histograms
from estimator_lab.core.training import train_op, watched
from estimator_lab.models.fixed_network import fixed
from estimator_lab.models.style.losses import content_losses, style_losses, total_variation
from estimator_lab.models.style.painting import painter
from estimator_lab.models.style.perceptual import (
    FILE,
    PerceptualLoss,
    built_in_perceptual_loss,
    load_perceptual_loss,
)
from estimator_lab.models.style.targets import companions
from estimator_lab.models.style.transform_net import transform_net
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

_SMALLEST_SIDE = 8
_VARIATION_WEIGHT = 5.0


@dataclasses.dataclass(frozen=True)
class Params(AnyOptimizer):
    """Parameters of the transform net and its losses.

    Attributes:
      styles: names of the styles, in the order of the pictures.
    """

    styles: tuple[str, ...] = ('pattern',)

    style_image: str = setting(
        '', "a picture of the style, several joined by +, or a folder of pictures; '' for a built-in pattern"
    )
    perceptual: str = setting(
        '', "model_dir of a trained vgg or cnn, the perceptual network; '' for random filters"
    )
    content_layer: str = structural('', "layer that compares painting and photo; '' chooses one")
    style_layers: str = structural('', "layers that compare painting and style, joined by +; '' chooses some")
    style_weight: float = setting(5.0, 'weight of the style loss; the content loss has 1', lower=0)
    filters: str = structural(
        '16-32-64', 'filters of the convolutions; all but the first halve the picture', pattern=SIZES
    )
    blocks: int = structural(5, 'residual blocks', lower=0)
    mix: str = setting(
        '', "what is painted: a style's name, or shares of some, such as a:0.3+b:0.7; '' for the first"
    )
    strength: float = setting(
        1.0, 'share of the painting in the result; the rest is the photo', lower=0, upper=1
    )
    preserve_colour: bool = setting(False, "whether the result keeps the photo's colours")

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each style in `mix`; the shares sum to 1.

        Raises:
          FlagError: for an unknown style, or a share that is not a number above 0.
        """
        shares = dict.fromkeys(self.styles, 0.0)
        for part in (self.mix or self.styles[0]).split('+'):
            name, _, share = part.strip().partition(':')
            if name not in shares:
                raise FlagError(f'There is no style {name!r}; there are: {", ".join(self.styles)}.')
            try:
                value = float(share or 1)
            except ValueError:
                value = math.nan
            if not 0 < value < math.inf:
                raise FlagError(f'{part!r} has no valid share: give a number above 0, such as {name}:0.5.')
            shares[name] += value
        total = sum(shares.values())
        return tuple(share / total for share in shares.values())

    def check(self) -> None:
        """Raises FlagError for images that are too small, and for a mix of unknown styles."""
        if not 0 < len(set(self.styles)) == len(self.styles):
            raise FlagError('Two styles have the same name: rename one of the pictures.')
        side = min(self.image_shape[:2])
        if side < _SMALLEST_SIDE:
            raise FlagError(f'{option.image_size}={side} is too small: give {_SMALLEST_SIDE} or more.')
        try:
            _ = self.shares
        except FlagError as error:
            raise FlagError(f'{hparam.mix}={self.mix}: {error.marked}') from error


class Losses(NamedTuple):
    """The losses of each painting, float32 [batch]."""

    content: Tensor
    style: Tensor
    variation: Tensor

    def perceptual(self, params: Params) -> Tensor:
        """Returns content and style losses, weighted."""
        return self.content + params.style_weight * self.style

    def total(self, params: Params) -> Tensor:
        """Returns what training minimizes."""
        return self.perceptual(params) + _VARIATION_WEIGHT * self.variation


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Paints photos.

    PREDICT accepts photos of any size and returns painted, float32 of their shape in [0, 1]; an export
    returns JPEG files. TRAIN and EVAL read the perceptual loss from `params.model_dir`; without one, it is
    made of random filters and the built-in pattern. The metrics of EVAL are means over the photos of
    perceptual_loss, content_loss, style_loss and total_variation, and perceptual_loss_photo, that of the
    photos themselves. Labels are not used.
    """
    args = arguments(Params, features, labels, mode, params, config)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return _predict_spec(args)
    photos = args.images
    mix = _styles_to_learn(args, tf.shape(photos)[0])
    painted = dict(transform_net(photos, args.params, mix))[keys.PAINTED]
    losses_of = perceived_losses(_perceptual_loss(args.params), photos, mix)
    losses = losses_of(painted)
    with tf.name_scope('objective'):
        loss = tf.losses.compute_weighted_loss(losses.total(args.params), args.weights)
    if mode == tf.estimator.ModeKeys.EVAL:
        return _eval_spec(args, losses, losses_of(photos), loss)
    step = train_op(loss, args.params, args.weights, args.params.clip_norm)
    for name, values in _named(losses, args.params).items():
        tf.summary.scalar(name, tf.reduce_mean(values))
    weight_histograms()
    rows_picture('painted', [photos, painted])
    return tf.estimator.EstimatorSpec(
        args.mode, loss=watched(loss, args.params), train_op=step, training_hooks=args.picture_hooks()
    )


def perceived_losses(perceptual_loss: PerceptualLoss, photos: Tensor, mix: Tensor) -> Any:
    """Returns the losses as a function of pictures, float32 [batch, height, width, channels].

    The photos, of the same shape, are their content; `mix`, float32 [batch, styles], is the share of each
    style, whose Gram matrices are mixed.
    """
    perceive, content = perceptual_loss.network.perceive, perceptual_loss.content_layer
    wanted = perceive(photos, [content])[content]
    targets = {layer: tf.tensordot(mix, fixed(grams), 1) for layer, grams in perceptual_loss.grams.items()}

    def losses_of(pictures: Tensor) -> Losses:
        maps = perceive(pictures, list({**targets, content: None}))
        return Losses(
            content_losses(maps[content], wanted), style_losses(maps, targets), total_variation(pictures)
        )

    return losses_of


def _perceptual_loss(params: Params) -> PerceptualLoss:
    """Returns the run's perceptual loss.

    Raises:
      DataError: it cannot be read, or has other styles.
    """
    path = Path(params.model_dir, FILE)
    perceptual_loss = (
        load_perceptual_loss(path)
        if params.model_dir and path.exists()
        else built_in_perceptual_loss(params.image_shape[2])
    )
    if perceptual_loss.styles != len(params.styles):
        raise DataError(f'{path} has {perceptual_loss.styles} styles, not {len(params.styles)}.')
    return perceptual_loss


def _photos(args: Args[Params]) -> Tensor:
    """Returns the photos of PREDICT, of any size if the features are a mapping."""
    if not (isinstance(args.features, Mapping) and has_images(args.features)):
        return args.images
    photos = float_pixels(args.features[IMAGE])
    return tf.ensure_shape(photos, [None, None, None, args.params.image_shape[2]])


def _styles_to_learn(args: Args[Params], count: Tensor) -> Tensor:
    """Returns the style that each photo of a batch is painted in, one-hot, float32 [batch, styles].

    In training the styles alternate with the global step; in an evaluation the photo's name decides.
    """
    styles = len(args.params.styles)
    numbers = tf.range(tf.cast(count, tf.int64))
    if args.training:
        numbers += tf.cast(tf.train.get_or_create_global_step(), tf.int64) * tf.cast(count, tf.int64)
    elif args.keys is not None:
        numbers = hashes(args.keys)
    return tf.one_hot(numbers % styles, styles)


def _predict_spec(args: Args[Params]) -> EstimatorSpec:
    params, photos = args.params, _photos(args)
    mix = tf.tile(tf.constant([params.shares], tf.float32), [tf.shape(photos)[0], 1])
    layers = dict(transform_net(photos, params, mix))
    painted = layers.pop(keys.PAINTED)
    for name, maps in layers.items():
        publish(name, maps)
    with tf.name_scope('predictions'):
        change = params.strength * (painted - photos)
        if params.preserve_colour and params.image_shape[2] == 3:
            # The same change of red, green and blue affects the luminance only (Gatys et al. 2016,
            # 'Preserving color in neural artistic style transfer', section 3).
            change = tf.reduce_sum(change * tf.constant(LUMINANCE), axis=3, keepdims=True)
        painted = tf.clip_by_value(photos + change, 0.0, 1.0)
        files = tf.map_fn(_jpeg, painted, tf.string)
    spec = prediction_spec({keys.PAINTED: painted}, args.features)
    exported = tf.estimator.export.PredictOutput
    outputs = {
        'serving_default': exported({keys.PAINTED_BYTES: files}),
        keys.PAINTED: exported({keys.PAINTED: painted}),
    }
    return spec._replace(export_outputs=outputs)


def _jpeg(picture: Tensor) -> Tensor:
    """Returns a picture [height, width, channels] in [0, 1] as a JPEG file."""
    return tf.image.encode_jpeg(tf.image.convert_image_dtype(picture, tf.uint8, saturate=True), quality=95)


def _named(losses: Losses, params: Params) -> dict[str, Tensor]:
    return {
        keys.PERCEPTUAL_LOSS: losses.perceptual(params),
        keys.CONTENT_LOSS: losses.content,
        keys.STYLE_LOSS: losses.style,
        keys.TOTAL_VARIATION: losses.variation,
    }


def _eval_spec(args: Args[Params], losses: Losses, of_photos: Losses, loss: Tensor) -> EstimatorSpec:
    params = args.params
    with tf.name_scope('metrics'):
        means = {**_named(losses, params), keys.PHOTO_LOSS: of_photos.perceptual(params)}
        metrics = {name: tf.metrics.mean(values) for name, values in means.items()}
        metrics[keys.TOTAL_EXAMPLES] = evaluated_images(losses.content)
    return tf.estimator.EstimatorSpec(
        args.mode, loss=loss, eval_metric_ops=metrics, predictions={keys.ERROR: losses.total(params)}
    )


class Style(Model[Params], Paints, HasCompanions):
    """A network that paints photos."""

    name = 'style'
    params = Params
    model_fn = staticmethod(model_fn)
    painter = staticmethod(painter)
    companions = staticmethod(companions)

    def task(self, params: Params) -> Task:
        """Returns what is learned: paintings with a small perceptual loss."""
        return Task(keys.PERCEPTUAL_LOSS, higher_is_better=False, labelled=False)


MODEL = Style()
