"""The phases of a training run: pre-training layer by layer, then fine-tuning."""

from dataclasses import dataclass

FINAL = ''
"""Name of the last phase, whose folder is model_dir itself."""


@dataclass(frozen=True)
class Phase:
    """One part of a training run, trained by an Estimator of its own.

    A model that is trained in phases lists them in its function `phases(params)`, the last one called FINAL.
    The global step goes on from phase to phase, so that TensorBoard shows all of them on one time axis.

    Attributes:
      name: value of `params.phase` for the model function, and the phase's folder within model_dir.
      epochs: passes over its data; the last phase has those that the user asked for, and this is 0.
      inherits: names of the variables that begin as the phase before left them.
      renames: (name, name in the phase before) of further ones, which were called otherwise there.
    """

    name: str = FINAL
    epochs: float = 0.0
    inherits: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
