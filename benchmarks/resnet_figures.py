"""Compares --model=resnet with torchvision's networks: the figures of docs/resnet.md.

  python benchmarks/resnet_figures.py write FOLDER
  python benchmarks/resnet_figures.py compare FOLDER

write: saves torchvision's networks with random weights and moving averages, and what they compute; it needs
torchvision and safetensors. compare: prints the largest differences; it may run in another environment.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_DEPTHS = (18, 34, 50)
_SIDE = 64


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('step', choices=('write', 'compare'))
    parser.add_argument('folder', type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for depth in _DEPTHS:
        (_write if given.step == 'write' else _compare)(given.folder, depth)


def _images() -> np.ndarray:
    return np.random.default_rng(1).random((2, _SIDE, _SIDE, 3), np.float32)


def _write(folder: Path, depth: int) -> None:
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(depth)
    network = getattr(torchvision.models, f'resnet{depth}')(weights=None, num_classes=7).eval()
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith('running_mean'):
                value.uniform_(-0.5, 0.5)
            elif value.ndim == 1:
                value.uniform_(0.5, 1.5)
    save_file(network.state_dict(), folder / f'resnet{depth}.safetensors')
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    found = {}

    def keep(name: str, module: Any) -> None:
        def hook(module: Any, inputs: Any, values: Any) -> None:
            found[name] = (values.permute(0, 2, 3, 1) if values.ndim == 4 else values).numpy()

        module.register_forward_hook(hook)

    keep('pool1', network.maxpool)
    keep('logits', network.fc)
    for block in range(1, 5):
        for unit, module in enumerate(getattr(network, f'layer{block}'), 1):
            keep(f'block{block}_{unit}', module)
    with torch.no_grad():
        network(((torch.tensor(_images()) - mean) / deviation).permute(0, 3, 1, 2))
    np.savez(folder / f'resnet{depth}.npz', **found)


def _compare(folder: Path, depth: int) -> None:
    from estimator_lab import api
    from estimator_lab.core.endpoints import published
    from estimator_lab.runs.importing import import_weights
    from estimator_lab.tf1 import tf

    wanted = np.load(folder / f'resnet{depth}.npz')
    with tempfile.TemporaryDirectory() as model_dir, tf.Graph().as_default() as graph:
        weights = folder / f'resnet{depth}.safetensors'
        shape = _SIDE, _SIDE, 3
        import_weights(weights, Path(model_dir), 'resnet', {'depth': depth}, shape)
        trained = api.load(model_dir)
        trained.predictions({'image': tf.constant(_images())})
        with trained.session() as session:
            found = session.run(published(graph))
    off = {name: np.abs(found[name] - wanted[name]).max() / np.abs(wanted[name]).max() for name in wanted}
    worst = max(off, key=lambda name: off[name])
    print(f'resnet{depth}: {off[worst]:.1e} of the largest value of {worst}, the worst of {len(off)} layers')


if __name__ == '__main__':
    main()
