"""The base class of second-order optimizers, their settings, and what they cannot do."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from estimator_lab.base.settings import check_settings, setting, settings_of
from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.flat import norm
from estimator_lab.optimizers.second_order.objective import Iterate, Objective
from estimator_lab.tf1 import tf

S = TypeVar('S', bound='SecondOrderSettings')

MOST_REJECTED = 5
"""Training ends after this many steps in a row without a finite loss."""

NOT_FINITE = (
    f'The loss or its gradient was not finite in {MOST_REJECTED} steps in a row; the weights are as they '
    'were before the first of them.'
)
"""The message of that error, which TensorFlow prefixes with 'assertion failed: '."""

_CANNOT = {
    'replicas': 'trains one copy of the weights: several replicas are for first-order optimizers.',
    'parameter_servers': 'keeps weights and state in one process, not on parameter servers.',
    'bfloat16': 'compares losses that differ in the last digits, which bfloat16 does not have: use '
    '--precision=float32.',
    'no_loss': 'needs a loss to minimize; this model gives only gradients.',
}


def _for(*optimizers: str) -> Callable[[Any], bool]:
    """Returns whether a model's hyper-parameters choose one of these optimizers."""
    return lambda params: params.optimizer in optimizers


class Slot(NamedTuple):
    """A state variable to create: shape, initial value, dtype (None: that of the weights)."""

    shape: tuple[int, ...] = ()
    initial: float = 0.0
    dtype: Any = None


class Step(NamedTuple):
    """The result of a step.

    Attributes:
      weights: the new weights, a vector [size].
      state: the new state, of the optimizer's own type.
      finite: bool scalar: whether any loss that was tried was finite; otherwise the step is rejected.
      diagnostics: name -> scalar.
    """

    weights: Any
    state: Any
    finite: Any
    diagnostics: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class SecondOrderParams:
    """The settings of second-order optimizers that are hyper-parameters of every model."""

    memory: int = setting(
        10,
        'pairs that lbfgs keeps',
        lower=1,
        structural=True,
        used_if=_for('lbfgs'),
    )
    iterations: int = setting(
        1,
        'iterations of lbfgs and conjugate_gradient on each batch',
        lower=1,
        used_if=_for('lbfgs', 'conjugate_gradient'),
    )
    line_search_steps: int = setting(
        0,
        'most evaluations in the line search of a second-order optimizer; 0 for its default (20; '
        'hessian_free: 60)',
        lower=0,
        used_if=_for('lbfgs', 'conjugate_gradient', 'hessian_free'),
    )
    cg_steps: int = setting(
        250,
        'most inner steps of hessian_free',
        lower=1,
        used_if=_for('hessian_free'),
    )
    curvature_share: float = setting(
        1.0,
        'share of the batch from which hessian_free takes curvature, a different one in each step',
        above=0,
        upper=1,
        used_if=_for('hessian_free'),
    )
    damping: float = setting(
        0.0,
        "the first lambda of hessian_free; 0 for a tenth of the loss's largest curvature",
        lower=0,
        used_if=_for('hessian_free'),
    )


@dataclasses.dataclass(frozen=True)
class SecondOrderSettings(SecondOrderParams):
    """Settings of a second-order optimizer, checked when they are made.

    Raises:
      FlagError: for a value that is not allowed; it names the setting and the allowed values.
    """

    def __post_init__(self) -> None:
        check_settings(self)

    @classmethod
    def of(cls: type[S], params: SecondOrderParams) -> S:
        """Returns settings with the values of a model's hyper-parameters, and defaults for all others."""
        return cls(**{name: getattr(params, name) for name in settings_of(SecondOrderParams)})


