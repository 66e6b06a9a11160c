"""Prints the figures that the README claims for adversarial networks, each with the command that made it.

    python benchmarks/gan_figures.py quality --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        classifier score and Frechet distance of a conditional generator, beside those of
                        PyTorch's DCGAN, trained for as long; 100 minutes
    python benchmarks/gan_figures.py fakes --train=... --test=...
                        accuracy on real digits of a CNN that has seen only 60,000 fakes of the same
                        generator; 20 minutes behind `quality`, 65 without
    python benchmarks/gan_figures.py semi --train=... --test=...
                        errors of 10,000 with 100 labels; --seeds=1,2,3 repeats it; 90 minutes a seed
    python benchmarks/gan_figures.py parzen --train=... --test=...
                        log-likelihood by Parzen windows of the same generator, beside a belief network and
                        k-means; 15 minutes behind `quality`, 60 without
    python benchmarks/gan_figures.py step
                        seconds of a step of both networks, beside the same ones in PyTorch; 2 minutes
    python benchmarks/gan_figures.py faces
                        the built-in faces at 64x64 in colour: the judge's accuracy, a picture; 40 minutes

Each trains in folders below --runs and goes on with what is there; the judge is made at its first use, in ten
minutes. The rivals need `pip install torch`. The package has to be installed (`pip install -e '.[test]'`);
nothing else may run meanwhile, as minutes count.
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.conventions import to_unit_range
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.runs.model import open_trained
from estimator_lab.runs.reference_classifier import freeze
from estimator_lab.tf1 import tf

MNIST = ('--image_size=28',)
JUDGE = ('--model=cnn', '--batch_size=100', '--epochs=15', '--augment=shift=2')
GAN = ('--model=gan', '--batch_size=64', '--eval_steps=40')
STEPS = {'digits': 16_000, 'faces': 5_000}
SEMI = (
    '--model=gan',
    '--batch_size=200',
    '--save_checkpoints_steps=3000',
    '--hparams=semi_supervised=true,kind=dense,normalization=weight,noise=0.5,input_noise=0.3,latent_size=100,'
    'learning_rate=0.003,epsilon=0.0001',
)
SEMI_EPOCHS = 45
BELIEF = (
    '--model=dbn',
    '--batch_size=100',
    '--epochs=1',
    '--hparams=labels_in_top=true,chains=100,pretrain_epochs=15',
)
GIBBS_STEPS = 200
LABELS_A_CLASS = 10
SAMPLES = 10_000
_CONTENDERS = Path(__file__).with_name('gan_contenders.py')
_SIGMAS = np.geomspace(0.08, 0.5, 16)
_VALIDATED = 1_000
_BATCH = 500


def run(*arguments: str, python: str = sys.executable) -> tuple[str, float]:
    """Runs a program of this Python, or another; returns what it printed, and its seconds."""
    print('$ python', *arguments, flush=True)
    started = time.monotonic()
    environment = {**os.environ, 'PYTHONPATH': str(_CONTENDERS.parents[1])}
    done = subprocess.run(
        [python, *arguments], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    return done.stdout, time.monotonic() - started


def train(folder: Path, *flags: str) -> float:
    """Trains in a folder, going on with what is there; returns the seconds of this run."""
    _, seconds = run('-m', 'estimator_lab.train', f'--model_dir={folder}', *flags)
    print(f'{seconds:.0f} s, evaluations and start-up included')
    return seconds


def draw(folder: Path, out: Path, count: int, *flags: str) -> Path:
    """Writes samples of a model as an archive, if there is none since it was last trained."""
    trained = (folder / 'checkpoint').stat().st_mtime
    if not out.exists() or out.stat().st_mtime < trained:
        out.unlink(missing_ok=True)
        run('-m', 'estimator_lab.dream', f'--model_dir={folder}', f'--count={count}', f'--out={out}', *flags)
    return out


def judge_of(given: argparse.Namespace, *flags: str) -> Path:
    """Returns the folder of the judge, trained if it is not there."""
    folder = Path(
        given.judge or Path(given.runs, f'judge_{given.figure}' if given.figure == 'faces' else 'judge')
    )
    if not (folder / 'export').exists() and not given.judge:
        train(folder, *JUDGE, *flags, '--export=final')
    return folder


def pixels_of(archive: str | Path, side: int = 28, channels: int = 1) -> np.ndarray:
    """Returns the images of an archive, uint8 [n, side, side, channels], in their order."""
    return np.stack([decode_image(m.data, side, side, channels) for m in stream_members(str(archive))])


class ReferenceClassifier:
    """Scores of images by a classifier, in NumPy and SciPy."""

    def __init__(self, folder: Path) -> None:
        trained = open_trained(folder)
        with tf.Graph().as_default() as graph:
            self._images = tf.placeholder(tf.float32, [None, *trained.shape])
            self._verdict = freeze(trained)(self._images)
        self._session = tf.Session(graph=graph)

    def look(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns (probabilities, hidden values) of uint8 [n, height, width, channels]."""
        parts = [
            self._session.run(self._verdict, {self._images: to_unit_range(pixels[first : first + _BATCH])})
            for first in range(0, len(pixels), _BATCH)
        ]
        return tuple(np.concatenate(one).astype(np.float64) for one in zip(*parts, strict=True))  # type: ignore[return-value]

    def score(self, pixels: np.ndarray) -> float:
        """Returns the classifier score."""
        p, _ = self.look(pixels)
        p = np.maximum(p, 1e-30)
        return float(np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), axis=1))))

    def distance(self, pixels: np.ndarray, others: np.ndarray) -> float:
        """Returns the Frechet distance of two sets of images."""
        from scipy.linalg import sqrtm

        a, b = self.look(pixels)[1], self.look(others)[1]
        covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        root = sqrtm(covariances[0] @ covariances[1]).real
        return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(sum(covariances) - 2 * root))


