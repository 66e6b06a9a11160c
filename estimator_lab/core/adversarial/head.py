"""The head of a generative adversarial network (GAN)."""

from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.adversarial.game import Batch, Game
from estimator_lab.core.adversarial.losses import LOSSES, weighted_mean
from estimator_lab.core.adversarial.params import AdversarialParams
from estimator_lab.core.adversarial.pictures import game_summaries, projector_hook, sample_pictures
from estimator_lab.core.adversarial.players import Players, one_hot_labels, to_networks, to_unit_range
from estimator_lab.core.adversarial.quality import Samples, sample_metrics
from estimator_lab.core.adversarial.sample_quality import spread
from estimator_lab.core.adversarial.watch import CollapseHook
from estimator_lab.core.classifier import classification_spec
from estimator_lab.core.endpoints import LOGITS, publish
from estimator_lab.core.metrics import evaluated_images
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.noise import Noise, fixed_seeds, fresh_seed
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf


def adversarial_spec(args: Args[Any], players: Players) -> EstimatorSpec:
    """Returns the EstimatorSpec of a GAN.

    TRAIN makes the updates of `game.Game`; its loss is the discriminator's. EVAL draws as many samples as
    there are images, and reports the discriminator's accuracy on both and the metrics of
    `quality.sample_metrics`.
    PREDICT returns realness float32 [batch], a logit, error float32 [batch], which is -realness, and key; if
    the features have latent vectors, an export has samples. If the discriminator classifies, EVAL and PREDICT
    also have what `classification_spec` returns.

    Args:
      args: the model function's arguments; its parameters are `AdversarialParams`. The features of an export
        may have `latent`, float32 [n, latent], and `label`, string [n].
      players: the networks.
    """
    if args.predicting:
        return _predict(args, players)
    params = args.params
    images = to_networks(args.images)
    with tf.name_scope('batch'):
        count = tf.shape(images)[0]
        weights = tf.broadcast_to(args.weights, [count])
        batch = Batch(images, _one_hot(args.labels, params, count), weights)
    return _evaluate(args, players, batch) if args.evaluating else _train(args, players, batch)


def _one_hot(labels: Tensor | None, params: AdversarialParams, count: Tensor) -> Tensor | None:
    if not params.classes:
        return None
    if labels is None:
        return tf.zeros(tf.stack([count, params.classes]))
    return one_hot_labels(labels, params)


def _train(args: Args[Any], players: Players, batch: Batch) -> EstimatorSpec:
    params = args.params
    if params.conditional:  # an image without a class cannot be compared with fakes of that class
        batch = batch._replace(weights=batch.weights * batch.known)
    game = Game(players, batch, Noise(fresh_seed(args.features)), params)
    fakes = to_unit_range(game.made.images)
    with tf.name_scope('watch'):
        classes = game.batch.condition(params)
        diversity = _ratio(spread(fakes, classes), spread(to_unit_range(game.batch.images), classes))
        real, fake = (
            weighted_mean(tf.cast(right, tf.float32), tf.ones_like(logits))
            for right, logits in _correct(game.discriminator.real, game.discriminator.fake, params)
        )
        watched = {
            'diversity': diversity,
            'real': real,
            'fake': fake,
            'norm': game.discriminator.norm + game.generator.norm,
        }
    game_summaries(game, batch, diversity)
    critic = LOSSES[params.chosen_loss].boundary is None
    hooks = []
    if args.folder:
        sample_pictures(players, game, batch, params)
        hooks = [*args.picture_hooks(), CollapseHook(watched, critic)]
    return tf.estimator.EstimatorSpec(
        args.mode, loss=game.discriminator.loss, train_op=game.train_op, training_hooks=hooks
    )


def _evaluate(args: Args[Any], players: Players, batch: Batch) -> EstimatorSpec:
    params, folder = args.params, args.evaluation_folder
    discriminator = players.discriminator_average or players.discriminator
    real = discriminator(batch.images, batch.condition(params))
    samples, classes = _samples(args, players, batch)
    fake = discriminator(to_networks(samples.fake), classes)
    loss = LOSSES[params.chosen_loss]
    with tf.name_scope('objective'):
        value = tf.reduce_mean(loss.real(real.realness)) + tf.reduce_mean(loss.fake(fake.realness))
    with tf.name_scope('metrics'):
        metrics = sample_metrics(samples, classes)
        if real.classes is None:
            metrics[keys.TOTAL_EXAMPLES] = evaluated_images(real.realness)
        correct = _correct(real.realness, fake.realness, params)
        for name, (right, _) in zip((keys.ACCURACY_REAL, keys.ACCURACY_FAKE), correct, strict=True):
            metrics[name] = tf.metrics.mean(tf.cast(right, tf.float32))
    samples.publish()
    predictions = {keys.ERROR: -real.realness}
    if real.classes is not None:
        spec = classification_spec(args, {**real.endpoints, LOGITS: real.classes})
    else:
        hooks = [projector_hook(real, fake, samples, to_unit_range(batch.images), folder)] if folder else []
        spec = tf.estimator.EstimatorSpec(
            args.mode, loss=value, predictions=predictions, evaluation_hooks=hooks
        )
    return spec._replace(
        eval_metric_ops={**(spec.eval_metric_ops or {}), **metrics},
        predictions={**spec.predictions, **predictions},
    )


