"""The head of a restricted Boltzmann machine, alone or on top of a stack."""

from collections.abc import Mapping
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.boltzmann.annealing import log_partition
from estimator_lab.core.boltzmann.contrastive_divergence import update
from estimator_lab.core.boltzmann.params import RbmParams, apply_gradients
from estimator_lab.core.boltzmann.rbm import BERNOULLI, Rbm
from estimator_lab.core.boltzmann.samples import gibbs_film, gibbs_samples
from estimator_lab.core.boltzmann.stack import Stack
from estimator_lab.core.endpoints import publish
from estimator_lab.core.metrics import evaluated_images
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.noise import Noise, fixed_seeds, fresh_seed
from estimator_lab.core.projector import ProjectorHook, labels_and_keys
from estimator_lab.core.summaries import filters_picture, network_histograms, rows_picture
from estimator_lab.core.training import apply_if_nonempty
from estimator_lab.tf1 import EstimatorSpec, Operation, SessionRunHook, Tensor, Variable, tf

_SAMPLE_IMAGES = 1_000
_SAMPLE_VALUES = 4_000_000
_SHOWN = 8
_RECEPTIVE_FIELDS = 64


def rbm_spec(args: Args[RbmParams], stack: Stack, one_hot: Tensor | None = None) -> EstimatorSpec:
    """Returns the EstimatorSpec of a stack's top machine.

    TRAIN takes a step of contrastive divergence; its loss is the reconstruction error. EVAL reports that
    error, the mean free energy on the evaluation data and on a sample of the training data, their gap (which
    increases when the machine over-fits: Hinton 2012, 'A practical guide to training restricted Boltzmann
    machines', section 6), the pseudo-log-likelihood, and with `params.ais_chains` the log probability.
    PREDICT returns hidden float32 [n, hidden], reconstruction and dream (samples) float32 [n, height, width,
    channels] in [0, 1], free_energy and error float32 [n], key.

    Args:
      args: the model function's arguments.
      stack: the machines; the top one learns.
      one_hot: labels, float32 [n, classes]; None for a machine without a label unit, and in PREDICT.
    """
    machine = _Machine(args, stack, one_hot)
    if args.predicting:
        return machine.predict()
    return machine.evaluate() if args.evaluating else machine.train()


def hidden_hooks(args: Args[Any], hidden: Tensor) -> list[SessionRunHook]:
    """Returns the hook that shows hidden units, float32 [n, units], in the Embedding Projector.

    There is none for a run without summaries.
    """
    if args.evaluation_folder is None:
        return []
    columns = labels_and_keys(args.features, None, ())
    return [ProjectorHook(hidden, args.images, columns, args.evaluation_folder, keys.HIDDEN)]


def layer_pictures(stack: Stack, images: Tensor, reconstruction: Tensor) -> None:
    """Shows `images/receptive_fields`, of 64 hidden units, and `images/reconstruction`, inputs above.

    Images and reconstruction are float32 [n, height, width, channels] in [0, 1].
    """
    filters_picture('receptive_fields', stack.receptive_fields(_RECEPTIVE_FIELDS))
    rows_picture('reconstruction', [images, reconstruction])


