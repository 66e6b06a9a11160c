"""What TensorBoard shows of any network in training: its weights, its endpoints, its first filters."""

from collections.abc import Sequence

from estimator_lab.core.display.summaries import (
    activation_map_summary,
    filter_summary,
    histogram_summary,
    weight_histograms,
)
from estimator_lab.core.endpoints import Endpoints, first_filters, maps_of

_FIELDS = 64


def summarise_network(endpoints: Endpoints, image_shape: Sequence[int]) -> None:
    """Adds the summaries of a network to its graph.

    `weights/VARIABLE` and `activations/ENDPOINT`, of those with weights, are histograms;
    `images/filters_ENDPOINT`, or `images/receptive_fields` of a dense layer, is what the first layer looks
    for; `images/activation_map_ENDPOINT` what each filter of a convolution makes of the first example.

    Args:
      endpoints: of the network.
      image_shape: (height, width, channels) of its input.
    """
    weight_histograms()
    for name, endpoint in endpoints.items():
        if endpoint.kernel is not None:
            histogram_summary(f'activations/{name}', endpoint.values)
    for name, filters in first_filters(endpoints, image_shape).items():
        filter_summary(f'images/{name}', filters[..., :_FIELDS])
    for name, maps in maps_of(endpoints).items():
        activation_map_summary(f'images/activation_map_{name}', maps)
