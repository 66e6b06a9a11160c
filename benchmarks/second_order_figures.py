"""Figures of the second-order optimizers.

    python benchmarks/second_order_figures.py softmax --train=mnist-train.tar.gz
                        softmax regression on all images: L-BFGS, SciPy's and scikit-learn's; 5 minutes
    python benchmarks/second_order_figures.py overhead --train=mnist-train.tar.gz
                        one more loss within a step, relative to the network's forward pass; 2 minutes
    python benchmarks/second_order_figures.py autoencoder --train=... --test=... --minutes=90 --batch=5000 ...
                        784-1000-500-250-30: squared error of the test images every few steps; with
                        hessian_free also --share=0.1 --cg_steps=60
    python benchmarks/second_order_figures.py deep30 --train=... --test=... --batch=5000 --epochs=20 ...
                        the same with the units of --model=autoencoder, by the command: its metrics, squared
                        errors of the test images among them; with hessian_free an hour
    python benchmarks/second_order_figures.py pretrained --train=... --test=... --batch=5000 --epochs=20 ...
                        logistic units again, initialised by a stack of machines trained for 20 passes each
    python benchmarks/second_order_figures.py cnn --train=... --test=...
                        --model=cnn by L-BFGS, batches of 1,000, then 5,000: test accuracy; an hour
    python benchmarks/second_order_figures.py curves --train=mnist-train.tar.gz
                        loss over seconds and passes for all optimizers; 25 minutes

--method selects the optimizer of autoencoders, --examples how many images are read (0 for all), --batch
how many of them make a step; with --checkpoint training resumes. The machine must be idle otherwise.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from digit_losses import (
    CLASSES,
    SIDE,
    Digits,
    Inputs,
    autoencoder_loss,
    batches,
    cnn_loss,
    inputs,
    read_digits,
    session,
)
from runner import Figures, train

from estimator_lab.optimizers import (
    OPTIMIZERS,
    SECOND_ORDER,
    LBFGSOptimizer,
    make_optimizer,
)
from estimator_lab.optimizers.second_order.objective import Objective
from estimator_lab.tf1 import tf

CNN = ('--model=cnn', '--image_size=28', '--hparams=optimizer=lbfgs,memory=20')
AUTOENCODER = ('--model=autoencoder', '--image_size=28')
# Larger batches towards the end, as first-order methods use smaller steps.
CNN_BATCHES = (('--batch_size=1000', '--epochs=30'), ('--batch_size=5000', '--epochs=38'))

_DECAY = 1e-4
_NEAR = 1e-6
_PARTS = 10  # of a curve, each of which is a line
_STEPS_SHOWN = 5
_RATES = {'sgd': 0.5, 'momentum': 0.1, 'nesterov': 0.1, 'adagrad': 0.05, 'adadelta': 10.0, 'ftrl': 0.5}
FIGURES = Figures(
    __doc__,
    train=('', 'training archive'),
    test=('', 'test archive'),
    method=('hessian_free', 'optimizer', OPTIMIZERS),
    rate=(0.001, 'learning rate of a first-order optimizer'),
    momentum=(0.9, 'largest one of momentum and nesterov for autoencoder, which rises from 0.5'),
    minutes=(1.0, 'after which training ends'),
    epochs=(20.0, 'passes over the images, of the commands'),
    examples=(0, 'images that are read; 0 for all'),
    batch=(0, 'images in a batch; 0 for all'),
    iterations=(10, 'of L-BFGS and conjugate gradients for each batch'),
    share=(1 / 8, 'of the batch, for the curvature'),
    cg_steps=(250, 'at most, of hessian_free'),
    l2=(1e-5, 'weight decay of hessian_free'),
    checkpoint=('', 'where training resumes, also with other settings'),
    seed=(1, 'of the initial weights'),
    runs=('runs/second_order', 'folder of the pictures'),
)


@FIGURES.add('train')
def softmax(given: argparse.Namespace) -> None:
    """Prints evaluations and seconds until the minimum of softmax regression with weight decay is near."""
    from scipy.optimize import minimize
    from sklearn.linear_model import LogisticRegression

    digits = read_digits(given.train, given.examples)
    function = _softmax_in_numpy(digits)
    start = np.zeros(SIDE**2 * CLASSES)
    exact = minimize(function, start, jac=True, method='L-BFGS-B', options=_options(30, 1e-15, 1e-7))
    print(f'minimum {exact.fun:.9f}, found by SciPy with 30 pairs in {exact.nfev} evaluations')

    trace: list[tuple[float, float]] = []
    started = time.perf_counter()

    def watched(x: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = function(x)
        trace.append((loss, time.perf_counter() - started))
        return loss, gradient

    minimize(watched, start, jac=True, method='L-BFGS-B', options=_options(10, 1e-12, 1e-6))
    near = exact.fun * (1 + _NEAR)
    theirs = next((number for number, (loss, _) in enumerate(trace) if loss <= near), len(trace) - 1)
    _print_run('SciPy L-BFGS-B, m = 10', trace[theirs][0], exact.fun, theirs + 1, trace[theirs][1])

    started = time.perf_counter()
    model = LogisticRegression(
        C=1 / (_DECAY * len(digits.images)), fit_intercept=False, tol=1e-5, max_iter=2000
    )
    model.fit(digits.images, digits.labels)
    seconds = time.perf_counter() - started
    loss = function(model.coef_.T.astype(np.float64).ravel())[0]
    _print_run('scikit-learn lbfgs', loss, exact.fun, int(model.n_iter_[0]), seconds, 'iterations')
    _our_softmax(digits, function, exact.fun, theirs + 1)


def _options(memory: int, loss: float, gradient: float) -> dict[str, Any]:
    return {'maxcor': memory, 'ftol': loss, 'gtol': gradient, 'maxiter': 5000, 'maxfun': 10000}


def _softmax_in_numpy(digits: Digits) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Returns weights -> (loss, gradient); the products are of float32, as ours are, the sums of float64."""
    rows = np.arange(len(digits.labels))

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        weights = x.astype(np.float32).reshape(SIDE**2, CLASSES)
        logits = digits.images @ weights
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        sums = shares.sum(axis=1, keepdims=True)
        losses = np.log(sums[:, 0]) - logits[rows, digits.labels]
        shares /= sums
        shares[rows, digits.labels] -= 1
        gradient = (digits.images.T @ shares).astype(np.float64).ravel() / len(rows) + _DECAY * x
        return float(losses.mean(dtype=np.float64) + _DECAY * (x @ x) / 2), gradient

    return function


