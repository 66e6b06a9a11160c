import pytest

from estimator_lab.core.layer_sizes import LayerSize, summary_lines

pytestmark = pytest.mark.both


def test_the_table():
    layers = [LayerSize('conv1', '8x8x2', 52, 0), LayerSize('norm', '', 4, 1000)]
    assert list(summary_lines(layers, '; note')) == [
        'Layer                        output               parameters',
        'conv1                        8x8x2                        52',
        'norm                                                       4',
        'All                          56 parameters, and 1,000 other values; note',
    ]