def digits(given: argparse.Namespace) -> tuple[Path, Path, float]:
    """Trains a conditional generator beside a judge; returns both folders, and the seconds that it took."""
    archives = (f'--data={given.train}', f'--eval_data={given.test}', *MNIST)
    judge = judge_of(given, *archives)
    folder = Path(given.runs, 'digits')
    hparams = ','.join(filter(None, [f'conditional=true,judge={judge}', given.hparams]))
    steps = f'--max_steps={given.steps or STEPS["digits"]}'
    return folder, judge, train(folder, *GAN, *archives, steps, f'--hparams={hparams}', '--export=best')


def quality(given: argparse.Namespace) -> None:
    """Prints the scores of 10,000 samples of a generator, and of PyTorch's DCGAN trained for as long."""
    folder, judge_folder, seconds = digits(given)
    ours = pixels_of(draw(folder, Path(given.runs, 'quality.tar'), SAMPLES))
    judge, real, training = ReferenceClassifier(judge_folder), pixels_of(given.test), pixels_of(given.train)
    print(f'classifier score {judge.score(ours):.3f}; of the test images {judge.score(real):.3f}')
    print(f'Frechet distance {judge.distance(ours, real):.2f}')
    chosen = np.random.default_rng(1).choice(len(training), SAMPLES, replace=False)
    print(f'  of 10,000 training images {judge.distance(training[chosen], real):.2f}')
    rival = Path(given.runs, 'dcgan.tar')
    try:
        budget = f'{given.seconds or seconds:.0f}'
        printed, _ = run(str(_CONTENDERS), 'dcgan', given.train, budget, str(rival), python=given.rival)
    except subprocess.CalledProcessError:
        print('  no rival: it needs PyTorch')
        return
    theirs = pixels_of(rival)
    print(
        f'  DCGAN {printed.strip()}: score {judge.score(theirs):.3f}, '
        f'distance {judge.distance(theirs, real):.2f}'
    )


def fakes(given: argparse.Namespace) -> None:
    """Trains a CNN on fakes only; prints its accuracy on real digits."""
    folder, _, _ = digits(given)
    archive = draw(folder, Path(given.runs, 'fakes.tar'), 60_000)
    student = Path(given.runs, 'student')
    train(student, *JUDGE, *MNIST, f'--data={archive}', f'--eval_data={given.test}')
    printed, _ = run(
        '-m', 'estimator_lab.evaluate', f'--model_dir={student}', f'--data={given.test}', '--json'
    )
    print(f'accuracy on real digits {json.loads(printed)["metrics"]["accuracy"]:.4f}')