def _our_softmax(digits: Digits, function: Any, minimum: float, most: int) -> None:
    """Runs our L-BFGS once, for as many evaluations as SciPy needed and a tenth more."""
    with tf.Graph().as_default():
        place = inputs()
        weights = tf.get_variable('w', [SIDE**2, CLASSES], initializer=tf.zeros_initializer())
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=place.labels, logits=tf.matmul(place.images, weights)
        )
        loss = tf.reduce_mean(losses) + _DECAY * tf.nn.l2_loss(weights)
        optimizer = LBFGSOptimizer(iterations=20)
        step = optimizer.minimize(loss)
        with session() as run:
            fetches = [optimizer.diagnostics['evaluations'], step]
            run.make_callable(loss)  # starts TensorFlow's threads
            evaluations, started = 0, time.perf_counter()
            while evaluations < 3 * most:
                # The loss at the start of a step was the last one of the step before: one step counts it.
                evaluations += int(run.run(fetches, place.feed(digits))[0])
                seconds = time.perf_counter() - started
                found = function(run.run(weights).astype(np.float64).ravel())[0]
                if found <= minimum * (1 + _NEAR):
                    break
                started += time.perf_counter() - started - seconds
    _print_run('ours, m = 10, 20 iterations a step', found, minimum, evaluations, seconds)
    print(f"evaluations: {evaluations / most:.2f} times SciPy's")


def _print_run(
    name: str, loss: float, minimum: float, count: int, seconds: float, unit: str = 'evaluations'
) -> None:
    print(f'{name:<36}{loss / minimum - 1:>10.1e} above the minimum, {count:5d} {unit}, {seconds:6.1f} s')


