"""Helpers of ``tf.contrib.seq2seq`` that replace correct inputs by the decoder's own at random.

Scheduled sampling: Bengio et al. (2015).
"""

from collections.abc import Callable
from typing import Any

from estimator_lab.contrib.decoding_helpers import TrainingHelper, array_of_steps, embedding_function, sampled
from estimator_lab.contrib.rnn import transpose_batch_time
from estimator_lab.tf1 import tf


class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """Replaces inputs by embedded samples at random: scheduled sampling (Bengio et al. 2015).

    Args:
      inputs: as in TrainingHelper.
      sequence_length: as in TrainingHelper.
      embedding: function from ids to inputs, or their table.
      sampling_probability: probability of a sample, a scalar or [batch].
      time_major: as in TrainingHelper.
      seed: seed of the samples.
      scheduling_seed: seed of the choice.
      name: name of the operations.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        embedding: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        scheduling_seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(inputs, sequence_length, time_major, name)
        self._embedding_fn = embedding_function(embedding)
        self._probability = tf.convert_to_tensor(sampling_probability, name='sampling_probability')
        _check_probability(self._probability)
        self._seeds = seed, scheduling_seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Returns sampled classes, or -1 where the correct input is used."""
        seed, scheduling_seed = self._seeds
        chosen = _draw(self._batch_size, self._probability, scheduling_seed)
        ids = sampled(outputs, seed)
        return tf.where(chosen, ids, -tf.ones_like(ids))

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """Returns (finished, next inputs, state)."""
        finished, inputs, state = super().next_inputs(time, outputs, state, sample_ids)
        embedded = self._embedding_fn(tf.maximum(sample_ids, 0))
        return finished, _unless_all(finished, sample_ids > -1, embedded, inputs), state


class ScheduledOutputTrainingHelper(TrainingHelper):
    """Replaces inputs by the decoder's own outputs at random.

    Args:
      inputs: as in TrainingHelper.
      sequence_length: as in TrainingHelper.
      sampling_probability: probability of an output, a scalar or [batch].
      time_major: as in TrainingHelper.
      seed: seed of the choice.
      next_inputs_fn: function from outputs to inputs; the identity by default.
      auxiliary_inputs: [batch, time, ...] that are appended to all inputs, or None.
      name: name of the operations.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        next_inputs_fn: Callable[[Any], Any] | None = None,
        auxiliary_inputs: Any = None,
        name: str | None = None,
    ) -> None:
        self._auxiliary = None
        joined = inputs
        if auxiliary_inputs is not None:
            steps = auxiliary_inputs if time_major else transpose_batch_time(auxiliary_inputs)
            self._auxiliary = array_of_steps(steps)
            joined = tf.concat([inputs, auxiliary_inputs], -1)
        super().__init__(joined, sequence_length, time_major, name)
        self._probability = tf.convert_to_tensor(sampling_probability, name='sampling_probability')
        _check_probability(self._probability)
        self._next_inputs_fn = next_inputs_fn or (lambda outputs: outputs)
        self._seed = seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Returns 1 where the output becomes the next input."""
        return tf.cast(_draw(self._batch_size, self._probability, self._seed), tf.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """Returns (finished, next inputs, state)."""
        finished, inputs, state = super().next_inputs(time, outputs, state, sample_ids)
        own = self._next_inputs_fn(outputs)
        if self._auxiliary is not None:
            step = tf.minimum(time + 1, self._auxiliary.size() - 1)
            own = tf.concat([own, self._auxiliary.read(step)], -1)
        return finished, _unless_all(finished, tf.cast(sample_ids, tf.bool), own, inputs), state


def _check_probability(probability: Any) -> None:
    if probability.shape.ndims not in (0, 1):
        raise ValueError(
            f'sampling_probability must be either a scalar or a vector. saw shape: {probability.shape}'
        )


def _draw(count: Any, probability: Any, seed: int | None) -> Any:
    return tf.random_uniform([count], dtype=probability.dtype, seed=seed) < probability


def _unless_all(finished: Any, chosen: Any, new: Any, inputs: Any) -> Any:
    """Returns `new` in chosen rows, and else `inputs`; all of `inputs` if everything is finished."""
    return tf.where(tf.logical_and(chosen, ~tf.reduce_all(finished)), new, inputs)
