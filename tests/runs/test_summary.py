from estimator_lab.runs.opening import open_trained
from estimator_lab.runs.summary import LayerSize, network_layers, summary_lines
from tests.support.small_runs import values_in


def test_the_layers_of_a_cnn(cnn_dir):
    trained = open_trained(cnn_dir)
    layers = network_layers(trained.architecture, trained.params, trained.reader)
    found = {layer.name: layer for layer in layers}
    # 8x8 pixels, 5x5 filters, 2 of them in the first convolution; 4 labels.
    assert found['conv1'] == LayerSize('conv1', '8x8x2', 5 * 5 * 2 + 2, 0)
    assert found['logits'].shape == '4' and found['logits'].parameters == 8 * 4 + 4
    assert layers[0].name == 'conv1' and layers[-1].name == 'logits'
    values = {name: value.size for name, value in values_in(trained.checkpoint).items()}
    slots = ('Adam', 'beta1_power', 'beta2_power', 'global_step', 'input/consumed')
    in_file = sum(size for name, size in values.items() if not any(slot in name for slot in slots))
    assert sum(layer.parameters + layer.others for layer in layers) == in_file


def test_the_table():
    layers = [LayerSize('conv1', '8x8x2', 52, 0), LayerSize('norm', '', 4, 1000)]
    assert list(summary_lines(layers, '; note')) == [
        'Layer                        output               parameters',
        'conv1                        8x8x2                        52',
        'norm                                                       4',
        'All                          56 parameters, and 1,000 other values; note',
    ]
