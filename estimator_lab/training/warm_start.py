"""Training that begins with the weights of another model_dir: --warm_start."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.core.hparams import structural_fields
from estimator_lab.data.pipeline.input_fns import placeholder_features
from estimator_lab.inference.model import Trained, open_trained
from estimator_lab.inference.record import check_same
from estimator_lab.tf1 import tf
from estimator_lab.training.plans import Plan


@dataclass(frozen=True)
class WarmStart:
    """Where a run's first weights come from.

    Attributes:
      source: the model that they were trained in.
      taken: names of the variables that begin as they are there.
      new: names of those that don't: they belong to labels or tokens that are others there.
    """

    source: Trained
    taken: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def settings(self) -> Any:
        """The same for `tf.estimator.Estimator`."""
        return warm_start_settings(self.source.checkpoint, self.taken)

    def __str__(self) -> str:
        text = f'{len(self.taken)} variables of {self.source.model_dir} at step {self.source.step}: '
        text += ', '.join(self.taken)
        return f'{text}; new: {", ".join(self.new)}' if self.new else text


def warm_start_settings(
    checkpoint: str, names: Iterable[str], renames: Mapping[str, str] | None = None
) -> Any:
    """Returns the tf.estimator.WarmStartSettings that take over just these variables.

    Args:
      checkpoint: a checkpoint, or a folder for its newest one.
      names: of variables that begin as they are there.
      renames: name of a variable -> its name there, for further ones.
    """
    others = dict(renames or {})
    # Estimator takes them for patterns, which it holds against names that end in ':0'.
    patterns = [f'{re.escape(name)}:' for name in (*names, *others)]
    return tf.estimator.WarmStartSettings(
        checkpoint, vars_to_warm_start=patterns, var_name_to_prev_var_name=others
    )


def open_warm_start(folder: Path, plan: Plan) -> WarmStart:
    """Returns what a run can take over from another folder.

    All of the network's variables are taken if it has the same labels and tokens. Otherwise those are new
    whose size depends on the number of labels, the head, or of tokens, their vectors.

    Args:
      folder: the other model_dir.
      plan: the run's last phase.

    Raises:
      FlagError: that folder holds another model, or one of another size.
      DataError: it holds no model that can be opened.
    """
    source = open_trained(folder, '--warm_start')
    bound = structural_fields(plan.run.model.load().Params)
    check_same(
        folder,
        replace(source.record, vocabulary=()),
        replace(plan.record, vocabulary=()),
        bound,
        '--warm_start',
    )
    here = {'vocabulary': plan.inputs.labels, 'tokens': plan.params.get('tokens', ())}
    there = {'vocabulary': source.record.vocabulary, 'tokens': getattr(source.params, 'tokens', ())}
    shapes = _variables(plan, {'vocabulary': here['vocabulary']})
    new: set[str] = set()
    for kind, texts in here.items():
        if texts != there[kind]:
            others = _variables(plan, {'vocabulary': here['vocabulary'], kind: (*texts, '')})
            new |= {name for name in shapes if shapes[name] != others[name]}
    taken = tuple(name for name in shapes if name not in new)
    return WarmStart(source, taken, tuple(name for name in shapes if name in new))


def _variables(plan: Plan, changes: Mapping[str, tuple[str, ...]]) -> dict[str, list[int]]:
    """Returns the shapes of the network's variables by name, if it had these labels or tokens."""
    params = {**plan.params, **changes}
    with tf.Graph().as_default():
        features = placeholder_features(plan.run.reader)
        plan.run.model.load().model_fn(features, None, tf.estimator.ModeKeys.PREDICT, params)
        variables = tf.global_variables()
        return {v.op.name: v.shape.as_list() for v in variables if v.op.name != tf.GraphKeys.GLOBAL_STEP}
