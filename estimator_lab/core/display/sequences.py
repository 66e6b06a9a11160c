"""Pictures of a network that reads sequences: its states, its gates, and gradients through time."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.core.display.charts import draw_curves, heat_map
from estimator_lab.core.display.drawing import Drawing, write_values
from estimator_lab.core.display.summaries import histogram_value, picture_value
from estimator_lab.core.metrics.streaming import running_sum
from estimator_lab.core.model.endpoints import Endpoints, gates_of, states_of
from estimator_lab.tf1 import Tensor, tf

GRADIENT_THROUGH_TIME = 'gradient_through_time'
ACCURACY_AFTER_STEPS = 'accuracy_after_each_step'
_STEP = 'step'
_BINS = 40


def gradient_norms(score: Tensor, endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns the norms of a score's gradient by the states of each step, name -> float32 [batch, steps].

    The score is a scalar, a sum over the examples; the endpoints have probes. A norm that decreases towards
    earlier steps shows a vanishing gradient, an increasing one an exploding gradient (Bengio et al. 1994;
    Pascanu et al. 2013).
    """
    probes = {name: endpoint.probe for name, endpoint in endpoints.items() if endpoint.probe is not None}
    gradients = tf.gradients(score, list(probes.values())) if probes else []
    return {
        name: tf.norm(gradient, axis=2)
        for name, gradient in zip(probes, gradients, strict=True)
        if gradient is not None
    }


def sequence_pictures(
    states: Mapping[str, np.ndarray], gates: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray]
) -> dict[str, Image.Image]:
    """Returns pictures by name: `states_NAME`, `gates_NAME` and `gradient_through_time`.

    Args:
      states: name of a layer -> float [steps, units] of one example.
      gates: NAME_GATE, with the name of the layer -> float [..., units].
      gradients: name of a layer -> norms by step, float [steps].
    """
    pictures = {f'states_{name}': heat_map(values) for name, values in states.items()}
    for name in states:
        own = {
            gate.removeprefix(f'{name}_'): values
            for gate, values in gates.items()
            if _layer_of(gate, states) == name
        }
        if own:
            pictures[f'gates_{name}'] = draw_curves(
                'share of values', 'value', {gate: _distribution(values) for gate, values in own.items()}
            )
    if gradients:
        curves = {name: (range(1, len(norms) + 1), norms) for name, norms in gradients.items()}
        pictures[GRADIENT_THROUGH_TIME] = draw_curves(
            'norm of the gradient by the state', _STEP, curves, logarithmic=True
        )
    return pictures


def _layer_of(gate: str, names: Iterable[str]) -> str:
    """Returns the layer of a gate: the longest prefix, as there are both rnn_1 and rnn_1_backwards."""
    return max((name for name in names if gate.startswith(f'{name}_')), key=len, default='')


def _distribution(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the centres of the bins, and the share of the values in each."""
    finite = values[np.isfinite(values)]
    counts, edges = np.histogram(finite, _BINS)
    return (edges[1:] + edges[:-1]) / 2, counts / max(finite.size, 1)


def sequences_drawing(endpoints: Endpoints, loss: Tensor) -> Drawing:
    """Returns the drawing of the layers' values for a few examples.

    The endpoints have probes; the loss is a scalar, of the same examples.

    - images/states_NAME: the states of the first example;
    - images/gates_NAME, and a histogram gates/NAME_GATE for each gate: the gates of all examples;
    - images/gradient_through_time: norm of the loss's gradient by the state of each step, the mean over the
      examples; gradient_through_time/NAME: log10 of the first step's norm divided by the last step's.
    """
    with tf.name_scope('sequences'):
        tensors = {
            'states': {name: values[0] for name, values in states_of(endpoints).items()},
            'gates': gates_of(endpoints),
            'gradients': {
                name: tf.reduce_mean(norms, axis=0) for name, norms in gradient_norms(loss, endpoints).items()
            },
        }
    return Drawing(tensors, lambda found: _values(**found))


def _values(
    states: Mapping[str, np.ndarray], gates: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray]
) -> list[Any]:
    pictures = sequence_pictures(states, gates, gradients)
    values = [picture_value(name, picture) for name, picture in pictures.items()]
    values += [histogram_value(f'gates/{name}', found) for name, found in gates.items()]
    for name, norms in gradients.items():
        if norms[0] > 0 and norms[-1] > 0:
            ratio = float(np.log10(norms[0] / norms[-1]))
            values.append(tf.Summary.Value(tag=f'{GRADIENT_THROUGH_TIME}/{name}', simple_value=ratio))
    return values


class AccuracyAfterSteps:
    """The accuracy of a classifier after parts of its sequence, over an evaluation.

    Args:
      logits: float32 [batch, steps, classes], after some of the steps.
      steps: the numbers of these steps, counted from 1.
      ids: int64 [batch], the true classes.
      weights: float32 [batch]; examples of weight 0 do not count.
    """

    def __init__(self, logits: Tensor, steps: Sequence[int], ids: Tensor, weights: Tensor) -> None:
        self._steps = steps
        with tf.name_scope(ACCURACY_AFTER_STEPS):
            right = tf.cast(tf.equal(tf.argmax(logits, axis=2), ids[:, tf.newaxis]), tf.float32)
            counted = tf.reduce_sum(right * weights[:, tf.newaxis], axis=0)
            amounts = tf.concat([counted, tf.reduce_sum(weights)[tf.newaxis]], axis=0)
            value, update = running_sum(ACCURACY_AFTER_STEPS, tf.ensure_shape(amounts, [len(steps) + 1]))
            self.curve = tf.div_no_nan(value[:-1], value[-1])
            self._update_curve = tf.div_no_nan(update[:-1], update[-1])

    def metrics(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns metrics for an EstimatorSpec: the accuracy after a quarter, a half and three quarters."""
        found = {}
        for name, share in (('quarter', 0.25), ('half', 0.5), ('three_quarters', 0.75)):
            place = int(np.argmin(np.abs(np.array(self._steps) - share * self._steps[-1])))
            found[f'accuracy_after_{name}'] = (self.curve[place], self._update_curve[place])
        return found

    def hook(self, folder: Path) -> Any:
        """Returns the hook that draws the whole curve at the end of an evaluation."""
        return _CurveHook(self.curve, self._steps, folder)


class _CurveHook(tf.train.SessionRunHook):
    """Writes images/accuracy_after_each_step."""

    def __init__(self, curve: Tensor, steps: Sequence[int], folder: Path) -> None:
        self._curve, self._steps, self._folder = curve, steps, folder

    def end(self, session: Any) -> None:
        curves = {'accuracy': (self._steps, session.run(self._curve))}
        picture = draw_curves('accuracy', 'steps read', curves, bounds=(0, 1))
        write_values(session, self._folder, [picture_value(ACCURACY_AFTER_STEPS, picture)])