@FIGURES.add('train')
def overhead(given: argparse.Namespace) -> None:
    """Prints the time of one more loss, with and without gradient, relative to the graph's own."""
    digits = next(batches(read_digits(given.train, given.examples or 4000), given.batch or 1000))
    for name, network in (('autoencoder', autoencoder_loss), ('cnn', cnn_loss)):
        with tf.Graph().as_default():
            place = inputs()
            objective = Objective(network(place), tf.trainable_variables())
            weights = objective.here().weights

            def repeated(count: int, evaluate: Any, here: Any = weights) -> Any:
                @tf.function(autograph=False)
                def loop() -> Any:
                    def body(number: int, total: Any) -> Any:
                        # Other weights in each turn, so that nothing can be computed once.
                        return number + 1, total + evaluate(here * (1 + 1e-6 * tf.cast(number, tf.float32)))

                    first = (tf.constant(0), tf.constant(0.0))
                    return tf.while_loop(lambda n, _: n < count, body, first, parallel_iterations=1)[1]

                return loop()

            def with_gradient(here: Any, of: Objective = objective) -> Any:
                found = of.at(here)
                return found.loss + tf.reduce_sum(found.gradient)

            own = {'loss': objective.loss, 'loss and gradient': objective.here().gradient}
            clones = {'loss': objective.loss_at, 'loss and gradient': with_gradient}
            with session() as run:
                for what, fetch in own.items():
                    times = []
                    for tensor in (fetch, repeated(1, clones[what]), repeated(5, clones[what])):
                        run.run(tensor, place.feed(digits))
                        times.append(min(_seconds(run, tensor, place.feed(digits)) for _ in range(7)))
                    forward, one, five = times
                    more = (five - one) / 4
                    print(
                        f'{name}, {what}: {forward * 1e3:.0f} ms in the graph, {more * 1e3:.0f} ms each more '
                        f'within a step: {more / forward:.2f}',
                        flush=True,
                    )


def _seconds(run: Any, tensor: Any, feed: Mapping[Any, Any]) -> float:
    started = time.perf_counter()
    run.run(tensor, feed)
    return time.perf_counter() - started


@FIGURES.add('train', 'test')
def autoencoder(given: argparse.Namespace) -> None:
    """Prints squared errors: published CG 3.00, Hessian-free 2.78, with L2 2.55 (Martens 2010, table 1)."""
    known, test = read_digits(given.train, given.examples), read_digits(given.test, given.examples)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(given.seed)
        place = inputs()
        loss = autoencoder_loss(place)
        error = graph.get_tensor_by_name('autoencoder/error:0')
        steps = tf.train.create_global_step()
        optimizer = make_optimizer(
            given.method, given.rate, rising_momentum(steps, given.momentum), **_settings(given)
        )
        step = optimizer.minimize(loss, steps)
        every = 500
        if given.method in SECOND_ORDER:
            every = _STEPS_SHOWN
        saver = tf.train.Saver(max_to_keep=1)
        with session() as run:
            if given.checkpoint and tf.train.checkpoint_exists(given.checkpoint):
                saver.restore(run, given.checkpoint)
            started = time.monotonic()
            for number, batch in enumerate(batches(known, given.batch)):
                minutes = (time.monotonic() - started) / 60
                if number % every == 0 or minutes > given.minutes:
                    print(f'step {number:5d} {minutes:6.1f} min   test images: squared error', end=' ')
                    print(f'{_mean(run, error, place, test):.3f}', flush=True)
                    if given.checkpoint:
                        saver.save(run, given.checkpoint)
                if minutes > given.minutes:
                    break
                value, _ = run.run([loss, step], place.feed(batch))
                if number % every == 0:
                    print(f'step {number:5d} loss {value:.4f}', flush=True)
            print(f'training images: squared error {_mean(run, error, place, known):.3f}')