class _Machine:
    def __init__(self, args: Args[RbmParams], stack: Stack, one_hot: Tensor | None) -> None:
        self._args = args
        self._stack = stack
        self._rbm: Rbm = stack.top.rbm
        self._one_hot = one_hot
        self._params = args.params
        self._is_bernoulli = stack.top.visible_units == BERNOULLI
        visible = stack.visible(args.images)
        self._features = visible.shape.as_list()[1]
        self._visible = self._with_label(visible)

    def train(self) -> EstimatorSpec:
        noise = Noise(fresh_seed(self._args.features))
        data = self._binary(self._visible, noise)
        change = update(self._rbm, data, self._params.recipe, noise)
        weights, sample = self._args.weights, self._sample()

        def keep() -> Operation:
            changed = [tf.assign(*assignment) for assignment in change.assignments]
            return tf.group(self._keep_in(sample, data), *changed)

        # Everything that reads the global step has to run before it is incremented.
        with tf.name_scope('kept'):
            kept = apply_if_nonempty(weights, keep)
        with tf.control_dependencies([kept]):
            pairs = self._stack.top.gradients_and_variables(change)
            step, rate = apply_gradients(self._params, pairs, weights)
        # Fetched in every step, so it reuses the products of the update. The summary's name stays free.
        with tf.name_scope('chain_error'):
            seen = self._visible[: tf.shape(change.reconstruction)[0]]
            loss = tf.reduce_mean(self._errors(seen, change.reconstruction[:, : self._features]))
        # Computed only in the steps that write summaries.
        with tf.name_scope('reconstruction'):
            error = tf.reduce_mean(self._errors(self._visible, self._reconstruction(self._visible)))
        with tf.name_scope('energy'):
            energy = tf.reduce_mean(self._rbm.free_energy(data))
        tf.summary.scalar(keys.LEARNING_RATE, rate)
        tf.summary.scalar(keys.RECONSTRUCTION_ERROR, error)
        tf.summary.scalar(keys.FREE_ENERGY, energy)
        network_histograms(self._endpoints(data))
        if self._args.folder:
            self._draw(noise)
        return tf.estimator.EstimatorSpec(
            tf.estimator.ModeKeys.TRAIN,
            loss=loss,
            train_op=step,
            training_hooks=self._args.picture_hooks(),
        )

    def evaluate(self) -> EstimatorSpec:
        noise = self._fixed_noise()
        data = self._binary(self._visible, noise)
        errors = self._errors(self._visible, self._reconstruction(self._visible))
        energies = self._rbm.free_energy(data)
        sample = tf.reduce_mean(self._rbm.free_energy(self._sample()))
        with tf.name_scope('metrics'):
            energy, update_energy = tf.metrics.mean(energies)
            metrics = {
                keys.RECONSTRUCTION_ERROR: tf.metrics.mean(errors),
                keys.FREE_ENERGY: (energy, update_energy),
                keys.TRAINING_FREE_ENERGY: _constant(sample),
                keys.FREE_ENERGY_GAP: _constant(energy - sample),
                keys.TOTAL_EXAMPLES: evaluated_images(errors),
            }
            if self._is_bernoulli:
                metrics[keys.PSEUDO_LOG_LIKELIHOOD] = tf.metrics.mean(
                    self._pseudo_log_likelihood(data, energies, noise)
                )
            if self._params.ais_chains:
                metrics.update(self._log_probability(energy))
        return tf.estimator.EstimatorSpec(
            tf.estimator.ModeKeys.EVAL,
            loss=tf.reduce_mean(errors),
            eval_metric_ops=metrics,
            predictions={keys.ERROR: errors},
            evaluation_hooks=hidden_hooks(self._args, self._rbm.hidden_mean(self._visible)),
        )

    def predict(self) -> EstimatorSpec:
        noise, images = self._fixed_noise(), self._args.images
        for name, values in self._endpoints(self._visible).items():
            publish(name, values)
        reconstruction = self._stack.images(self._reconstruction(self._visible), like=images)
        predictions = {
            keys.HIDDEN: self._rbm.hidden_mean(self._visible),
            keys.RECONSTRUCTION: reconstruction,
            keys.DREAM: self._stack.images(self._samples(noise)[:, : self._features]),
            keys.FREE_ENERGY: self._rbm.free_energy(self._visible),
            keys.ERROR: tf.reduce_sum(tf.square(images - reconstruction), axis=[1, 2, 3]),
        }
        return prediction_spec(predictions, self._args.features)

    def _endpoints(self, visible: Tensor) -> dict[str, Tensor]:
        top = self._stack.top
        return {top.name: self._rbm.hidden_mean(visible)}

    def _with_label(self, visible: Tensor) -> Tensor:
        if not self._rbm.classes:
            return visible
        one_hot = self._one_hot
        if one_hot is None:  # PREDICT
            one_hot = tf.zeros([tf.shape(visible)[0], self._rbm.classes])
        return tf.concat([visible, one_hot], axis=1)

    def _binary(self, visible: Tensor, noise: Noise) -> Tensor:
        """Samples the pixels as 0 or 1 if `binarize` is set; a label is 0 or 1 already."""
        if not (self._params.binarize and self._is_bernoulli):
            return visible
        with tf.name_scope('binary'):
            return noise.coins(visible)

    def _reconstruction(self, visible: Tensor) -> Tensor:
        """Returns the features' means after one mean-field pass up and down, float32 [n, features]."""
        return self._rbm.visible_mean(self._rbm.hidden_mean(visible))[:, : self._features]

    def _errors(self, visible: Tensor, reconstruction: Tensor) -> Tensor:
        return tf.reduce_sum(tf.square(visible[:, : self._features] - reconstruction), axis=1)

    def _fixed_noise(self) -> Noise:
        count = tf.shape(self._visible)[0]
        return Noise(fixed_seeds(self._args.features, count)[0])

    def _pseudo_log_likelihood(self, data: Tensor, energies: Tensor, noise: Noise) -> Tensor:
        """Estimates sum_i log p(v_i | the others) by one random unit per example, times their number."""
        chosen = tf.cast(noise.uniform([tf.shape(data)[0]]) * self._features, tf.int32)
        flips = tf.one_hot(chosen, data.shape.as_list()[1])
        flipped = self._rbm.free_energy(tf.abs(data - flips))
        return self._features * tf.log_sigmoid(flipped - energies)

    def _log_probability(self, energy: Tensor) -> Mapping[str, tuple[Tensor, Operation]]:
        mean = tf.reduce_mean(self._sample(), axis=0)
        noise = Noise(tf.constant([tf.get_default_graph().seed or 0, 0], tf.int64))
        found = log_partition(self._rbm, mean, self._params.ais_chains, self._params.ais_steps, noise)
        return {
            keys.LOG_PROBABILITY: _constant(-energy - found.estimate),
            keys.LOG_PARTITION: _constant(found.estimate),
            keys.LOG_PARTITION_LOW: _constant(found.low),
            keys.LOG_PARTITION_HIGH: _constant(found.high),
        }

    def _sample(self) -> Tensor:
        """Returns the variable that holds a sample of the training data, [images, visible]."""
        units = self._visible.shape.as_list()[1]
        count = max(min(_SAMPLE_IMAGES, _SAMPLE_VALUES // units), 1)
        with tf.variable_scope('', reuse=tf.AUTO_REUSE):
            return tf.get_variable(
                'training_sample', [count, units], initializer=tf.zeros_initializer(), trainable=False
            )

    def _keep_in(self, sample: Variable, data: Tensor) -> Operation:
        """Returns the operation that fills the sample during the first steps."""
        count = sample.shape.as_list()[0]
        step = tf.cast(tf.train.get_or_create_global_step(), tf.int32) - self._params.first_step
        size = tf.shape(data)[0]

        def first() -> Operation:  # all of it, so that no row is empty
            return tf.assign(sample, tf.gather(data, tf.range(count) % size))

        def further() -> Operation:
            rows = tf.range(step * size, (step + 1) * size)
            inside = tf.boolean_mask(tf.range(size), rows < count)
            return tf.scatter_update(sample, tf.gather(rows, inside), tf.gather(data, inside))

        with tf.control_dependencies([data]):
            return tf.cond(
                step * size >= count,
                tf.no_op,
                lambda: tf.group(tf.cond(tf.equal(step, 0), first, further)),
            )

    def _samples(self, noise: Noise) -> Tensor:
        start = self._visible
        if self._params.dream_from == 'noise':
            start = noise.uniform(tf.shape(start))
        return gibbs_samples(self._rbm, start, self._params.dream_steps, noise)

    def _draw(self, noise: Noise) -> None:
        """Adds the pictures of training."""
        with tf.name_scope('pictures'):
            images, visible = self._args.images[:_SHOWN], self._visible[:_SHOWN]
            reconstructed = self._stack.images(self._reconstruction(visible), like=images)
            film = [
                self._stack.images(values[:, : self._features])
                for values in gibbs_film(self._rbm, visible, noise)
            ]
        layer_pictures(self._stack, images, reconstructed)
        rows_picture('dream', film)


def _constant(value: Tensor) -> tuple[Tensor, Operation]:
    """Returns a metric that is computed once, after the last batch."""
    return value, tf.no_op()
