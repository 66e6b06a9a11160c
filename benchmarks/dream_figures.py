"""What networks see in images: the figures of docs/dreams.md.

  python benchmarks/dream_figures.py objective --model_dir=runs/vgg --image=photo.jpg --layer=conv4_3
  python benchmarks/dream_figures.py seconds --model_dir=runs/vgg --image=photo.jpg --layer=conv4_3
  python benchmarks/dream_figures.py memory --model_dir=runs/vgg --image=photo.jpg --layer=conv4_3
  python benchmarks/dream_figures.py named --set=mnist --train=mnist-train.tar.gz --test=mnist-test.tar.gz
  python benchmarks/dream_figures.py named --set=faces
  python benchmarks/dream_figures.py named --set=photos --train=photos-train.tar --test=photos-test.tar

objective: the layer's objective at the start and at the end. seconds: of the whole command at 512x512.
memory: the peak of the command at 2,048x2,048. named: the share of class dreams that get the intended label
from a network of another architecture and another seed, which has seen no dream.
"""

import argparse
import re
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from archives import write_tar
from PIL import Image
from runner import Figures, evaluate, python, train

from estimator_lab.core.picture import as_picture, labelled_grid, png_bytes
from estimator_lab.inference.inceptionism.dreams import open_dreamer
from estimator_lab.inference.settings import AscentSettings
from estimator_lab.runs.model import open_trained

# Flags of training, for the network that dreams and for the one that names, by set.
SETS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    'mnist': (
        ('--model=cnn', '--image_size=28', '--batch_size=100', '--epochs=3', '--augment=shift=2'),
        (
            *('--model=cnn', '--image_size=28', '--batch_size=100', '--epochs=2', '--augment=shift=3'),
            *('--seed=2', '--hparams=filters=16,kernel_size=3,dense_units=256'),
        ),
    ),
    'faces': (
        ('--model=cnn',),
        (
            *('--model=cnn', '--image_size=64', '--max_steps=300', '--seed=2'),
            '--hparams=filters=16,kernel_size=3,dense_units=128',
        ),
    ),
    'photos': (
        (
            *('--model=vgg', '--image_size=64', '--channels=3', '--epochs=12', '--augment=shift=4,mirror'),
            '--hparams=depth=11,filters=16,head=pool,batch_norm=true,learning_rate=0.001',
        ),
        (
            *('--model=cnn', '--image_size=64', '--channels=3', '--epochs=8', '--augment=shift=4,mirror'),
            '--seed=2',
        ),
    ),
}
FIGURES = Figures(
    __doc__,
    model_dir=('', 'folder of the network'),
    image=('', 'a photo'),
    layer=('conv4_3', 'whose activations increase'),
    set=('', 'of named', list(SETS)),
    train=('', 'training archive of named; not used for the built-in faces'),
    test=('', 'test archive of named'),
    dreamer=('', 'folder of a network of the set; default: train one'),
    judge=('', 'folder of another network of the set; default: train one'),
    seeds=(3, 'dreams of each class'),
    runs=('runs/dream_figures', 'folder of the trained models'),
)


def dream(given: argparse.Namespace, side: int, *flags: str) -> None:
    """Dreams by the command, on the photo scaled to a square of that side; prints the objective."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(given.image)
        if side:
            photo = Path(folder, f'{side}.png')
            square = Image.open(given.image).convert('RGB').resize((side, side), Image.Resampling.LANCZOS)
            square.save(photo)
        flags = f'--model_dir={given.model_dir}', f'--image={photo}', f'--layer={given.layer}', *flags
        printed = python('-m', 'estimator_lab.dream', *flags, f'--out={folder}/dream.png')
    print(re.findall('^Objective.*$', printed, re.MULTILINE)[0])


@FIGURES.add('model_dir', 'image')
def objective(given: argparse.Namespace) -> None:
    """Prints the objective at the start and at the end."""
    dream(given, 0)


@FIGURES.add('model_dir', 'image')
def seconds(given: argparse.Namespace) -> None:
    """Prints the seconds of the command at 512x512, and the processor's."""
    dream(given, 512)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f'{used.ru_utime + used.ru_stime:.0f} s of processors')


@FIGURES.add('model_dir', 'image')
def memory(given: argparse.Namespace) -> None:
    """Prints the largest resident set at 2,048x2,048; more steps do not increase it."""
    dream(given, 2048, '--steps=1')
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f'{peak / 1e9:.2f} GB at most')


@FIGURES.add('set')
def named(given: argparse.Namespace) -> None:
    """Prints the share of class dreams that an independent network names as intended."""
    data = [f'--data={given.train}', f'--eval_data={given.test}'] if given.train else []
    if given.set != 'faces' and not (given.train and given.test):
        raise SystemExit(f'named --set={given.set} needs --train and --test')
    runs, folders = Path(given.runs), []
    for role, flags in zip(('dreamer', 'judge'), SETS[given.set], strict=True):
        folder = Path(getattr(given, role) or runs / f'{given.set}_{role}')
        if not (folder / 'experiment.json').exists():
            train(*flags, *data, model_dir=folder)
        folders.append(folder)
    archive = runs / f'{given.set}_dreams.tar'
    write_tar(archive, class_dreams(folders[0], given, archive.with_suffix('.png')))
    found = evaluate(folders[1], archive)
    print(
        f'{given.set}: {found["metrics"]["accuracy"]:.3f} of {found["images"]} dreams are named as intended'
    )


def class_dreams(dreamer: Path, given: argparse.Namespace, picture: Path) -> Iterator[tuple[str, bytes]]:
    """Yields a dream of each class and seed as a named PNG; writes those of the first seed as a picture."""
    trained = open_trained(dreamer)
    settings = AscentSettings(layer='logits', atlas=True, size=trained.shape.width)
    for seed in range(1, given.seeds + 1):
        count = len(trained.record.vocabulary)
        images, labels, _ = open_dreamer(trained, settings, seed=seed).atlas(count)
        for image, label in zip(images, labels, strict=True):
            yield f'{label}/{seed}.png', png_bytes(as_picture(image))
        if seed == 1:
            labelled_grid(images, labels, 10).save(picture)


if __name__ == '__main__':
    FIGURES.main()