def semi(given: argparse.Namespace) -> None:
    """Learns to classify with ten labels a class; prints the errors of the test images for each seed."""
    errors = []
    for seed in map(int, given.seeds.split(',')):
        few = Path(given.runs, f'labels_{seed}.tar')
        few.parent.mkdir(parents=True, exist_ok=True)
        _write_few(given.train, few, seed)
        folder = Path(given.runs, f'semi_{seed}')
        data = (f'--data={few}', f'--unlabelled_data={given.train}', f'--eval_data={given.test}')
        epochs = f'--max_steps={given.steps}' if given.steps else f'--epochs={SEMI_EPOCHS}'
        train(folder, *SEMI, *data, *MNIST, epochs, f'--seed={seed}')
        printed, _ = run(
            *('-m', 'estimator_lab.evaluate', f'--model_dir={folder}', f'--data={given.test}', '--json')
        )
        found = json.loads(printed)
        errors.append(round((1 - found['metrics']['accuracy']) * found['images']))
        print(f'seed {seed}: {errors[-1]} errors of {found["images"]:,}', flush=True)
    print(f'errors {np.mean(errors):.1f} +- {np.std(errors):.1f}; Salimans et al. 2016: 93 +- 6.5')


def parzen(given: argparse.Namespace) -> None:
    """Prints the mean log-likelihood of the test images by Parzen windows around samples and others."""
    from sklearn.cluster import MiniBatchKMeans

    folder, _, _ = digits(given)
    samples = draw(folder, Path(given.runs, 'parzen.tar'), SAMPLES)
    belief = Path(given.runs, 'belief')
    train(belief, *BELIEF, *MNIST, f'--data={given.train}', f'--eval_data={given.test}')
    dreams = draw(belief, Path(given.runs, 'belief.tar'), SAMPLES, f'--steps={GIBBS_STEPS}')
    known, test = _flat(pixels_of(given.train)), _flat(pixels_of(given.test))
    learned, validation = known[:50_000], known[-_VALIDATED:]
    clusters = MiniBatchKMeans(1_000, random_state=1, n_init=1, batch_size=4096).fit(learned)
    for name, centres in (
        ('samples of the generator', _flat(pixels_of(samples))),
        ('dreams of a belief network', _flat(pixels_of(dreams))),
        ('1,000 centres of k-means', clusters.cluster_centers_.astype(np.float32)),
        ('10,000 training images', learned[:SAMPLES]),
    ):
        sigma = max(_SIGMAS, key=lambda s: float(log_likelihood(validation, centres, s).mean()))
        found = log_likelihood(test, centres, sigma)
        error = found.std() / np.sqrt(len(found))
        print(f'{name}: {found.mean():.1f} +- {error:.1f} nats, sigma {sigma:.3f}', flush=True)
    print('Goodfellow et al. 2014: 225 +- 2 for a generator, 138 for a belief network')


