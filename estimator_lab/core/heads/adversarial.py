"""The EstimatorSpecs of two networks that learn against each other."""

from typing import Any

from estimator_lab.core.adversarial.game import Batch, Game
from estimator_lab.core.adversarial.losses import LOSSES, weighted_mean
from estimator_lab.core.adversarial.params import AdversarialParams
from estimator_lab.core.adversarial.pictures import game_summaries, projector_hook, sample_pictures
from estimator_lab.core.adversarial.players import Players, one_hot_labels, to_networks, to_unit_range
from estimator_lab.core.adversarial.quality import Samples, sample_metrics
from estimator_lab.core.adversarial.watch import CollapseHook, CollapseWatch
from estimator_lab.core.display.drawing import display_of, drawing_hooks
from estimator_lab.core.heads.classification import classification_spec
from estimator_lab.core.heads.predictions import prediction_spec
from estimator_lab.core.layers.discriminator import Discriminated
from estimator_lab.core.metrics.sample_quality import spread
from estimator_lab.core.metrics.streaming import evaluated_images
from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import publish
from estimator_lab.core.model.features import example_weights, images_of
from estimator_lab.core.step.noise import Noise, fixed_seeds, fresh_seed
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf


def adversarial_spec(
    players: Players,
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: AdversarialParams,
    config: RunConfig | None,
) -> EstimatorSpec:
    """Returns the EstimatorSpec of a game.

    TRAIN makes the moves of `game.Game`; its loss is the discriminator's. EVAL draws as many samples as there
    are images and takes the discriminator's accuracy on both, and the metrics of `quality.sample_metrics`.
    PREDICT gives realness float32 [batch], a logit, error float32 [batch], which is -realness, and key; where
    the features hold latent vectors, an export has samples. Where the discriminator tells classes, EVAL and
    PREDICT have what `classification_spec` gives besides.

    Args:
      players: the networks.
      features: the model function's features; images in [0, 1]. An export's may hold `latent`, float32 [n,
        latent], and `label`, string [n].
      labels: class ids or label texts, [batch]; None where there are none.
      mode: a `tf.estimator.ModeKeys`.
      params: how they learn.
      config: the RunConfig, which says whether and where to show things.
    """
    if mode == tf.estimator.ModeKeys.PREDICT:
        return _predict(players, features, params, config)
    images = to_networks(images_of(features, params.image_shape))
    with tf.name_scope('batch'):
        count = tf.shape(images)[0]
        weights = tf.broadcast_to(example_weights(features), [count])
        batch = Batch(images, _one_hot(labels, params, count), weights)
    if mode == tf.estimator.ModeKeys.EVAL:
        return _evaluate(players, batch, features, labels, params, config)
    return _train(players, batch, features, params, config)


def _one_hot(labels: Tensor | None, params: AdversarialParams, count: Tensor) -> Tensor | None:
    if not params.classes:
        return None
    if labels is None:
        return tf.zeros(tf.stack([count, params.classes]))
    return one_hot_labels(labels, params)


def _known(batch: Batch) -> Tensor:
    """Returns 1 for each example whose label is known, 0 for others: float32 [batch]."""
    return tf.reduce_sum(batch.classes, axis=1)


def _train(
    players: Players, batch: Batch, features: Features, params: AdversarialParams, config: RunConfig | None
) -> EstimatorSpec:
    if params.conditional:  # an image of no class cannot be told from a fake of that class
        batch = batch._replace(weights=batch.weights * _known(batch))
    game = Game(players, batch, Noise(fresh_seed(features)), params)
    display = display_of(config)
    fakes = to_unit_range(game.made.images)
    with tf.name_scope('watch'):
        told = _told(game.batch, params)
        diversity = _ratio(spread(fakes, told), spread(to_unit_range(game.batch.images), told))
        real, fake = (
            weighted_mean(tf.cast(right, tf.float32), tf.ones_like(logits))
            for right, logits in _verdicts(game.discriminator.real, game.discriminator.fake, params)
        )
        watched = {
            'diversity': diversity,
            'real': real,
            'fake': fake,
            'norm': game.discriminator.norm + game.generator.norm,
        }
    game_summaries(game, batch, diversity)
    critic = LOSSES[params.chosen_loss].boundary is None
    hooks = drawing_hooks(lambda: sample_pictures(players, game, batch, params), display)
    if display:
        hooks.append(CollapseHook(watched, CollapseWatch(critic)))
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.TRAIN,
        loss=game.discriminator.loss,
        train_op=game.train_op,
        training_hooks=hooks,
    )