def _samples(args: Args[Any], players: Players, batch: Batch) -> tuple[Samples, Tensor | None]:
    """Returns images with as many fakes, the same in each evaluation, and the classes of both."""
    params = args.params
    noise = Noise(fixed_seeds(args.features, tf.shape(batch.images)[0])[0])
    order = noise.uniform(tf.shape(batch.weights))
    real, one_hot, classes = batch.images, batch.condition(params), None
    if one_hot is not None:  # images without a class are left out
        known = batch.known > 0
        real, one_hot, order = (tf.boolean_mask(values, known) for values in (real, one_hot, order))
        real = tf.ensure_shape(real, [None, *params.image_shape])
        classes = tf.argmax(one_hot, axis=1)
    latent = noise.normal(tf.stack([tf.shape(real)[0], params.latent_size]))
    fake = players.average(latent, one_hot).images
    return Samples(to_unit_range(real), to_unit_range(fake), classes, order), one_hot


def _correct(
    real: Tensor, fake: Tensor, params: AdversarialParams
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Returns where the discriminator is right, bool, and its logits: for images, for fakes."""
    boundary = LOSSES[params.chosen_loss].boundary
    if boundary is None:
        boundary = 0.5 * (tf.reduce_mean(real) + tf.reduce_mean(fake))
    return (real > boundary, real), (fake <= boundary, fake)


def _ratio(fake: Tensor, real: Tensor) -> Tensor:
    """Returns the quotient of two spreads; 1 if that of the images is 0."""
    return tf.where(real > 0, tf.div_no_nan(fake, real), tf.ones_like(real))


def _predict(args: Args[Any], players: Players) -> EstimatorSpec:
    features = args.features
    images = to_networks(args.images)
    found = players.discriminator(images)
    if players.discriminator_average:
        found = players.discriminator_average(images)
    exports_samples = isinstance(features, dict) and keys.LATENT in features
    latent, classes = _generator_inputs(features if exports_samples else {}, args.params)
    players.generator(latent, classes)  # a warm start looks for its variables
    made = players.average(latent, classes)
    predictions = {keys.REALNESS: found.realness, keys.ERROR: -found.realness}
    if found.classes is None:
        for name, values in found.endpoints.items():
            publish(name, values)
        spec = prediction_spec(predictions, features)
    else:
        spec = classification_spec(args, {**found.endpoints, LOGITS: found.classes})
    outputs = dict(spec.export_outputs['serving_default'].outputs, **predictions)
    exported = {'serving_default': _OutputsOf(outputs, latent=False)}
    if exports_samples:
        exported[keys.SAMPLES] = _OutputsOf(_pictures(made.images), latent=True)
    return spec._replace(predictions={**spec.predictions, **predictions}, export_outputs=exported)


def _generator_inputs(features: Any, params: AdversarialParams) -> tuple[Tensor, Tensor | None]:
    """Returns latent vectors and classes: those of an export's features, or one of each."""
    latent = features.get(keys.LATENT, tf.zeros([1, params.latent_size]))
    if not params.conditional:
        return latent, None
    return latent, one_hot_labels(features.get(keys.SAMPLE_LABEL, tf.constant([''])), params)


def _pictures(images: Tensor) -> dict[str, Tensor]:
    """Returns images as pixels, float32 [n, height, width, channels] in [0, 1], and PNG files, string [n]."""
    images = to_unit_range(images)
    pixels = tf.image.convert_image_dtype(images, tf.uint8, saturate=True)
    return {keys.SAMPLES: images, keys.PNG: tf.map_fn(tf.image.encode_png, pixels, dtype=tf.string)}


class _OutputsOf(tf.estimator.export.PredictOutput):
    """Outputs of an export for one kind of input only, latent vectors or images.

    Estimator combines each output with every input.
    """

    def __init__(self, outputs: Any, latent: bool) -> None:
        super().__init__(outputs)
        self._latent = latent

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        if (keys.LATENT in receiver_tensors) != self._latent:
            raise ValueError('these outputs are computed from other inputs')
        return super().as_signature_def(receiver_tensors)
