"""What networks see in images: the figures of docs/dreams.md.

  python benchmarks/dream_figures.py objective --model_dir=runs/vgg --image=photo.jpg --layer=conv4_3
  python benchmarks/dream_figures.py seconds --model_dir=runs/vgg --image=photo.jpg --layer=conv4_3
  python benchmarks/dream_figures.py memory --model_dir=runs/vgg --image=photo.jpg --layer=conv4_3
  python benchmarks/dream_figures.py named --set=mnist --train=mnist-train.tar.gz --test=mnist-test.tar.gz
  python benchmarks/dream_figures.py named --set=faces
  python benchmarks/dream_figures.py named --set=photos --train=photos-train.tar --test=photos-test.tar

objective: how many times as much the layer sees at the end as at the start. seconds: of the whole command at
512x512. memory: the most that the command takes at 2,048x2,048. named: the share of class dreams that a
network of another architecture and another seed, which has seen no dream, names as they were meant.
"""

import argparse
import io
import json
import os
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import this_machine
from PIL import Image

from estimator_lab.core.display.picture import as_picture, labelled_grid, png_bytes
from estimator_lab.inference.inceptionism.dreams import open_dreamer
from estimator_lab.inference.inceptionism.settings import AscentSettings
from estimator_lab.runs.model import open_trained

_ROOT = Path(__file__).resolve().parents[1]
# What dreams, and what names: flags of training, by set.
SETS: dict[str, tuple[list[str], list[str]]] = {
    'mnist': (
        ['--model=cnn', '--image_size=28', '--batch_size=100', '--epochs=3', '--augment=shift=2'],
        [
            *('--model=cnn', '--image_size=28', '--batch_size=100', '--epochs=2', '--augment=shift=3'),
            *('--seed=2', '--hparams=filters=16,kernel_size=3,dense_units=256'),
        ],
    ),
    'faces': (
        ['--model=cnn'],
        [
            *('--model=cnn', '--image_size=64', '--max_steps=300', '--seed=2'),
            '--hparams=filters=16,kernel_size=3,dense_units=128',
        ],
    ),
    'photos': (
        [
            *('--model=vgg', '--image_size=64', '--channels=3', '--epochs=12', '--augment=shift=4,mirror'),
            '--hparams=depth=11,filters=16,head=pool,batch_norm=true,learning_rate=0.001',
        ],
        [
            *('--model=cnn', '--image_size=64', '--channels=3', '--epochs=8', '--augment=shift=4,mirror'),
            '--seed=2',
        ],
    ),
}


def run(*arguments: str) -> str:
    """Runs a command of the package; returns what it printed."""
    print('$ python -m', *arguments, flush=True)
    environment = {**os.environ, 'PYTHONPATH': str(_ROOT)}
    return subprocess.run(
        [sys.executable, '-m', *arguments], stdout=subprocess.PIPE, text=True, check=True, env=environment
    ).stdout


def objective(given: argparse.Namespace) -> None:
    """Prints the objective at the start and at the end."""
    print(_of_layer(given, Path(given.image)))


def seconds(given: argparse.Namespace) -> None:
    """Prints the seconds of the command at 512x512, and the processor's."""
    with tempfile.TemporaryDirectory() as folder:
        photo = _scaled(Path(given.image), 512, Path(folder))
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        print(_of_layer(given, photo))
        passed, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f'{passed:.0f} s, start-up included; {busy:.0f} s of processors')


def memory(given: argparse.Namespace) -> None:
    """Prints the largest resident set of the command at 2,048x2,048; one iteration takes as much as many."""
    with tempfile.TemporaryDirectory() as folder:
        print(_of_layer(given, _scaled(Path(given.image), 2048, Path(folder)), '--iterations=1'))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f'{peak / 1e9:.2f} GB at most')


