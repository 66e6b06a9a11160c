"""What all second-order optimizers share: a step that is a pure function, its state, and rejected steps."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.objective import Iterate, Objective, norm
from estimator_lab.tf1 import DType, Nested, Operation, Tensor, Variable, tf

MOST_REJECTED = 5
"""Training ends after this many steps in a row without a finite loss."""

NOT_FINITE = (
    f'The loss or its gradient was not finite in {MOST_REJECTED} steps in a row; the weights are as they '
    'were before the first of them.'
)
"""The message of that error, which TensorFlow prefixes with 'assertion failed: '."""


class Slot(NamedTuple):
    """A state variable to create: shape, initial value, dtype (None: that of the weights)."""

    shape: tuple[int, ...] = ()
    initial: float = 0.0
    dtype: DType = None


class Step(NamedTuple):
    """The result of a step: new weights [size], the new state, and diagnostics by name.

    A step is rejected if no loss that was tried was finite.
    """

    weights: Tensor
    state: Nested
    finite: Tensor
    diagnostics: dict[str, Tensor]


class SecondOrderOptimizer(tf.train.Optimizer):
    """A `tf.train.Optimizer` that computes the loss at several weights within one step.

    It asks nothing of the model: the loss at other weights is computed from the part of the graph between the
    variables and the loss (`objective.Objective`). All evaluations of a step use the same batch and the same
    random draws. A step is one function without side effects from weights and state to new weights and state;
    its loops are v2 control flow whether or not the program enables that.

    Attributes:
      diagnostics: name -> float32 scalar of the step, for `tf.summary.scalar`; filled by `minimize`: 'loss'
        before the step, 'gradient_norm', 'evaluations' of the loss, 'rejected_steps' in a row, and the
        subclass's `shown`. Fetch them in the same `run` as the train_op.
    """

    shown: tuple[str, ...] = ()
    """Names of a subclass's own diagnostics."""

    def __init__(self, name: str) -> None:
        super().__init__(use_locking=False, name=name)
        self.diagnostics: dict[str, Tensor] = {}
        self._state_variables: list[Variable] = []

    def variables(self) -> list[Variable]:
        """Returns the variables of the optimizer's state, which checkpoints contain."""
        return list(self._state_variables)

    def minimize(
        self,
        loss: Tensor,
        global_step: Tensor = None,
        var_list: Sequence[Variable] | None = None,
        name: str | None = None,
        active: Tensor = None,
    ) -> Operation:
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
            def step() -> Nested:
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
        raise FlagError(f'{self.get_name()} needs a loss to minimize; this model gives only gradients.')

    apply_gradients = compute_gradients

    def _study(self, objective: Objective) -> None:
        """Finds what the method needs besides the loss; called before the step is built."""

    def _initial_state(self, objective: Objective) -> Nested:
        """Returns the state as a NamedTuple of `Slot`."""
        raise NotImplementedError

    def _step(self, objective: Objective, here: Iterate, state: Nested) -> Step:
        """Returns the result of a step from `here`, where loss and gradient are finite."""
        raise NotImplementedError

    def _rejected(self, state: Nested) -> Nested:
        """Returns the state after a rejected step."""
        return state

    def _guarded(
        self, objective: Objective, here: Iterate, state: Nested, rejected: Tensor, active: Tensor
    ) -> tuple[Tensor, Nested, Tensor, dict[str, Tensor]]:
        """Returns weights, state, rejected steps in a row and diagnostics after a step."""
        usable = tf.is_finite(here.loss) & tf.reduce_all(tf.is_finite(here.gradient))
        zeros = {name: tf.constant(0.0) for name in ('evaluations', *self.shown)}

        def step() -> Nested:
            taken = self._step(objective, here, state)
            return (
                tf.cond(taken.finite, lambda: taken.weights, lambda: here.weights),
                tf.cond(taken.finite, lambda: taken.state, lambda: self._rejected(state)),
                taken.finite,
                {name: tf.cast(value, tf.float32) for name, value in taken.diagnostics.items()},
            )

        def reject() -> Nested:
            return here.weights, self._rejected(state), tf.constant(False), zeros

        def idle() -> Nested:
            return here.weights, state, tf.constant(True), zeros

        weights, state, finite, shown = tf.cond(active, lambda: tf.cond(usable, step, reject), idle)
        rejected = tf.where(active, tf.where(finite, tf.zeros_like(rejected), rejected + 1), rejected)
        general = {'loss': here.loss, 'gradient_norm': norm(here.gradient), 'rejected_steps': rejected}
        shown = {name: tf.cast(value, tf.float32) for name, value in general.items()} | shown
        shown['evaluations'] += 1  # the graph's own
        return weights, state, rejected, shown

    def _make_variables(self, slots: Any, dtype: DType) -> tuple[Tensor, Tensor]:
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

    def _reject_clusters(self, variables: Sequence[Variable]) -> None:
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise FlagError(
                f'{self.get_name()} trains one copy of the weights: several replicas are for first-order '
                'optimizers.'
            )
        if any('/job:ps' in variable.device for variable in variables):
            raise FlagError(
                f'{self.get_name()} keeps weights and state in one process, not on parameter servers.'
            )
