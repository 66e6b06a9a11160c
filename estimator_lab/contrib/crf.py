"""``tf.contrib.crf``: linear-chain conditional random fields (Lafferty et al. 2001, section 3).

A path of tags y scores the sum of its potentials x[t, y[t]] and of its transitions A[y[t-1], y[t]]; its
probability is the exponential of its score divided by the sum over all paths. Steps at or after a sequence's
length are ignored.

The functions of tensors have these arguments:
  inputs, potentials: x, float [batch, time, tags].
  tag_indices: y, integers [batch, time] in [0, tags).
  sequence_lengths, sequence_length: integers [batch].
  transition_params: A, float [tags, tags], from the row's tag to the column's.
"""

from typing import Any

import numpy as np

from estimator_lab.tf1 import DType, Tensor, tf


def _mask(lengths: Tensor, like: Tensor, dtype: DType) -> Tensor:
    """Returns [batch, time]: 1 at steps within the length; `like` has `time` on axis 1."""
    return tf.sequence_mask(tf.cast(lengths, tf.int64), tf.shape(like, out_type=tf.int64)[1], dtype)


def crf_unary_score(tag_indices: Tensor, sequence_lengths: Tensor, inputs: Tensor) -> Tensor:
    """Returns the sum of the potentials of given tags, [batch]."""
    mask = _mask(sequence_lengths, inputs, inputs.dtype)
    tags = tag_indices * tf.cast(mask, tag_indices.dtype)
    return tf.reduce_sum(tf.gather(inputs, tags, batch_dims=2) * mask, 1)


def crf_binary_score(tag_indices: Tensor, sequence_lengths: Tensor, transition_params: Tensor) -> Tensor:
    """Returns the sum of the transitions between given tags, [batch]."""
    mask = _mask(sequence_lengths, tag_indices, transition_params.dtype)
    tags = tag_indices * tf.cast(mask, tag_indices.dtype)
    pairs = tf.stack([tags[:, :-1], tags[:, 1:]], -1)
    return tf.reduce_sum(tf.gather_nd(transition_params, pairs) * mask[:, 1:], 1)


def crf_sequence_score(
    inputs: Tensor, tag_indices: Tensor, sequence_lengths: Tensor, transition_params: Tensor
) -> Tensor:
    """Returns the score of given paths, [batch]; 0 for an empty sequence."""
    return crf_unary_score(tag_indices, sequence_lengths, inputs) + crf_binary_score(
        tag_indices, sequence_lengths, transition_params
    )


def _steps(inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the potentials of all steps after the first, [time - 1, batch, tags], and their mask."""
    counts = _mask(lengths, inputs, tf.bool)
    return tf.transpose(inputs[:, 1:], [1, 0, 2]), tf.transpose(counts[:, 1:])[..., tf.newaxis]


def crf_log_norm(inputs: Tensor, sequence_lengths: Tensor, transition_params: Tensor) -> Tensor:
    """Returns log(sum(exp(score))) of all paths, by forward recursion, [batch]; 0 for an empty sequence."""

    def forward(alpha: Tensor, step: tuple[Tensor, Tensor]) -> Tensor:
        potentials, counts = step
        grown = potentials + tf.reduce_logsumexp(alpha[:, :, tf.newaxis] + transition_params, 1)
        return tf.where(tf.broadcast_to(counts, tf.shape(grown)), grown, alpha)

    alpha = tf.foldl(forward, _steps(inputs, sequence_lengths), inputs[:, 0])
    norm = tf.reduce_logsumexp(alpha, 1)
    return tf.where(tf.less_equal(sequence_lengths, 0), tf.zeros_like(norm), norm)


def crf_log_likelihood(
    inputs: Tensor, tag_indices: Tensor, sequence_lengths: Tensor, transition_params: Tensor = None
) -> tuple[Tensor, Tensor]:
    """Returns the log-likelihood of given paths, [batch], and the transitions.

    If `transition_params` is None, they are the new variable `transitions` [tags, tags].
    """
    if transition_params is None:
        tags = tf.TensorShape(inputs.shape).as_list()[2]
        transition_params = tf.get_variable('transitions', [tags, tags])
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(inputs, sequence_lengths, transition_params), transition_params


def crf_decode(
    potentials: Tensor, transition_params: Tensor, sequence_length: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns the best paths, by Viterbi's recursion: tags int32 [batch, time] and their scores [batch].

    Tags are 0 after a sequence's length. An empty sequence is decoded as one of a single step, as in 1.15.
    """
    itself = tf.zeros_like(potentials[:, 0], tf.int32) + tf.range(tf.shape(potentials)[2])

    def forward(state: tuple[Tensor, Tensor], step: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        potentials, counts = step
        arrivals = state[0][:, :, tf.newaxis] + transition_params
        counts = tf.broadcast_to(counts, tf.shape(potentials))
        best = potentials + tf.reduce_max(arrivals, 1)
        origin = tf.argmax(arrivals, 1, output_type=tf.int32)
        return tf.where(counts, best, state[0]), tf.where(counts, origin, itself)

    start = (potentials[:, 0], itself)
    scores, origins = tf.scan(forward, _steps(potentials, sequence_length), start)
    final = tf.concat([start[0][tf.newaxis], scores], 0)[-1]
    last = tf.argmax(final, 1, output_type=tf.int32)
    earlier = tf.scan(lambda tag, origin: tf.gather(origin, tag, batch_dims=1), origins, last, reverse=True)
    tags = tf.transpose(tf.concat([earlier, last[tf.newaxis]], 0))
    return tags * _mask(tf.maximum(sequence_length, 1), potentials, tf.int32), tf.reduce_max(final, 1)


def viterbi_decode(score: np.ndarray, transition_params: np.ndarray) -> tuple[list[int], Any]:
    """Returns the best path through potentials [time, tags], and its score, computed by NumPy."""
    score, transition_params = np.asarray(score), np.asarray(transition_params)
    best, origins = score[0], []
    for potentials in score[1:]:
        arrivals = best[:, np.newaxis] + transition_params
        origins.append(arrivals.argmax(0))
        best = potentials + arrivals.max(0)
    path = [int(best.argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return path[::-1], best.max()