def log_likelihood(images: np.ndarray, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Returns log mean N(image; centre, sigma^2) over the centres, in nats, float64 [images].

    Args:
      images: float32 [n, values] in [0, 1].
      centres: float32 [m, values].
      sigma: deviation of the windows.
    """
    found = []
    lengths = (centres.astype(np.float64) ** 2).sum(1)
    for first in range(0, len(images), _BATCH):
        part = images[first : first + _BATCH]
        squares = (part.astype(np.float64) ** 2).sum(1)[:, np.newaxis] + lengths - 2.0 * (part @ centres.T)
        exponents = -squares / (2 * sigma**2)
        highest = exponents.max(axis=1, keepdims=True)
        found.append(highest[:, 0] + np.log(np.exp(exponents - highest).mean(axis=1)))
    return np.concatenate(found) - images.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


def step(given: argparse.Namespace) -> None:
    """Prints the seconds of a step, ours and PyTorch's, three times in turn."""
    steps = given.steps or 100
    for _ in range(3):
        ours = _our_step(steps)
        printed, _ = run(str(_CONTENDERS), 'step', str(steps), python=given.rival)
        theirs = json.loads(printed)
        plain = theirs['seconds_without_spectral_norm']
        print(
            f'ours {ours * 1000:.1f} ms (TensorFlow {tf.__version__}); {theirs["version"]} '
            f'{theirs["seconds"] * 1000:.1f} ms: {theirs["seconds"] / ours:.2f} times as fast; without '
            f'spectral norm it takes {plain * 1000:.1f} ms'
        )


def _our_step(steps: int) -> float:
    """Returns the seconds of a step of --model=gan in an Estimator, on images in memory."""
    from estimator_lab.models import gan

    class Clock(tf.train.SessionRunHook):
        count, started, ended = 0, 0.0, 0.0

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.count += 1
            if self.count == 5:
                self.started = time.perf_counter()
            self.ended = time.perf_counter()

    def input_fn() -> Any:
        images = np.random.default_rng(0).random((64, 28, 28, 1), np.float32)
        return tf.data.Dataset.from_tensors({'image': images}).repeat()

    clock = Clock()
    params = {'image_shape': (28, 28, 1), 'average_decay': 0.999}
    config = tf.estimator.RunConfig(save_summary_steps=None, save_checkpoints_secs=10_000, tf_random_seed=1)
    tf.estimator.Estimator(gan.model_fn, config=config, params=params).train(input_fn, [clock], steps + 5)
    return (clock.ended - clock.started) / steps


def faces(given: argparse.Namespace) -> None:
    """Trains a conditional generator on the built-in faces; prints the judge's accuracy, draws a picture."""
    from estimator_lab.data.demo_sets.archives import cached_demo

    paths = cached_demo()
    archives = (f'--data={paths.train}', f'--eval_data={paths.test}', '--image_size=64', '--channels=3')
    judge = judge_of(given, *archives)
    folder = Path(given.runs, 'faces')
    hparams = ','.join(filter(None, [f'conditional=true,judge={judge}', given.hparams]))
    train(folder, *GAN, *archives, f'--max_steps={given.steps or STEPS["faces"]}', f'--hparams={hparams}')
    printed, _ = run(
        '-m', 'estimator_lab.evaluate', f'--model_dir={folder}', f'--data={paths.test}', '--json'
    )
    metrics = json.loads(printed)['metrics']
    print({name: round(value, 3) for name, value in metrics.items()})
    out = Path(given.runs, 'faces.png')
    run('-m', 'estimator_lab.dream', f'--model_dir={folder}', '--count=40', f'--out={out}')
    print(f"judge's accuracy on fakes {metrics['judge_accuracy']:.3f}; picture {out}")


def _flat(pixels: np.ndarray) -> np.ndarray:
    return to_unit_range(pixels).reshape(len(pixels), -1)


def _write_few(archive: str, path: Path, seed: int) -> None:
    """Writes ten images of each label, chosen at random, as an archive of their own."""
    by_label: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for member in stream_members(archive):
        by_label[label_of(member.name)].append((member.name, member.data))
    rng = np.random.default_rng(seed)
    with tarfile.open(path, 'w') as tar:
        for label in sorted(by_label):
            for row in rng.choice(len(by_label[label]), LABELS_A_CLASS, replace=False):
                name, data = by_label[label][row]
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


FIGURES: dict[str, Callable[[argparse.Namespace], None]] = {
    function.__name__: function for function in (quality, fakes, semi, parzen, step, faces)
}
_NEED_NO_DATA = ('step', 'faces')


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=list(FIGURES))
    parser.add_argument('--train', help='training archive')
    parser.add_argument('--test', help='test archive')
    parser.add_argument('--runs', default='runs/gan_figures', help='folder of the trained models')
    parser.add_argument('--judge', help='folder of a trained classifier; none: one is trained')
    parser.add_argument(
        '--steps', type=int, help='of the training; none: as many as the figure is claimed for'
    )
    parser.add_argument('--seconds', type=float, help='of the rival in quality; none: as many as ours took')
    parser.add_argument('--rival', default=sys.executable, help='a Python that has PyTorch; none: this one')
    parser.add_argument('--hparams', default='', help='further hyper-parameters of the gan')
    parser.add_argument('--seeds', default='1,2,3', help='of semi')
    given = parser.parse_args()
    if given.figure not in _NEED_NO_DATA and not (given.train and given.test):
        parser.error(f'{given.figure} needs --train and --test')
    print(
        f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, '
        f'TensorFlow {version("tensorflow")}'
    )
    FIGURES[given.figure](given)


if __name__ == '__main__':
    main()
