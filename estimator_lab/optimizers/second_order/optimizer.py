"""What second-order optimizers share: one train_op, state in the checkpoint, what they show and refuse."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.flat import norm
from estimator_lab.optimizers.second_order.objective import Iterate, Objective
from estimator_lab.settings import check_settings
from estimator_lab.tf1 import tf

MOST_REJECTED = 5
"""Steps in a row that may be rejected, for a loss that is not finite, until training ends."""

NOT_FINITE = (
    f'The loss or its gradient was not finite in {MOST_REJECTED} steps in a row; the weights are as they '
    'were before the first of them.'
)
"""What the error then says; TensorFlow puts 'assertion failed: ' before it."""

CANNOT: Mapping[str, str] = {
    'replicas': 'trains one copy of the weights: several replicas are for first-order optimizers.',
    'parameter_servers': 'keeps weights and state in one process, not on parameter servers.',
    'bfloat16': 'compares losses that differ in the last digits, which bfloat16 does not have: use '
    '--precision=float32.',
    'no_loss': 'needs a loss to minimize; this model gives only gradients.',
}
"""What no second-order optimizer can do: a name, and a sentence that goes on behind the optimizer's name."""


class Slot(NamedTuple):
    """A variable of the state, before it is made: shape, first value, dtype; None for that of the weights."""

    shape: tuple[int, ...] = ()
    initial: float = 0.0
    dtype: Any = None


class Step(NamedTuple):
    """What a step leads to.

    Attributes:
      weights: a vector [size].
      state: of the optimizer's own type.
      finite: whether any loss that was tried was finite; without, the step is rejected.
      diagnostics: name -> scalar.
    """

    weights: Any
    state: Any
    finite: Any
    diagnostics: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class SecondOrderSettings:
    """Settings of a second-order method, checked when they are made.

    Raises:
      FlagError: for a value that is not allowed; it names the setting and the allowed values.
    """

    def __post_init__(self) -> None:
        check_settings(self)


