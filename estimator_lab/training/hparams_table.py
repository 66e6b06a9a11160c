"""A run's row in the table of TensorBoard's HPARAMS page."""

from collections.abc import Mapping
from typing import Any

from estimator_lab.tf1 import tf

_PLAIN = (bool, int, float, str)


class RunTableHook(tf.train.SessionRunHook):
    """Writes down at the start of training what a run is made from.

    The page finds the metrics itself: all scalars beside the row. It stands with those of the evaluations, as
    of a run in the very folder that TensorBoard was started with the page looks into no folder below.

    Args:
      values: by name; what is no bool, number or text is shown as a text.
      name: of the row.
      output_dir: the folder of event files of the run's evaluations.
    """

    def __init__(self, values: Mapping[str, Any], name: str, output_dir: str) -> None:
        self._values = {n: _shown(v) for n, v in values.items()}
        self._name = name
        self._output_dir = output_dir

    def begin(self) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        row = hparams_pb(self._values, trial_id=self._name).SerializeToString()
        # TensorBoard's own class of the same message.
        tf.summary.FileWriterCache.get(self._output_dir).add_summary(tf.Summary.FromString(row), 0)


def _shown(value: Any) -> bool | float | str:
    if value in ('', None, ()):
        return 'none'
    return value if isinstance(value, _PLAIN) else str(value)
