"""What TensorBoard shows of any network in training: its weights, its endpoints, its first filters."""

from collections.abc import Sequence

from estimator_lab.core.display.summaries import (
    activation_map_summary,
    filter_summary,
    layer_histograms,
    weight_histograms,
)
from estimator_lab.core.endpoints import Endpoints, first_filters, maps_of
from estimator_lab.tf1 import Tensor

_FIELDS = 64


def summarise_network(endpoints: Endpoints) -> None:
    """Adds the histograms of a network to its graph: weights/LAYER/VARIABLE and activations/LAYER."""
    weight_histograms(endpoints)
    layer_histograms(endpoints)


def network_pictures(endpoints: Endpoints, image_shape: Sequence[int]) -> list[Tensor]:
    """Returns the pictures of a network, as serialised summaries.

    `images/filters_LAYER`, or `images/receptive_fields` of a dense layer, is what the first layer looks for;
    `images/activation_map_LAYER` what each filter of a convolution makes of the first example.

    Args:
      endpoints: of the network.
      image_shape: (height, width, channels) of its input.
    """
    first = first_filters(endpoints, image_shape)
    return [
        *(filter_summary(name, filters[..., :_FIELDS]) for name, filters in first.items()),
        *(
            activation_map_summary(f'activation_map_{name}', maps)
            for name, maps in maps_of(endpoints).items()
        ),
    ]
