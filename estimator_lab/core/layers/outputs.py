"""What layers over a sequence give, whatever they are made of."""

from typing import NamedTuple

from estimator_lab.core.endpoints import Endpoint
from estimator_lab.tf1 import Tensor


class Outputs(NamedTuple):
    """What recurrent layers make of a sequence.

    Attributes:
      steps: of the last layer at each step, float32 [batch, steps, units].
      last: of the last layer when all has been read, float32 [batch, units].
      endpoints: what each layer gives, [batch, steps, units], and its gates.
    """

    steps: Tensor
    last: Tensor
    endpoints: dict[str, Endpoint]