def _evaluate(
    players: Players,
    batch: Batch,
    features: Features,
    labels: Tensor | None,
    params: AdversarialParams,
    config: RunConfig | None,
) -> EstimatorSpec:
    discriminator = players.discriminator_average or players.discriminator
    said = discriminator(batch.images, _told(batch, params))
    samples, told = _samples(players, batch, features, params)
    of_fakes = discriminator(to_networks(samples.fake), told)
    loss = LOSSES[params.chosen_loss]
    with tf.name_scope('objective'):
        value = tf.reduce_mean(loss.real(said.realness)) + tf.reduce_mean(loss.fake(of_fakes.realness))
    with tf.name_scope('metrics'):
        metrics = sample_metrics(samples, told)
        if said.classes is None:
            metrics[keys.EVALUATED_IMAGES] = evaluated_images(said.realness)
        verdicts = _verdicts(said.realness, of_fakes.realness, params)
        for name, (right, _) in zip((keys.ACCURACY_REAL, keys.ACCURACY_FAKE), verdicts, strict=True):
            metrics[name] = tf.metrics.mean(tf.cast(right, tf.float32))
    samples.publish()
    predictions = {keys.ERROR: -said.realness}
    display = display_of(config)
    hooks = []
    if display and said.classes is None:
        hooks = [projector_hook(said, of_fakes, samples, to_unit_range(batch.images), display)]
    spec = tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.EVAL, loss=value, predictions=predictions, evaluation_hooks=hooks
    )
    if said.classes is not None:
        mode = tf.estimator.ModeKeys.EVAL
        spec = classification_spec(said.classes, said.endpoints, features, labels, mode, params, config)
    return spec._replace(
        eval_metric_ops={**(spec.eval_metric_ops or {}), **metrics},
        predictions={**spec.predictions, **predictions},
    )


def _samples(
    players: Players, batch: Batch, features: Features, params: AdversarialParams
) -> tuple[Samples, Tensor | None]:
    """Returns fakes beside the images, the same in each evaluation, and the classes of both."""
    noise = Noise(fixed_seeds(features, tf.shape(batch.images)[0])[0])
    order = noise.uniform(tf.shape(batch.weights))
    real, told, classes = batch.images, _told(batch, params), None
    if told is not None:  # what has no class is left out
        known = _known(batch) > 0
        real, told, order = (tf.boolean_mask(values, known) for values in (real, told, order))
        real = tf.ensure_shape(real, [None, *params.image_shape])
        classes = tf.argmax(told, axis=1)
    latent = noise.normal(tf.stack([tf.shape(real)[0], params.latent_size]))
    fake = players.average(latent, told).images
    return Samples(to_unit_range(real), to_unit_range(fake), classes, order), told


def _told(batch: Batch, params: AdversarialParams) -> Tensor | None:
    return batch.classes if params.conditional else None


def _verdicts(
    real: Tensor, fake: Tensor, params: AdversarialParams
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Returns where the discriminator is right, bool, beside its logits: of images, of fakes."""
    boundary = LOSSES[params.chosen_loss].boundary
    if boundary is None:
        boundary = 0.5 * (tf.reduce_mean(real) + tf.reduce_mean(fake))
    return (real > boundary, real), (fake <= boundary, fake)


def _ratio(fake: Tensor, real: Tensor) -> Tensor:
    """Returns one spread over the other; 1 where there is nothing to compare with."""
    return tf.where(real > 0, tf.div_no_nan(fake, real), tf.ones_like(real))


def _predict(
    players: Players, features: Features, params: AdversarialParams, config: RunConfig | None
) -> EstimatorSpec:
    images = to_networks(images_of(features, params.image_shape))
    said = players.discriminator(images)
    if players.discriminator_average:
        said = players.discriminator_average(images)
    wanted = _wanted(features, params)
    players.generator(*wanted)  # a warm start looks for its variables
    made = players.average(*wanted)
    found = {keys.REALNESS: said.realness, keys.ERROR: -said.realness}
    spec = _opinion(said, found, features, params, config)
    outputs = dict(spec.export_outputs['serving_default'].outputs, **found)
    exported = {'serving_default': _OutputsOf(outputs, latent=False)}
    if isinstance(features, dict) and keys.LATENT in features:
        exported[keys.SAMPLES] = _OutputsOf(_encoded(made.images), latent=True)
    return spec._replace(predictions={**spec.predictions, **found}, export_outputs=exported)


def _opinion(
    said: Discriminated,
    found: dict[str, Tensor],
    features: Features,
    params: AdversarialParams,
    config: RunConfig | None,
) -> EstimatorSpec:
    """Returns the spec of what the discriminator says of images: what they show, where it tells that."""
    if said.classes is None:
        publish(said.endpoints)
        return prediction_spec(found, features)
    mode = tf.estimator.ModeKeys.PREDICT
    return classification_spec(said.classes, said.endpoints, features, None, mode, params, config)


def _wanted(features: Features, params: AdversarialParams) -> tuple[Tensor, Tensor | None]:
    """Returns the latent vectors and classes that an export is asked for; one of each for anybody else."""
    asked = features if isinstance(features, dict) and keys.LATENT in features else {}
    latent = asked.get(keys.LATENT, tf.zeros([1, params.latent_size]))
    if not params.conditional:
        return latent, None
    return latent, one_hot_labels(asked.get(keys.SAMPLE_LABEL, tf.constant([''])), params)


def _encoded(images: Tensor) -> dict[str, Tensor]:
    """Returns images as PNG files, string [n]."""
    pixels = tf.image.convert_image_dtype(to_unit_range(images), tf.uint8, saturate=True)
    return {keys.PNG: tf.map_fn(tf.image.encode_png, pixels, dtype=tf.string)}


class _OutputsOf(tf.estimator.export.PredictOutput):
    """What an export gives for one kind of input; Estimator offers each output for every input.

    Args:
      outputs: tensors by name.
      latent: whether they are made of latent vectors, not of images.
    """

    def __init__(self, outputs: Any, latent: bool) -> None:
        super().__init__(outputs)
        self._latent = latent

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        if (keys.LATENT in receiver_tensors) != self._latent:
            raise ValueError('these outputs are made of other inputs')
        return super().as_signature_def(receiver_tensors)
