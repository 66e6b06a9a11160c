"""The rivals of gan_figures.py in PyTorch, each run in this process: prints one line of JSON.

    python benchmarks/gan_contenders.py pytorch 50
                        steps of the same networks, batch 64; also pytorch_without_spectral_norm
    python benchmarks/gan_contenders.py dcgan TRAIN.tar SECONDS FAKES.tar
                        PyTorch's DCGAN tutorial, on digits

Needs `pip install torch`.
"""

import functools
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from runner import CORES, Clock, Measured, run_contender

BATCH, SIDE, LATENT = 64, 28, 64
_FAKES = 10_000


def _networks(latent: int, spectral: bool) -> tuple[Any, Any]:
    """Returns the networks of `--model=gan` for 28x28, with the same layers and parameters."""
    from torch import nn
    from torch.nn.utils.parametrizations import spectral_norm

    hold = spectral_norm if spectral else lambda layer: layer
    generator = nn.Sequential(
        nn.Linear(latent, 7 * 7 * 128, bias=False),
        nn.Unflatten(1, (128, 7, 7)),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        hold(nn.Conv2d(1, 64, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        hold(nn.Conv2d(64, 128, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        hold(nn.Linear(7 * 7 * 128, 1)),
    )
    return generator, discriminator


def _stepper(
    generator: Any, discriminator: Any, latent: int, noise_shape: tuple[int, ...]
) -> Callable[..., None]:
    """Returns a function that trains both networks for a step, as PyTorch's DCGAN tutorial does."""
    import torch
    from torch import nn

    loss_of = nn.BCEWithLogitsLoss()
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 0.0002, (0.5, 0.999))
    of_generator = torch.optim.Adam(generator.parameters(), 0.0002, (0.5, 0.999))

    def step(images: Any) -> None:
        ones, zeros = torch.ones(len(images)), torch.zeros(len(images))
        discriminator.zero_grad()
        loss_of(discriminator(images).view(-1), ones).backward()
        fakes = generator(torch.randn(len(images), latent, *noise_shape))
        loss_of(discriminator(fakes.detach()).view(-1), zeros).backward()
        of_discriminator.step()
        generator.zero_grad()
        loss = loss_of(discriminator(fakes).view(-1), ones)
        loss.backward()
        of_generator.step()
        loss.item()

    return step


def pytorch(steps: str, spectral: bool = True) -> Measured:
    """Times steps of the same networks on images in memory."""
    import torch

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    images = torch.rand(BATCH, 1, SIDE, SIDE) * 2 - 1
    step = _stepper(*_networks(LATENT, spectral), LATENT, ())
    return Clock(int(steps), BATCH).time(lambda: step(images), f'PyTorch {torch.__version__}')


def dcgan(archive: str, seconds: str, out: str) -> Measured:
    """Trains a DCGAN as PyTorch's tutorial does, on digits of 32x32, and writes 10,000 fakes of 28x28.

    The tutorial's: weights from N(0, 0.02), batch normalisation in both networks, 100 latent numbers, Adam
    at 0.0002 with beta1 0.5, batch 128; its 64 maps, and one layer less than for its 64x64 pixels.
    """
    import torch
    from archives import read_images, write_tar
    from torch import nn

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    pixels, _ = read_images(archive, SIDE)
    padded = np.pad(pixels[..., 0], [(0, 0), (2, 2), (2, 2)])[:, np.newaxis]
    images = torch.from_numpy(padded.astype(np.float32) / 127.5 - 1)
    generator = nn.Sequential(
        *(nn.ConvTranspose2d(100, 256, 4, 1, 0, bias=False), nn.BatchNorm2d(256), nn.ReLU(True)),
        *(nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(True)),
        *(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True)),
        *(nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh()),
    )
    discriminator = nn.Sequential(
        *(nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)),
        *(nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2, True)),
        *(nn.Conv2d(128, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.LeakyReLU(0.2, True)),
        nn.Conv2d(256, 1, 4, 1, 0, bias=False),
    )
    for network in (generator, discriminator):
        network.apply(_tutorials_weights)
    step = _stepper(generator, discriminator, 100, (1, 1))
    started, steps = time.monotonic(), 0
    while time.monotonic() - started < float(seconds):
        order = torch.randperm(len(images))
        for first in range(0, len(images) - 127, 128):
            step(images[order[first : first + 128]])
            steps += 1
            if time.monotonic() - started >= float(seconds):
                break
    rate = steps * 128 / (time.monotonic() - started)
    generator.eval()

    def fakes() -> Iterator[tuple[str, bytes]]:
        with torch.no_grad():
            for first in range(0, _FAKES, 500):
                made = generator(torch.randn(500, 100, 1, 1)).numpy()[:, 0, 2:-2, 2:-2]
                for number, fake in enumerate(np.rint((made + 1) * 127.5).astype(np.uint8), first):
                    buffer = io.BytesIO()
                    Image.fromarray(fake).save(buffer, 'PNG')
                    yield f'samples/{number:06}.png', buffer.getvalue()

    write_tar(Path(out), fakes())
    return Measured(rate, 0, f'PyTorch {torch.__version__}, {steps} steps')


def _tutorials_weights(layer: Any) -> None:
    from torch import nn

    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


if __name__ == '__main__':
    plain = functools.partial(pytorch, spectral=False)
    run_contender({'pytorch': pytorch, 'pytorch_without_spectral_norm': plain, 'dcgan': dcgan})
