"""What a GAN's model function returns, and what TensorBoard shows."""

from pathlib import Path
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.endpoints import publish
from estimator_lab.core.features import class_ids
from estimator_lab.core.metrics import evaluated_images
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.noise import Noise, fixed_seeds, fresh_seed
from estimator_lab.core.picture import COLUMNS
from estimator_lab.core.projector import ProjectorHook
from estimator_lab.core.summaries import histogram, rows_picture, weight_histograms
from estimator_lab.models.gan.game import Played, RealBatch, play
from estimator_lab.models.gan.judge import judged
from estimator_lab.models.gan.networks import AVERAGE, GENERATOR, HIDDEN, discriminator, generator
from estimator_lab.models.gan.scores import ImagesAndFakes, diversity, spread
from estimator_lab.tf1 import EstimatorSpec, Features, Nested, SessionRunHook, Tensor, tf

_ROWS = 8  # of samples in a picture
_MOST_CLASSES = 10


def batch_of(args: Args[Any]) -> RealBatch:
    """Returns the images of a batch as the networks see them, with their classes and weights."""
    images = to_networks(args.images)
    with tf.name_scope('batch'):
        count = tf.shape(images)[0]
        weights, classes = tf.broadcast_to(args.weights, [count]), None
        if args.params.conditional:
            unknown = tf.zeros(tf.stack([count, args.params.num_classes]))
            classes = unknown if args.labels is None else one_hot(args.labels, args.params)
            # An image without a class cannot be compared with fakes of that class.
            weights *= tf.reduce_sum(classes, axis=1)
        return RealBatch(images, classes, weights)


def to_unit_range(images: Tensor) -> Tensor:
    """Scales images from [-1, 1], the range of both networks, to [0, 1]."""
    with tf.name_scope('to_unit_range'):
        return 0.5 * (images + 1.0)


def to_networks(images: Tensor) -> Tensor:
    """Scales images from [0, 1] to [-1, 1], the range of both networks."""
    with tf.name_scope('to_networks'):
        return 2.0 * images - 1.0


def one_hot(labels: Tensor, params: Any) -> Tensor:
    """Returns labels, ids or texts [n], one-hot, float32 [n, classes]; zeros for an unknown label."""
    return tf.one_hot(class_ids(labels, params.vocabulary), params.num_classes)


def train_spec(args: Args[Any], batch: RealBatch) -> EstimatorSpec:
    """Returns the EstimatorSpec of TRAIN: the updates of `game.play`; its loss is the discriminator's."""
    played = play(batch, args.params, Noise(fresh_seed(args.features), tf.reduce_any(batch.weights > 0)))
    _summaries(played, batch)
    if args.folder:
        _sample_pictures(played, batch, args.params)
    return tf.estimator.EstimatorSpec(
        args.mode,
        loss=played.scalars['discriminator_loss'],
        train_op=played.train_op,
        training_hooks=args.picture_hooks(),
    )


def _summaries(played: Played, batch: RealBatch) -> None:
    """Adds losses, lengths of gradients, diversity, and histograms of the layers and all weights."""
    with tf.name_scope('diversity'):
        fakes = spread(to_unit_range(played.fakes), batch.classes)
        images = spread(to_unit_range(batch.images), batch.classes)
        relative = tf.div_no_nan(fakes, images)
    for name, value in {**played.scalars, keys.DIVERSITY: relative}.items():
        tf.summary.scalar(name, value)
    real, fake = tf.split(played.layers[keys.REALNESS], 2)
    histogram('outputs/real', real)
    histogram('outputs/fake', fake)
    weight_histograms()
    for name, values in played.layers.items():
        if name not in (HIDDEN, keys.REALNESS):
            histogram(f'activations/discriminator/{name}', values)


