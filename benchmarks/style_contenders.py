"""How fast others paint a photo, measured in this process: the rivals of `style_figures.py paint`.

    python benchmarks/style_contenders.py pytorch 512
                        or onnx_runtime; prints one line of JSON

The network is that of Johnson et al. 2016 at its published size: 32, 64 and 128 maps, five residual blocks,
as in PyTorch's examples and the collection of ONNX models. Random weights are as fast as learned ones. It
runs in PyTorch and, exported by it, in ONNX Runtime: `pip install torch onnx onnxscript onnxruntime`.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from runner import Clock, Measured, run_contender

SIDES = (512, 1024)
_BLOCKS = 5
_PAINTINGS = 20


def random_photo(side: int, channels: int = 3) -> np.ndarray:
    """Returns uint8 [side, side, channels]."""
    return np.random.default_rng(0).integers(0, 256, (side, side, channels), np.uint8)


def network() -> Any:
    """Returns a network from photos float32 [batch, 3, height, width] to paintings of the same shape."""
    import torch
    from torch import nn

    def normalized(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Sequential:
        return nn.Sequential(
            nn.ReflectionPad2d(side // 2),
            nn.Conv2d(inputs, outputs, side, stride),
            nn.InstanceNorm2d(outputs, affine=True),
        )

    class Residual(nn.Module):
        def __init__(self, maps: int) -> None:
            super().__init__()
            self.change = nn.Sequential(normalized(maps, maps, 3), nn.ReLU(), normalized(maps, maps, 3))

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps + self.change(maps)

    torch.manual_seed(1)
    return nn.Sequential(
        *(normalized(3, 32, 9), nn.ReLU()),
        *(normalized(32, 64, 3, 2), nn.ReLU()),
        *(normalized(64, 128, 3, 2), nn.ReLU()),
        *(Residual(128) for _ in range(_BLOCKS)),
        *(nn.Upsample(scale_factor=2), normalized(128, 64, 3), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), normalized(64, 32, 3), nn.ReLU()),
        *(nn.ReflectionPad2d(4), nn.Conv2d(32, 3, 9)),
    ).eval()


def as_floats(photo: np.ndarray) -> np.ndarray:
    """Converts a photo uint8 [height, width, 3] to the input of the network."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1)[np.newaxis], np.float32)


def as_pixels(painting: np.ndarray) -> np.ndarray:
    """Converts the output of the network to uint8 [height, width, 3]."""
    return np.clip(painting[0], 0, 255).astype(np.uint8).transpose(1, 2, 0)


def pytorch(side: str) -> Measured:
    """Paints in PyTorch."""
    import torch

    painter, photo = network(), random_photo(int(side))

    def paint() -> np.ndarray:
        with torch.inference_mode():
            return as_pixels(painter(torch.from_numpy(as_floats(photo))).numpy())

    return Clock(_PAINTINGS).time(paint, f'PyTorch {torch.__version__}')


def onnx_runtime(side: str) -> Measured:
    """Paints in ONNX Runtime."""
    import onnxruntime
    import torch

    photo = random_photo(int(side))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'painter.onnx')
        example = (torch.zeros(1, 3, int(side), int(side)),)
        torch.onnx.export(network(), example, path, input_names=['photo'], verbose=False)
        session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])

        def paint() -> np.ndarray:
            return as_pixels(session.run(None, {'photo': as_floats(photo)})[0])

        return Clock(_PAINTINGS).time(paint, f'ONNX Runtime {onnxruntime.__version__}')


if __name__ == '__main__':
    run_contender({'pytorch': pytorch, 'onnx_runtime': onnx_runtime})