def named(given: argparse.Namespace) -> None:
    """Prints the share of class dreams that an independent network names as they were meant."""
    runs = Path(given.runs)
    data = [f'--data={given.train}', f'--eval_data={given.test}'] if given.train else []
    folders = []
    for role, flags in zip(('dreamer', 'judge'), SETS[given.set], strict=True):
        folder = Path(given.dreamer or '') if role == 'dreamer' and given.dreamer else None
        folder = Path(given.judge) if role == 'judge' and given.judge else folder
        if folder is None:
            folder = runs / f'{given.set}_{role}'
            if not (folder / 'experiment.json').exists():
                print(run('estimator_lab.train', f'--model_dir={folder}', *flags, *data).splitlines()[-4])
        folders.append(folder)
    runs.mkdir(parents=True, exist_ok=True)
    archive = runs / f'{given.set}_dreams.tar'
    _write_dreams(folders[0], given.seeds, archive)
    found = json.loads(
        run('estimator_lab.evaluate', f'--model_dir={folders[1]}', f'--data={archive}', '--json')
    )
    print(f'{given.set}: {found["metrics"]["accuracy"]:.3f} of {found["images"]} dreams are named right')


def _write_dreams(dreamer: Path, seeds: int, archive: Path) -> None:
    """Writes a dream of each class and each seed as an archive, and all of the first seed as a picture."""
    trained = open_trained(dreamer)
    with tarfile.open(archive, 'w') as tar:
        for seed in range(1, seeds + 1):
            settings = AscentSettings(layer='logits', atlas=True, size=trained.shape.width)
            images, labels, _ = open_dreamer(trained, settings, '', seed).atlas(
                len(trained.record.vocabulary)
            )
            for image, label in zip(images, labels, strict=True):
                data = png_bytes(as_picture(image))
                info = tarfile.TarInfo(f'{label}/{seed}.png')
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            if seed == 1:
                labelled_grid(images, labels, 10).save(archive.with_suffix('.png'))


def _of_layer(given: argparse.Namespace, photo: Path, *flags: str) -> str:
    """Dreams by the command; returns its line with the objective."""
    with tempfile.TemporaryDirectory() as folder:
        printed = run(
            'estimator_lab.dream',
            *(f'--model_dir={given.model_dir}', f'--image={photo}', f'--layer={given.layer}'),
            *(f'--out={folder}/dream.png', *flags),
        )
    return re.findall('^Objective.*$', printed, re.MULTILINE)[0]


def _scaled(photo: Path, side: int, folder: Path) -> Path:
    """Writes the photo as a square of that many pixels a side."""
    path = folder / f'{side}.png'
    Image.open(photo).convert('RGB').resize((side, side), Image.Resampling.LANCZOS).save(path)
    return path


FIGURES: dict[str, Callable[[argparse.Namespace], None]] = {
    function.__name__: function for function in (objective, seconds, memory, named)
}


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=list(FIGURES))
    parser.add_argument('--model_dir', help='folder of the network')
    parser.add_argument('--image', help='a photo')
    parser.add_argument('--layer', default='conv4_3', help='that is to see more')
    parser.add_argument('--set', choices=list(SETS), help='of named')
    parser.add_argument('--train', help='training archive of named; none: the built-in faces')
    parser.add_argument('--test', help='test archive of named')
    parser.add_argument('--dreamer', help='folder of a network of the set; none: one is trained')
    parser.add_argument('--judge', help='folder of another one; none: one is trained')
    parser.add_argument('--seeds', type=int, default=3, help='dreams of each class')
    parser.add_argument('--runs', default='runs/dream_figures', help='folder of the trained models')
    given = parser.parse_args()
    if given.figure == 'named':
        if not given.set or (given.set != 'faces' and not (given.train and given.test)):
            parser.error('named needs --set, and but for faces --train and --test')
    elif not (given.model_dir and given.image):
        parser.error(f'{given.figure} needs --model_dir and --image')
    print(this_machine())
    FIGURES[given.figure](given)


if __name__ == '__main__':
    main()