def _sample_pictures(played: Played, batch: RealBatch, params: Any) -> None:
    """Adds images/batch, this step's images and fakes, and images/samples, those of fixed latent vectors.

    A conditional generator has a row for each of the first ten labels, with the same vectors.
    """
    with tf.name_scope('pictures'):
        latent, classes = _fixed(params)
        samples = to_unit_range(generator(latent, classes, params, AVERAGE))
        rows = tf.split(samples, samples.shape.as_list()[0] // COLUMNS)
        both = [to_unit_range(images) for images in (batch.images, played.fakes)]
    rows_picture(keys.SAMPLES, rows)
    rows_picture('batch', both)


def _fixed(params: Any) -> tuple[Tensor, Tensor | None]:
    """Returns latent vectors, the same in each step of a run, and their classes."""
    noise = Noise(tf.constant([tf.get_default_graph().seed or 0, 0], tf.int64))
    if not params.conditional:
        return noise.normal([_ROWS * COLUMNS, params.latent_size]), None
    rows = min(params.num_classes, _MOST_CLASSES)
    latent = tf.tile(noise.normal([COLUMNS, params.latent_size]), [rows, 1])
    ids = [row for row in range(rows) for _ in range(COLUMNS)]
    return latent, tf.one_hot(ids, params.num_classes)


def eval_spec(args: Args[Any], batch: RealBatch) -> EstimatorSpec:
    """Returns the EstimatorSpec of EVAL.

    It draws as many samples as there are images, and reports the discriminator's accuracy on both, and the
    samples' diversity.
    """
    params, folder = args.params, args.evaluation_folder
    layers = dict(discriminator(batch.images, batch.classes, params))
    samples, classes = _samples(args, batch)
    fake_layers = dict(discriminator(to_networks(samples.fake), classes, params))
    real, fake = layers[keys.REALNESS][:, 0], fake_layers[keys.REALNESS][:, 0]
    with tf.name_scope('objective'):
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
    with tf.name_scope('metrics'):
        metrics = {
            keys.DIVERSITY: diversity(samples, classes),
            keys.TOTAL_EXAMPLES: evaluated_images(real),
            'discriminator_accuracy_real': tf.metrics.mean(tf.cast(real > 0, tf.float32)),
            'discriminator_accuracy_fake': tf.metrics.mean(tf.cast(fake <= 0, tf.float32)),
        }
    if params.judge:
        metrics |= judged(samples, params.model_dir)
    hooks = []
    if folder:
        hidden = tf.concat([layers[HIDDEN], fake_layers[HIDDEN]], axis=0)
        hooks = [_projector_hook(hidden, real, fake, samples, to_unit_range(batch.images), folder)]
    return tf.estimator.EstimatorSpec(
        args.mode, loss=loss, predictions={keys.ERROR: -real}, eval_metric_ops=metrics, evaluation_hooks=hooks
    )


def _samples(args: Args[Any], batch: RealBatch) -> tuple[ImagesAndFakes, Tensor | None]:
    """Returns images with as many fakes, the same in each evaluation, and the one-hot classes of both."""
    params = args.params
    noise = Noise(fixed_seeds(args.features, tf.shape(batch.images)[0])[0])
    real, classes, ids = batch.images, batch.classes, None
    if classes is not None:  # images without a class are left out
        known = tf.reduce_sum(classes, axis=1) > 0
        real, classes = (tf.boolean_mask(values, known) for values in (real, classes))
        real = tf.ensure_shape(real, [None, *params.image_shape])
        ids = tf.argmax(classes, axis=1)
    latent = noise.normal(tf.stack([tf.shape(real)[0], params.latent_size]))
    fake = generator(latent, classes, params, AVERAGE)
    return ImagesAndFakes(to_unit_range(real), to_unit_range(fake), ids), classes


def _projector_hook(
    hidden: Tensor, real: Tensor, fake: Tensor, samples: ImagesAndFakes, images: Tensor, folder: Path
) -> SessionRunHook:
    """Returns the hook that shows images, then samples, as the discriminator sees them, in the Projector."""
    with tf.name_scope('projector'):
        origins = [tf.fill(tf.shape(real), 'archive'), tf.fill(tf.shape(fake), 'generator')]
        columns = {
            'origin': (tf.concat(origins, axis=0), bytes.decode),
            'realness': (tf.concat([real, fake], axis=0), '{:.3g}'.format),
        }
        return ProjectorHook(hidden, tf.concat([images, samples.fake], axis=0), columns, folder)


def predict_spec(args: Args[Any]) -> EstimatorSpec:
    """Returns the EstimatorSpec of PREDICT.

    It returns realness float32 [batch], a logit, error float32 [batch], which is -realness, and key. The
    features of an export may have `latent`, float32 [n, latent], and `label`, string [n], for samples.
    """
    features, params = args.features, args.params
    layers = dict(discriminator(to_networks(args.images), None, params))
    exports_samples = isinstance(features, dict) and keys.LATENT in features
    latent, classes = _generator_inputs(features if exports_samples else {}, params)
    generator(latent, classes, params, GENERATOR)  # a warm start looks for its variables
    made = generator(latent, classes, params, AVERAGE)
    for name, values in layers.items():
        if name not in (HIDDEN, keys.REALNESS):
            publish(name, values)
    realness = layers[keys.REALNESS][:, 0]
    spec = prediction_spec({keys.REALNESS: realness, keys.ERROR: -realness}, features)
    exported = {'serving_default': _OutputsOf(spec.export_outputs['serving_default'].outputs, latent=False)}
    if exports_samples:
        images = to_unit_range(made)
        pixels = tf.image.convert_image_dtype(images, tf.uint8, saturate=True)
        files = tf.map_fn(tf.image.encode_png, pixels, dtype=tf.string)
        exported[keys.SAMPLES] = _OutputsOf({keys.SAMPLES: images, 'png': files}, latent=True)
    return spec._replace(export_outputs=exported)


def _generator_inputs(features: Features, params: Any) -> tuple[Tensor, Tensor | None]:
    """Returns latent vectors and classes: those of an export's features, or one of each."""
    latent = features.get(keys.LATENT, tf.zeros([1, params.latent_size]))
    if not params.conditional:
        return latent, None
    labels = features.get(keys.SAMPLE_LABEL, tf.constant(['']))
    return latent, one_hot(labels, params)


class _OutputsOf(tf.estimator.export.PredictOutput):
    """Outputs of an export for one kind of input only, latent vectors or images.

    Estimator combines each output with every input.
    """

    def __init__(self, outputs: Nested, latent: bool) -> None:
        super().__init__(outputs)
        self._latent = latent

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        if (keys.LATENT in receiver_tensors) != self._latent:
            raise ValueError('these outputs are computed from other inputs')
        return super().as_signature_def(receiver_tensors)
