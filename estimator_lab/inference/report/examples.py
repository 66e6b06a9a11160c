"""What a model sees in the first example that it can read."""

from PIL import Image

from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.member import BadExampleError
from estimator_lab.data.order.order import Order
from estimator_lab.data.trees.kind import TREES
from estimator_lab.inference.inspection import inspect_image
from estimator_lab.inference.tree_inspection import inspect_tree
from estimator_lab.runs.model import Trained


def look_into_first(trained: Trained, examples: Order) -> tuple[str, dict[str, Image.Image]]:
    """Returns the key of the first example that can be decoded, and pictures of it by name.

    Args:
      trained: the model.
      examples: encoded; read from their beginning.

    Raises:
      DataError: if they can't be read.
    """
    for unread in examples.epoch(0):
        member = unread.read()
        try:
            return member.key, _PICTURES[trained.kind.name](trained, member.data, member.key)
        except BadExampleError:
            continue
    return '', {}


def _pictures_of_image(trained: Trained, data: bytes, key: str) -> dict[str, Image.Image]:
    image = trained.image_reader().decode(data, *trained.shape)
    return inspect_image(trained, image, key=key).pictures()


def _pictures_of_tree(trained: Trained, data: bytes, key: str) -> dict[str, Image.Image]:
    return inspect_tree(trained, data).pictures()


_PICTURES = {IMAGES.name: _pictures_of_image, TREES.name: _pictures_of_tree}