class SecondOrderOptimizer(tf.train.Optimizer):
    """A `tf.train.Optimizer` that computes the loss at several weights within one step.

    It asks nothing of the model: the loss at other weights is computed from the part of the graph between the
    variables and the loss (`objective.Objective`). All evaluations of a step use the same batch and the same
    random draws. A step is one function without side effects from weights and state to new weights and state;
    its loops are v2 control flow whether or not the program enables that. A subclass defines the state and
    the step.

    Args:
      settings: an instance of the class's `Settings`; None for the defaults.
      name: name of the optimizer and scope of its variables; None for the class's name.

    Attributes:
      settings: its settings.
      diagnostics: name -> float32 scalar of the step, for `tf.summary.scalar`; filled by `minimize`: 'loss'
        before the step, 'gradient_norm', 'evaluations' of the loss, 'rejected_steps' in a row, and the
        subclass's `shown`. Fetch them in the same `run` as the train_op.
    """

    Settings: type[SecondOrderSettings]
    """The class of a subclass's settings."""

    shown: tuple[str, ...] = ()
    """Names of a subclass's own diagnostics."""

    def __init__(self, settings: Any = None, name: str | None = None) -> None:
        super().__init__(use_locking=False, name=name or type(self).__name__.removesuffix('Optimizer'))
        self.settings: Any = settings or self.Settings()
        self.diagnostics: dict[str, Any] = {}
        self._state_variables: list[Any] = []

    def variables(self) -> list[Any]:
        """Returns the variables of the optimizer's state, which checkpoints contain."""
        return list(self._state_variables)

    def cannot(self, what: str) -> str:
        """Returns the error message for 'replicas', 'parameter_servers', 'bfloat16' or 'no_loss'."""
        return f'{self.get_name()} {_CANNOT[what]}'

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Sequence[Any] | None = None,
        name: str | None = None,
        active: Any = None,
    ) -> Any:
        """Returns the operation that takes one step down the loss.

        Args:
          loss: a scalar, float32 or float64 like the variables.
          global_step: a variable to increment; None for none.
          var_list: the variables to train; None for all trainable ones.
          name: name scope of the step.
          active: bool scalar: if false, weights and state stay unchanged and only the global step increases;
            None for always true.

        Returns:
          An operation. After `MOST_REJECTED` steps in a row without a finite loss, it raises
          tf.errors.InvalidArgumentError with the message `NOT_FINITE`.

        Raises:
          FlagError: for several replicas, parameter servers, and what `Objective` rejects.
          ValueError: if the loss depends on none of the variables.
        """
        variables = list(var_list) if var_list is not None else tf.trainable_variables()
        self._reject_clusters(variables)
        objective = Objective(loss, variables)
        self._study(objective)
        with tf.name_scope(name or self.get_name()):
            kept, rejections = self._make_variables(self._initial_state(objective), objective.dtype)
            state = kept._make(variable.read_value() for variable in kept)
            rejected = rejections.read_value()
            here = objective.here()
            running = tf.constant(True) if active is None else tf.convert_to_tensor(active, tf.bool)

            # A function gets v2 control flow, and nothing in it can change a variable.
            @tf.function(autograph=False)
            def step() -> Any:
                return self._guarded(objective, here, state, rejected, running)

            weights, state, rejected, self.diagnostics = step()
            pairs = zip((*kept, rejections), (*state, rejected), strict=True)
            updates = [objective.assign(weights), *(tf.assign(variable, value) for variable, value in pairs)]
            with tf.control_dependencies(updates):
                checked = tf.Assert(rejected < MOST_REJECTED, [NOT_FINITE])
            with tf.control_dependencies([checked]):
                count = tf.no_op() if global_step is None else tf.assign_add(global_step, 1).op
        tf.add_to_collection(tf.GraphKeys.TRAIN_OP, count)
        return count

    def compute_gradients(self, *arguments: Any, **named: Any) -> Any:
        """Raises FlagError: a step needs the loss, not a gradient."""
        raise FlagError(self.cannot('no_loss'))

    apply_gradients = compute_gradients

    def vectors(self) -> int:
        """Returns roughly how many vectors of the weights' size a step keeps in memory at the same time."""
        raise NotImplementedError

    def _study(self, objective: Objective) -> None:
        """Finds what the method needs besides the loss; called before the step is built."""

    def _initial_state(self, objective: Objective) -> Any:
        """Returns the state, a NamedTuple of `Slot`."""
        raise NotImplementedError

    def _step(self, objective: Objective, here: Iterate, state: Any) -> Step:
        """Returns the result of a step from `here`, where loss and gradient are finite."""
        raise NotImplementedError

    def _rejected(self, state: Any) -> Any:
        """Returns the state after a rejected step."""
        return state

    def _guarded(
        self, objective: Objective, here: Iterate, state: Any, rejected: Any, active: Any
    ) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Returns weights, state, rejected steps in a row and diagnostics after a step."""
        usable = tf.is_finite(here.loss) & tf.reduce_all(tf.is_finite(here.gradient))
        zeros = {name: tf.constant(0.0) for name in ('evaluations', *self.shown)}

        def step() -> Any:
            taken = self._step(objective, here, state)
            return (
                tf.cond(taken.finite, lambda: taken.weights, lambda: here.weights),
                tf.cond(taken.finite, lambda: taken.state, lambda: self._rejected(state)),
                taken.finite,
                {name: tf.cast(value, tf.float32) for name, value in taken.diagnostics.items()},
            )

        def reject() -> Any:
            return here.weights, self._rejected(state), tf.constant(False), zeros

        def idle() -> Any:
            return here.weights, state, tf.constant(True), zeros

        weights, state, finite, shown = tf.cond(active, lambda: tf.cond(usable, step, reject), idle)
        rejected = tf.where(active, tf.where(finite, tf.zeros_like(rejected), rejected + 1), rejected)
        general = {'loss': here.loss, 'gradient_norm': norm(here.gradient), 'rejected_steps': rejected}
        shown = {name: tf.cast(value, tf.float32) for name, value in general.items()} | shown
        shown['evaluations'] += 1  # the graph's own
        return weights, state, rejected, shown

    def _make_variables(self, slots: Any, dtype: Any) -> tuple[Any, Any]:
        """Returns the variables of a state, and the one that counts rejected steps."""

        def make(name: str, slot: Slot) -> Any:
            first = tf.constant_initializer(slot.initial) if slot.initial else tf.zeros_initializer()
            return tf.get_variable(
                name, slot.shape, slot.dtype or dtype, first, trainable=False, use_resource=True
            )

        with tf.variable_scope(None, default_name=self.get_name()) as scope:
            # A surrounding scope, such as a canned estimator's, may partition or regularize its variables.
            scope.set_partitioner(None)
            scope.set_regularizer(None)
            kept = slots._make(make(name, slot) for name, slot in slots._asdict().items())
            rejected = make('rejected_steps', Slot(dtype=tf.int32))
        self._state_variables += [*kept, rejected]
        return kept, rejected

    def _reject_clusters(self, variables: Sequence[Any]) -> None:
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise FlagError(self.cannot('replicas'))
        if any('/job:ps' in variable.device for variable in variables):
            raise FlagError(self.cannot('parameter_servers'))
