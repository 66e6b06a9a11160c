"""Contrastive divergence: how a restricted Boltzmann machine learns.

The gradient of the log likelihood with respect to W is <v h> over the data minus <v h> over the model
(Hinton 2012, eq. 4). CD-k takes the second from k Gibbs steps that start at the data (Hinton 2002);
persistent CD from chains that are never restarted (Tieleman 2008).
"""

from dataclasses import dataclass
from typing import Any

from estimator_lab.core.boltzmann.rbm import Rbm
from estimator_lab.core.float32 import in_float32
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, Variable, tf

_ACTIVATION_MEMORY = 0.95  # decay of the running mean that is compared with the sparsity target

_RECONSTRUCTED = 32  # examples, with persistent chains: all would take a tenth of the step


@dataclass(frozen=True)
class Recipe:
    """How an RBM is trained; the defaults are those of Hinton's practical guide.

    Attributes:
      cd_steps: Gibbs steps in each update, k.
      chains: persistent chains; 0 starts each chain at the data.
      weight_decay: the L2 penalty's factor, on weights alone.
      sparsity_target: the desired mean activation of each hidden unit, in (0, 1).
      sparsity_cost: weight of the penalty for missing it; 0 for none.
    """

    cd_steps: int = 1
    chains: int = 0
    weight_decay: float = 0.0002
    sparsity_target: float = 0.1
    sparsity_cost: float = 0.0


@dataclass(frozen=True)
class Update:
    """The results of one update.

    Attributes:
      gradients: of the weights, the visible and the hidden bias; descending them increases the likelihood.
      reconstruction: float32 [m, visible], means of the visible units for the first m examples: after the
        first Gibbs step of chains that start at the data, or else after one mean-field pass.
      assignments: variables that change with the update, each with its new value.
    """

    gradients: tuple[Any, Any, Any]
    reconstruction: Tensor
    assignments: list[tuple[Variable, Tensor]]


def update(rbm: Rbm, visible: Tensor, recipe: Recipe, noise: Noise) -> Update:
    """Returns the update from a batch, computed with matrix products.

    Args:
      rbm: the machine; its hidden units are binary if `recipe.sparsity_cost` is above 0.
      visible: float32 [batch, visible], the data.
      recipe: how it is trained.
      noise: the random numbers.
    """
    with tf.name_scope('contrastive_divergence'):
        rbm = rbm.read_once()
        hidden = rbm.hidden_mean(visible)
        chains = _chains(visible, recipe.chains) if recipe.chains else None
        # The first step is outside of the loop, so that E[h | data] is computed only once.
        first = rbm.gibbs_step(visible if chains is None else chains, noise.fork(tf.constant(0)))
        model = rbm.gibbs(first.sample, recipe.cd_steps - 1, noise) if recipe.cd_steps > 1 else first.sample
        assignments: list[tuple[Variable, Tensor]] = []
        if chains is None:
            reconstruction = first.mean
        else:
            assignments.append((chains, model))
            reconstruction = rbm.visible_mean(hidden[:_RECONSTRUCTED])
        gradients = _differences((model, rbm.hidden_mean(model)), (visible, hidden))
        gradients[0] += recipe.weight_decay * rbm.weights
        if recipe.sparsity_cost:
            penalties, keep = _sparsity(visible, hidden, recipe)
            gradients[0] += penalties[0]
            gradients[2] += penalties[1]
            assignments.append(keep)
        return Update(tuple(gradients), reconstruction, assignments)


def _differences(model: tuple[Any, Any], data: tuple[Any, Any]) -> list[Any]:
    """Returns the means of v h, v and h over the model minus those over the data.

    Args:
      model: v float32 [n, visible] and h [n, hidden].
      data: the same, with any number of rows.
    """
    visible = tf.concat([model[0], data[0]], axis=0)
    # One product for both means: dividing and subtracting before it touches fewer values than after.
    hidden = tf.concat([_share(model[1]), -_share(data[1])], axis=0)
    return [
        in_float32(tf.matmul(visible, hidden, transpose_a=True)),
        tf.reduce_mean(model[0], axis=0) - tf.reduce_mean(data[0], axis=0),
        tf.reduce_sum(hidden, axis=0),
    ]


def _share(values: Tensor) -> Tensor:
    """Divides float32 [n, units] by n."""
    return values / tf.cast(tf.shape(values)[0], tf.float32)


def _chains(visible: Tensor, count: int) -> Tensor:
    """Returns the variable with the persistent chains, float32 [count, visible]."""
    shape = [count, visible.shape.as_list()[1]]
    return tf.get_variable(
        'chains', shape, initializer=tf.random_uniform_initializer(0.0, 1.0), trainable=False
    )


def _sparsity(visible: Tensor, hidden: Tensor, recipe: Recipe) -> tuple[tuple[Any, Any], Any]:
    """Returns the sparsity penalty's gradients (guide, section 11) and the update of the running mean q.

    With q the running mean of a unit's activation and p the target, the gradient of the cross-entropy with
    respect to the unit's input is q - p, for the bias and the incoming weights.
    """
    units = hidden.shape.as_list()[1]
    running = tf.get_variable(
        'mean_activation',
        [units],
        initializer=tf.constant_initializer(recipe.sparsity_target),
        trainable=False,
    )
    now = _ACTIVATION_MEMORY * running + (1 - _ACTIVATION_MEMORY) * tf.reduce_mean(hidden, axis=0)
    excess = recipe.sparsity_cost * (now - recipe.sparsity_target)
    weights = tf.expand_dims(tf.reduce_mean(visible, axis=0), 1) * excess
    return (weights, excess), (running, now)