def rising_momentum(step: Any, largest: float) -> Any:
    """Returns 1 - 1/2, 1 - 1/4, 1 - 1/6, ... for 250 steps each (Sutskever et al. 2013, equation 5)."""
    return tf.minimum(1 - 0.5 / tf.cast(step // 250 + 1, tf.float32), largest)


@FIGURES.add('train', 'test', 'batch')
def deep30(given: argparse.Namespace) -> None:
    """Prints squared errors of --model=autoencoder, whose units are no logistic ones; published as above."""
    _autoencoder_command(given, 'loss=cross_entropy', given.method)


@FIGURES.add('train', 'test', 'batch')
def pretrained(given: argparse.Namespace) -> None:
    """Prints squared errors: published CG 2.72, Hessian-free 2.46, with L2 2.28 (Martens 2010, table 1)."""
    stack, unrolled = Path(given.runs) / 'stack', 'activation=sigmoid,loss=cross_entropy'
    if not stack.exists():
        pretraining = ('--batch_size=100', '--epochs=0.02', f'--hparams={unrolled},pretrain_epochs=20')
        train(*_autoencoder_data(given), *pretraining, model_dir=stack)
    _autoencoder_command(given, unrolled, f'pretrained_{given.method}', f'--warm_start={stack}')


def _autoencoder_command(given: argparse.Namespace, hparams: str, run: str, *flags: str) -> None:
    settings = f'iterations={given.iterations}'
    if given.method == 'hessian_free':
        settings = f'curvature_share={given.share},cg_steps={given.cg_steps}'
    train(
        *_autoencoder_data(given),
        *flags,
        f'--hparams={hparams},optimizer={given.method},{settings}',
        f'--batch_size={given.batch}',
        f'--epochs={given.epochs:g}',
        '--save_checkpoints_steps=60',
        model_dir=Path(given.runs) / run,
    )


def _autoencoder_data(given: argparse.Namespace) -> tuple[str, ...]:
    return (*AUTOENCODER, f'--data={given.train}', f'--eval_data={given.test}', f'--seed={given.seed}')


@FIGURES.add('train', 'test')
def cnn(given: argparse.Namespace) -> None:
    """Prints the test accuracy of --model=cnn by L-BFGS: published error 0.69 % (Le et al. 2011)."""
    data = (f'--data={given.train}', f'--eval_data={given.test}', f'--seed={given.seed}')
    for batches_and_epochs in CNN_BATCHES:
        train(*CNN, *data, *batches_and_epochs, model_dir=Path(given.runs) / 'cnn')


def _mean(run: Any, values: Any, place: Inputs, digits: Digits, size: int = 1000) -> float:
    """Returns the mean of what a tensor [batch] says of all digits."""
    parts = (
        Digits(digits.images[start : start + size], digits.labels[start : start + size])
        for start in range(0, len(digits.images), size)
    )
    return float(np.concatenate([run.run(values, place.feed(part)) for part in parts]).mean())


def _settings(given: argparse.Namespace) -> Any:
    return {
        'lbfgs': {'iterations': given.iterations, 'memory': 20},
        'conjugate_gradient': {'iterations': given.iterations},
        'hessian_free': {'curvature_share': given.share, 'l2': given.l2, 'cg_steps': given.cg_steps},
    }.get(given.method, {})


@FIGURES.add('train')
def curves(given: argparse.Namespace) -> None:
    """Prints the loss of a network with one hidden layer on some digits, for all optimizers."""
    digits = read_digits(given.train, given.examples or 5000)
    found = {name: _curve(name, digits, given.minutes * 60) for name in OPTIMIZERS}
    for name, points in found.items():
        # The loss itself goes up and down so often that one curve would hide the others.
        lowest = np.minimum.accumulate([point[2] for point in points])
        for part in range(1, _PARTS + 1):
            place = len(points) * part // _PARTS - 1
            seconds, passes, _ = points[place]
            print(f'{name:<20} {seconds:8.1f} s {passes:8.1f} passes   lowest loss {lowest[place]:.2e}')


def _curve(name: str, digits: Digits, limit: float) -> list[tuple[float, float, float]]:
    """Returns (seconds, passes, loss) of one optimizer; first-order ones use batches of 100."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        place = inputs()
        initializer = tf.glorot_uniform_initializer()
        hidden = tf.layers.dense(place.images, 100, tf.nn.tanh, kernel_initializer=initializer)
        logits = tf.layers.dense(hidden, CLASSES, kernel_initializer=initializer)
        loss = tf.losses.sparse_softmax_cross_entropy(place.labels, logits)
        optimizer = make_optimizer(name, _RATES.get(name, 0.003))
        step = optimizer.minimize(loss)
        second = name in SECOND_ORDER
        size = len(digits.images) if second else 100
        per_look = 1 if second else len(digits.images) // size
        with session() as run:
            source = batches(digits, size)
            # The first step starts TensorFlow's threads and is not timed.
            run.run(step, place.feed(next(source)))
            run.run(tf.global_variables_initializer())
            seconds, evaluations, products, points = 0.0, 0.0, 0.0, []
            shown = optimizer.diagnostics if second else {'evaluations': tf.constant(1.0)}
            while seconds < limit:
                passes = (evaluations + products) * size / len(digits.images)
                points.append((seconds, passes, run.run(loss, place.feed(digits))))
                for batch in itertools.islice(source, per_look):
                    feed = place.feed(batch)
                    started = time.perf_counter()
                    found, _ = run.run([shown, step], feed)
                    seconds += time.perf_counter() - started
                    evaluations += found['evaluations']
                    products += found.get('cg_steps', 0.0)
    print(f'{name:<20} {points[-1][2]:.5f} after {points[-1][1]:.0f} passes', flush=True)
    return points


if __name__ == '__main__':
    FIGURES.main()