class SecondOrderOptimizer(tf.train.Optimizer):
    """A `tf.train.Optimizer` that computes the loss at several weights within one step.

    It asks nothing of the model: the loss at other weights comes from the graph between the variables and
    the loss (`objective.Objective`). All evaluations of a step see the same batch and the same random draws.
    The step is one function without side effects, from weights and state to weights and state; its loops are
    v2 control flow whatever the program has chosen. A subclass says what its state is and how it steps.

    Args:
      settings: its settings, an instance of its `Settings`; None for the defaults.
      name: of the optimizer and of its variables; None for that of the class.

    Attributes:
      settings: its settings.
      diagnostics: name -> float scalar of this step, for `tf.summary.scalar`, once `minimize` was called:
        'loss' before the step, 'gradient_norm', 'evaluations' of the loss, 'rejected_steps' in a row, and
        those that the subclass names in `shown`. Fetch them in the same `run` as the train_op.
    """

    Settings: type[SecondOrderSettings]
    """A subclass's settings, a frozen dataclass, whose fields are made by `setting`."""

    shown: tuple[str, ...] = ()
    """Names of a subclass's diagnostics."""

    def __init__(self, settings: Any = None, name: str | None = None) -> None:
        super().__init__(use_locking=False, name=name or type(self).__name__.removesuffix('Optimizer'))
        self.settings: Any = settings or self.Settings()
        self._state_variables: list[Any] = []
        self._diagnostics: dict[str, Any] = {}

    @property
    def diagnostics(self) -> dict[str, Any]:
        return dict(self._diagnostics)

    def variables(self) -> list[Any]:
        """Returns the variables of the optimizer's state, which are saved in the checkpoint."""
        return list(self._state_variables)

    def cannot(self, what: str) -> str:
        """Returns the sentence with which this optimizer refuses something: a key of `CANNOT`."""
        return f'{self.get_name()} {CANNOT[what]}'

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
          loss: a scalar, float32 or float64 as the variables are.
          global_step: a variable that counts the steps, one for each; None for none.
          var_list: the variables that learn; None for all trainable ones.
          name: of the operation.
          active: a boolean scalar; where it is false, weights and state stay as they are, and the step
            counts. None for always.

        Returns:
          An operation. When `MOST_REJECTED` steps in a row had no finite loss, it raises
          tf.errors.InvalidArgumentError with the sentence `NOT_FINITE`.

        Raises:
          FlagError: for what cannot be done, in one sentence (`CANNOT`, `Objective`).
          ValueError: if the loss depends on none of the variables.
        """
        variables = list(var_list) if var_list is not None else tf.trainable_variables()
        self._refuse_clusters(variables)
        objective = Objective(loss, variables)
        self._study(objective)
        with tf.name_scope(name or self.get_name()):
            kept, rejections = self._make_variables(self._initial_state(objective), objective.dtype)
            state = kept._make(variable.read_value() for variable in kept)
            rejected = rejections.read_value()
            here = objective.here()
            running = tf.constant(True) if active is None else tf.convert_to_tensor(active, tf.bool)

            # A function of its own, for its control flow and so that nothing in it can change a variable.
            @tf.function(autograph=False)
            def step() -> Any:
                return self._guarded(objective, here, state, rejected, running)

            weights, state, rejected, self._diagnostics = step()
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

    def apply_gradients(self, *arguments: Any, **named: Any) -> Any:
        """Raises FlagError: a step needs the loss, not a gradient."""
        raise FlagError(self.cannot('no_loss'))

    def vectors(self) -> int:
        """Returns how many vectors of the weights' size are held at the same time, about."""
        raise NotImplementedError

    def _study(self, objective: Objective) -> None:
        """Looks for what the method needs besides the loss; called before the step is built."""

    def _initial_state(self, objective: Objective) -> Any:
        """Returns the state: a structure of `Slot`."""
        raise NotImplementedError

    def _step(self, objective: Objective, here: Iterate, state: Any) -> Step:
        """Returns where one step leads from `here`, where loss and gradient are finite."""
        raise NotImplementedError

    def _rejected(self, state: Any) -> Any:
        """Returns the state behind a step that was rejected."""
        return state

    def _guarded(
        self, objective: Objective, here: Iterate, state: Any, rejected: Any, active: Any
    ) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Returns weights, state, rejected steps in a row and diagnostics behind a step."""
        usable = tf.is_finite(here.loss) & tf.reduce_all(tf.is_finite(here.gradient))
        stay = {name: tf.constant(0.0) for name in ('evaluations', *self.shown)}

        def step() -> Any:
            taken = self._step(objective, here, state)
            shown = {name: tf.cast(value, tf.float32) for name, value in taken.diagnostics.items()}
            after = tf.cond(taken.finite, lambda: taken.state, lambda: self._rejected(state))
            return (
                tf.cond(taken.finite, lambda: taken.weights, lambda: here.weights),
                after,
                taken.finite,
                shown,
            )

        def reject() -> Any:
            return here.weights, self._rejected(state), tf.constant(False), stay

        def idle() -> Any:
            return here.weights, state, tf.constant(True), stay

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
                name,
                slot.shape,
                slot.dtype or dtype,
                first,
                trainable=False,
                use_resource=True,
            )

        with tf.variable_scope(None, default_name=self.get_name()) as scope:
            # A model's own scope would part them, as canned estimators' do, or add them to the loss.
            scope.set_partitioner(None)
            scope.set_regularizer(None)
            kept = slots._make(make(name, slot) for name, slot in slots._asdict().items())
            rejected = make('rejected_steps', Slot(dtype=tf.int32))
        self._state_variables += [*kept, rejected]
        return kept, rejected

    def _refuse_clusters(self, variables: Sequence[Any]) -> None:
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise FlagError(self.cannot('replicas'))
        if any('/job:ps' in variable.device for variable in variables):
            raise FlagError(self.cannot('parameter_servers'))
