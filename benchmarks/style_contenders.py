"""What others take to paint a photo, measured in this process: the rivals of `style_figures.py paint`.

    python benchmarks/style_contenders.py

The network is that of Johnson et al. 2016 at its published size: 32, 64 and 128 maps, five residual blocks,
as in PyTorch's examples and the collection of ONNX models. Random weights take as long as learned ones. It
runs in PyTorch and, exported by it, in ONNX Runtime: `pip install torch onnx onnxscript onnxruntime`.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from painting_time import SIDES, print_times, random_photo
from torch import nn

_BLOCKS = 5


def normalized(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Sequential:
    """A convolution of a reflected border, and instance normalisation."""
    return nn.Sequential(
        nn.ReflectionPad2d(side // 2),
        nn.Conv2d(inputs, outputs, side, stride),
        nn.InstanceNorm2d(outputs, affine=True),
    )


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.change = nn.Sequential(normalized(maps, maps, 3), nn.ReLU(), normalized(maps, maps, 3))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps + self.change(maps)


def network() -> nn.Sequential:
    """Photos float32 [batch, 3, height, width] to paintings of the same shape."""
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
    """Returns a photo uint8 [height, width, 3] as the network takes it."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1)[np.newaxis], np.float32)


def as_pixels(painting: np.ndarray) -> np.ndarray:
    """Returns a painting as uint8 [height, width, 3]."""
    return np.clip(painting[0], 0, 255).astype(np.uint8).transpose(1, 2, 0)


def in_pytorch(painter: nn.Sequential) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what paints a photo in PyTorch."""

    def paint(photo: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return as_pixels(painter(torch.from_numpy(as_floats(photo))).numpy())

    return paint


@contextmanager
def in_onnx_runtime(painter: nn.Sequential, side: int) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Gives what paints a photo of that side in ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'painter.onnx')
        torch.onnx.export(
            painter, (torch.zeros(1, 3, side, side),), path, input_names=['photo'], verbose=False
        )
        session: Any = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
        yield lambda photo: as_pixels(session.run(None, {'photo': as_floats(photo)})[0])


def main() -> None:
    """Runs both."""
    torch.manual_seed(1)
    painter = network()
    for side in SIDES:
        photo = random_photo(side)
        print_times(f'PyTorch {torch.__version__}', in_pytorch(painter), photo)
        with in_onnx_runtime(painter, side) as paint:
            print_times(f'ONNX Runtime {onnxruntime.__version__}', paint, photo)


if __name__ == '__main__':
    main()
