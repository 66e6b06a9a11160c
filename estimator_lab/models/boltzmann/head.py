"""The head of a restricted Boltzmann machine, alone or on top of a stack."""

import itertools
from collections.abc import Mapping
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.endpoints import publish
from estimator_lab.core.metrics import evaluated_images, mean_image_error
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.noise import Noise, fixed_seeds, fresh_seed
from estimator_lab.core.projector import ProjectorHook, labels_and_keys
from estimator_lab.core.summaries import filters_picture, network_histograms, rows_picture
from estimator_lab.core.training import apply_if_nonempty
from estimator_lab.models.boltzmann.annealing import log_partition
from estimator_lab.models.boltzmann.learning import RbmParams, apply_gradients, contrastive_divergence
from estimator_lab.models.boltzmann.machine import BERNOULLI
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.tf1 import EstimatorSpec, Metric, Operation, Tensor, tf

_SHOWN = 8
_RECEPTIVE_FIELDS = 64
_DREAM_STEPS = 20
_COMPARED = 32  # images of a batch whose samples are compared
_FILM_STEPS = (0, 1, 10, 100)  # Gibbs steps after which a film shows a chain


class MachineHead:
    """The head of a stack's top machine, which learns: the EstimatorSpec of each mode.

    TRAIN takes a step of contrastive divergence; its loss is the reconstruction error of the visible units.
    EVAL reports that error, the mean free energy, the pseudo-log-likelihood, and with `params.ais_chains` the
    log probability. PREDICT returns hidden float32 [n, hidden], reconstruction and dream (samples) float32
    [n, height, width, channels] in [0, 1], free_energy float32 [n] and key. The prediction `error` of EVAL
    and PREDICT, float32 [n], is the squared error of an image's pixels.
    """

    def __init__(self, args: Args[RbmParams], stack: Stack) -> None:
        self._args = args
        self._stack = stack
        self._rbm = stack.top
        self._params = args.params
        self._is_bernoulli = stack.top.visible_units == BERNOULLI
        self._visible = stack.visible(args.images)

    def train_spec(self) -> EstimatorSpec:
        """Returns the EstimatorSpec of TRAIN."""
        noise, weights = Noise(fresh_seed(self._args.features)), self._args.weights
        data = self._binary(noise)
        found = contrastive_divergence(self._rbm, data, self._params, noise)
        # Everything that reads the global step has to run before it is incremented.
        with tf.name_scope('kept'):
            kept = apply_if_nonempty(weights, found.keep)
        with tf.control_dependencies([kept]):
            pairs = list(zip(found.gradients, self._rbm.parameters, strict=True))
            step, rate = apply_gradients(self._params, pairs, weights)
        # Fetched in every step, so it reuses the products of the update. The summary's name stays free.
        with tf.name_scope('chain_error'):
            seen = self._visible[: tf.shape(found.reconstruction)[0]]
            loss = tf.reduce_mean(_squared_error(seen, found.reconstruction))
        # Computed only in the steps that write summaries.
        with tf.name_scope('reconstruction'):
            error = tf.reduce_mean(_squared_error(self._visible, self._reconstruction(self._visible)))
        with tf.name_scope('energy'):
            energy = tf.reduce_mean(self._rbm.free_energy(data))
        tf.summary.scalar(keys.LEARNING_RATE, rate)
        tf.summary.scalar(keys.RECONSTRUCTION_ERROR, error)
        tf.summary.scalar(keys.FREE_ENERGY, energy)
        network_histograms({self._rbm.name: self._rbm.hidden_mean(data)})
        if self._args.folder:
            self._draw(noise)
        return tf.estimator.EstimatorSpec(
            self._args.mode, loss=loss, train_op=step, training_hooks=self._args.picture_hooks()
        )

    def eval_spec(self) -> EstimatorSpec:
        """Returns the EstimatorSpec of EVAL."""
        args, noise = self._args, self._fixed_noise()
        data = self._binary(noise)
        errors = _squared_error(self._visible, self._reconstruction(self._visible))
        energies = self._rbm.free_energy(data)
        with tf.name_scope('metrics'):
            energy, update_energy = tf.metrics.mean(energies)
            metrics = {
                keys.RECONSTRUCTION_ERROR: tf.metrics.mean(errors),
                keys.MEAN_IMAGE_ERROR: mean_image_error(self._visible),
                keys.DIVERSITY: self._diversity(),
                keys.FREE_ENERGY: (energy, update_energy),
                keys.TOTAL_EXAMPLES: evaluated_images(errors),
            }
            if self._is_bernoulli:
                metrics['pseudo_log_likelihood'] = tf.metrics.mean(
                    self._pseudo_log_likelihood(data, energies, noise)
                )
            if self._params.ais_chains:
                metrics.update(self._log_probability(energy))
        hooks = []
        if args.evaluation_folder:
            columns = labels_and_keys(args.features, None, ())
            hidden = self._rbm.hidden_mean(self._visible)
            hooks = [ProjectorHook(hidden, args.images, columns, args.evaluation_folder, keys.HIDDEN)]
        return tf.estimator.EstimatorSpec(
            args.mode,
            loss=tf.reduce_mean(errors),
            eval_metric_ops=metrics,
            predictions={keys.ERROR: _squared_error(args.images, self._pixels())},
            evaluation_hooks=hooks,
        )

    def predict_spec(self) -> EstimatorSpec:
        """Returns the EstimatorSpec of PREDICT."""
        images, pixels = self._args.images, self._pixels()
        hidden = self._rbm.hidden_mean(self._visible)
        publish(self._rbm.name, hidden)
        noise = self._fixed_noise()
        dreams = self._stack.images(self._rbm.gibbs_means(self._visible, _DREAM_STEPS, noise), noise=noise)
        predictions = {
            keys.HIDDEN: hidden,
            keys.RECONSTRUCTION: pixels,
            'dream': dreams,
            keys.FREE_ENERGY: self._rbm.free_energy(self._visible),
            keys.ERROR: _squared_error(images, pixels),
        }
        return prediction_spec(predictions, self._args.features)

    def _binary(self, noise: Noise) -> Tensor:
        """Returns the visible values, sampled as 0 or 1 if `binarize` is set."""
        if not (self._params.binarize and self._is_bernoulli):
            return self._visible
        with tf.name_scope('binary'):
            return noise.coins(self._visible)

    def _reconstruction(self, visible: Tensor) -> Tensor:
        """Returns the visible means after one mean-field pass up and down, float32 [n, visible]."""
        return self._rbm.visible_mean(self._rbm.hidden_mean(visible))

    def _pixels(self) -> Tensor:
        """Returns the images' reconstructions, float32 [n, height, width, channels] in [0, 1]."""
        return self._stack.images(self._reconstruction(self._visible), like=self._args.images)

    def _fixed_noise(self) -> Noise:
        count = tf.shape(self._visible)[0]
        return Noise(fixed_seeds(self._args.features, count)[0])

    def _pseudo_log_likelihood(self, data: Tensor, energies: Tensor, noise: Noise) -> Tensor:
        """Estimates sum_i log p(v_i | the others) by one random unit per example, times their number."""
        units = data.shape.as_list()[1]
        chosen = tf.cast(noise.uniform([tf.shape(data)[0]]) * units, tf.int32)
        flipped = self._rbm.free_energy(tf.abs(data - tf.one_hot(chosen, units)))
        return units * tf.log_sigmoid(flipped - energies)

    def _diversity(self) -> Metric:
        """Streams the deviation of samples that start at images, as a share of the images' own."""
        images = self._stack.pixels(self._args.images[:_COMPARED])
        start, noise = self._visible[:_COMPARED], self._fixed_noise()
        samples = self._stack.below(self._rbm.gibbs_means(start, _DREAM_STEPS, noise), noise)
        seen, drawn = (tf.reduce_sum(tf.math.reduce_variance(values, axis=0)) for values in (images, samples))
        more = tf.cast(tf.shape(images)[0] - 1, tf.float32)
        return tf.metrics.mean(tf.sqrt(tf.div_no_nan(drawn, seen)), weights=more)

    def _log_probability(self, energy: Tensor) -> Mapping[str, tuple[Tensor, Operation]]:
        # The machine without weights, from which annealing starts, keeps the visible biases.
        mean = tf.sigmoid(self._rbm.visible_bias)
        noise = Noise(tf.constant([tf.get_default_graph().seed or 0, 0], tf.int64))
        found = log_partition(self._rbm, mean, self._params.ais_chains, self._params.ais_steps, noise)
        return {
            'log_probability': _constant(-energy - found.estimate),
            'log_partition': _constant(found.estimate),
            'log_partition_low': _constant(found.low),
            'log_partition_high': _constant(found.high),
        }

    def _draw(self, noise: Noise) -> None:
        """Adds images/receptive_fields, images/reconstruction, and chains as images/dream."""
        with tf.name_scope('pictures'):
            images, state = self._args.images[:_SHOWN], self._visible[:_SHOWN]
            reconstructed = self._stack.images(self._reconstruction(state), like=images)
            film = [self._stack.images(state)]
            for before, after in itertools.pairwise(_FILM_STEPS):
                state = self._rbm.gibbs(state, after - before, noise)
                film.append(self._stack.images(self._rbm.gibbs_means(state, 0, noise), noise=noise))
        filters_picture('receptive_fields', self._stack.receptive_fields(_RECEPTIVE_FIELDS))
        rows_picture('reconstruction', [images, reconstructed])
        rows_picture('dream', film)


def _squared_error(values: Tensor, others: Tensor) -> Tensor:
    """Returns the squared error of each example, summed over its values, float32 [n]."""
    return tf.reduce_sum(tf.squared_difference(values, others), axis=list(range(1, values.shape.rank)))


def _constant(value: Tensor) -> tuple[Any, Operation]:
    """Returns a metric that is computed once, after the last batch."""
    return value, tf.no_op()
