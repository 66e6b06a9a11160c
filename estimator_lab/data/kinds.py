"""The one list of kinds of examples."""

from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind

KINDS: dict[str, Kind] = {kind.name: kind for kind in (IMAGES,)}
