"""Mixup and CutMix: pairs of training images are blended, and so are their labels.

Sources: mixup, Zhang et al. 2018 (arXiv:1710.09412); CutMix, Yun et al. 2019 (arXiv:1905.04899).

Neighbours in a batch are partners: those at places 0 and 1, 2 and 3, ... All random numbers of a pair depend
on the graph's seed, the global step and the first one's key, so that they are the same after a restart, and
on any number of workers whose shares of the global batch begin at even places.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from estimator_lab.conventions import PLACE
from estimator_lab.core.model.features import example_weights, keys_of
from estimator_lab.core.model.params import ClassifierParams
from estimator_lab.tf1 import Features, Tensor, tf

_HASHES = 2**24  # as many as float32 tells apart in [0, 1)
_QUANTILES = 2**12
_GRID = 2**14


class Mixing(NamedTuple):
    """Which examples of a batch are blended, and how.

    Attributes:
      partners: the row of each example's partner, int32 [batch]; its own for one without a partner.
      shares: weight of an example's own label, float32 [batch] in [0, 1]; the partner's is the rest.
      blend: blends images, float32 [batch, height, width, channels].
    """

    partners: Tensor
    shares: Tensor
    blend: Callable[[Tensor], Tensor]

    def mixed(self, values: Tensor) -> Tensor:
        """Returns values of each example, float32 [batch, ...], blended with its partner's by its share."""
        shares = tf.reshape(self.shares, [-1] + [1] * (values.shape.ndims - 1))
        return shares * values + (1 - shares) * tf.gather(values, self.partners)


def mixing_of(features: Features, known: Tensor, params: ClassifierParams) -> Mixing:
    """Returns how the examples of a batch are blended.

    Args:
      features: those of images; 'place' says where each is in its batch, if bad ones were left out.
      known: whether the label of each example is known, bool [batch]; others stay as they are.
      params: `mixup` and `cutmix` are the parameters of their Beta distributions, 0 for none; with both, each
        pair is blended in one of the two ways, with equal chances.
    """
    with tf.name_scope('mixing'):
        partners, leaders = _pairs(features, known)
        numbers = _Numbers(features, leaders)
        is_alone = tf.equal(partners, tf.range(tf.size(partners)))
        mixup, box_shares, boxes = [tf.ones_like(known, tf.float32)] * 2 + [tf.zeros([])]
        height, width, _ = params.image_shape
        if params.mixup:
            mixup = tf.where(is_alone, mixup, _beta(numbers.uniform('mixup'), params.mixup))
        if params.cutmix:
            wanted = _beta(numbers.uniform('cutmix'), params.cutmix)
            boxes, box_shares = _boxes(numbers, tf.where(is_alone, box_shares, wanted), height, width)
        if params.mixup and params.cutmix:
            is_box = numbers.uniform('choice') < 0.5
            mixup = tf.where(is_box, tf.ones_like(mixup), mixup)
            box_shares = tf.where(is_box, box_shares, tf.ones_like(box_shares))
            boxes *= tf.cast(is_box, tf.float32)[:, tf.newaxis, tf.newaxis]

    def blend(images: Tensor) -> Tensor:
        with tf.name_scope('mixed_images'):
            foreign = 1 - mixup[:, tf.newaxis, tf.newaxis]
            foreign = (foreign + boxes - foreign * boxes)[..., tf.newaxis]
            return images + foreign * (tf.gather(images, partners) - images)

    return Mixing(partners, mixup * box_shares, blend)


def _pairs(features: Features, known: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the row of each example's partner, and that of the first one of its pair, int32 [batch]."""
    known = tf.logical_and(known, example_weights(features) * tf.ones_like(known, tf.float32) > 0)
    rows = tf.range(tf.size(known))
    places = features.get(PLACE, rows) if isinstance(features, Mapping) else rows
    is_first = tf.equal(places % 2, 0)
    found = rows + tf.where(is_first, tf.ones_like(rows), -tf.ones_like(rows))
    inside = tf.clip_by_value(found, 0, tf.size(rows) - 1)
    are_neighbours = tf.equal(tf.gather(places, inside), places + found - rows)
    are_two = tf.equal(found, inside) & are_neighbours & known & tf.gather(known, inside)
    partners = tf.where(are_two, inside, rows)
    return partners, tf.minimum(rows, partners)


class _Numbers:
    """Random numbers of pairs."""

    def __init__(self, features: Features, leaders: Tensor) -> None:
        keys, step = keys_of(features), tf.train.get_or_create_global_step()
        # A key without the archive's path, as for the noise of a step.
        names = tf.as_string(leaders) if keys is None else tf.strings.regex_replace(keys, '^.*:', '')
        seed = f'{tf.get_default_graph().seed or 0} '
        self._names = tf.strings.join([seed, tf.as_string(step), ' ', tf.gather(names, leaders)])

    def uniform(self, purpose: str) -> Tensor:
        """Returns a number in [0, 1) for each example, the same for both of a pair."""
        hashes = tf.strings.to_hash_bucket_fast(tf.strings.join([self._names, f' {purpose}']), _HASHES)
        return tf.cast(hashes, tf.float32) / _HASHES


def _boxes(numbers: _Numbers, shares: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Returns masks that are 1 in each pair's box, float32 [batch, height, width], and the shares outside.

    The centre of a box is anywhere in the image, and its part outside is cut off, as in the paper.
    """
    side = tf.sqrt(1 - shares)

    def inside(length: int, purpose: str) -> Tensor:
        middle, half = numbers.uniform(purpose) * length, side * length / 2
        pixels = tf.range(length, dtype=tf.float32)[tf.newaxis] + 0.5
        return tf.cast(tf.abs(pixels - middle[:, tf.newaxis]) < half[:, tf.newaxis], tf.float32)

    rows, columns = inside(height, 'row'), inside(width, 'column')
    covered = tf.reduce_mean(rows, 1) * tf.reduce_mean(columns, 1)
    return rows[:, :, tf.newaxis] * columns[:, tf.newaxis, :], 1 - covered


def _beta(uniform: Tensor, alpha: float) -> Tensor:
    """Returns numbers with the distribution Beta(alpha, alpha), made of uniform ones."""
    table = tf.constant(beta_quantiles(alpha, _QUANTILES), tf.float32)
    place = uniform * _QUANTILES
    low = tf.cast(place, tf.int32)  # truncated
    start = tf.gather(table, low)
    return start + (place - tf.cast(low, tf.float32)) * (tf.gather(table, low + 1) - start)


def beta_quantiles(alpha: float, count: int) -> np.ndarray:
    """Returns the quantiles of Beta(alpha, alpha) at 0, 1 / count, ... 1, float64 [count + 1]; count is even.

    With x = s^k / 2, the density of s in [0, 1] is proportional to s^(k alpha - 1) (1 - x)^(alpha - 1), which
    is finite everywhere for k = max(1, 1 / alpha). The distribution is symmetric about 1/2.
    """
    power = max(1.0, 1 / alpha)
    s = np.linspace(0, 1, _GRID + 1)
    x = s**power / 2
    density = s ** (power * alpha - 1) * (2 * (1 - x)) ** (alpha - 1)
    total = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    lower = np.interp(np.arange(count // 2 + 1) / count, total / total[-1] / 2, s) ** power / 2
    return np.concatenate([lower, 1 - lower[-2::-1]])
