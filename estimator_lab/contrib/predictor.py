"""``tf.contrib.predictor``: functions from a dict of arrays to a dict of arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from estimator_lab.tf1 import Estimator, Graph, Session, tf

DEFAULT_KEY = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY


@dataclass(eq=False)
class Predictor:
    """Calls a session, which the user closes: `predictor({'x': array})` returns {output name: array}."""

    graph: Graph
    session: Session
    feed_tensors: dict[str, Any]  # by the names of inputs
    fetch_tensors: dict[str, Any]  # by the names of outputs

    def __call__(self, input_dict: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the outputs.

        Raises:
          ValueError: if there is no input of a given name.
        """
        unknown = input_dict.keys() - self.feed_tensors.keys()
        if unknown:
            raise ValueError(
                f'Got unexpected keys in input_dict: {unknown}\nexpected: {set(self.feed_tensors)}'
            )
        feed = {self.feed_tensors[name]: value for name, value in input_dict.items()}
        found: dict[str, Any] = self.session.run(self.fetch_tensors, feed)
        return found


def from_saved_model(
    export_dir: str,
    signature_def_key: str | None = None,
    *,
    tags: str | None = None,
    graph: Graph = None,
    config: Any = None,
) -> Predictor:
    """Returns a predictor of a SavedModel.

    Raises:
      ValueError: if there is no such signature.
    """
    graph = graph or tf.Graph()
    with graph.as_default():
        session = tf.Session(config=config)
        model = tf.saved_model.loader.load(session, (tags or 'serve').split(','), export_dir)
    key, signatures = signature_def_key or DEFAULT_KEY, model.signature_def
    if key not in signatures:
        known = '\n'.join(sorted(signatures))
        raise ValueError(f'Got signature_def_key "{key}". Available signatures are:\n{known}')
    signature = signatures[key]
    return Predictor(graph, session, _tensors(graph, signature.inputs), _tensors(graph, signature.outputs))


def _tensors(graph: Graph, infos: Mapping[str, Any]) -> dict[str, Any]:
    return {name: graph.get_tensor_by_name(info.name) for name, info in infos.items()}


def from_estimator(
    estimator: Estimator,
    serving_input_receiver_fn: Callable[[], Any],
    output_key: str | None = None,
    graph: Graph = None,
    config: Any = None,
) -> Predictor:
    """Returns a predictor of an Estimator's latest checkpoint.

    Raises:
      ValueError: if the Estimator is not trained, or has no such output.
    """
    checkpoint = tf.train.latest_checkpoint(estimator.model_dir)
    if checkpoint is None:
        raise ValueError(f"Couldn't find trained model at {estimator.model_dir}.")
    with (graph or tf.Graph()).as_default() as graph:
        tf.train.get_or_create_global_step()
        receiver = serving_input_receiver_fn()
        spec = estimator._call_model_fn(
            receiver.features, None, tf.estimator.ModeKeys.PREDICT, estimator.config
        )
        outputs = _output(spec.export_outputs or {}, output_key)
        creator = tf.train.ChiefSessionCreator(
            spec.scaffold, config=config, checkpoint_filename_with_path=checkpoint
        )
        session = tf.train.MonitoredSession(creator)
    return Predictor(graph, session, dict(receiver.receiver_tensors), outputs)


def _output(outputs: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    """Returns {name: tensor} of an export output, with the names of its signature."""
    if key is None and len(outputs) == 1:
        (found,) = outputs.values()
    else:
        key = key or DEFAULT_KEY
        if key not in outputs:
            raise ValueError(f'output_key must be one of {sorted(outputs)}, but is {key!r}.')
        found = outputs[key]
    signature = found.as_signature_def({'unused': tf.constant(0)})
    return _tensors(tf.get_default_graph(), signature.outputs)
