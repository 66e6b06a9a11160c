"""Tries other people's programs from the package index: does each train, evaluate and predict here?

    pip install --no-deps tf-slim tensorflow-gan tensorflow-ranking adanet deepctr 'tensorflow-lattice<2.1'
    pip install --no-deps bert-tensorflow albert-tensorflow sentencepiece tensorflow-privacy==0.8.11
    python benchmarks/packages.py [NAME...]

Prints one line a program, each run in its own process on a few made-up rows. `--no-deps` matters: most of
them require an old TensorFlow. A program's line names the module that it misses, if any. Names that Python
and NumPy have dropped are restored, as by `run`; `OurLine` replaces ALBERT's import lines while its files are
read. The exit status is 1 if an installed program fails. docs/programs.md has the results.
"""

import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any

import numpy as np

from estimator_lab.tf1 import tf
from estimator_lab.tf1.dropped_names import restore_dropped_names

ONE = '--one'


def rows(count: int = 32) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns {'x': float32 [count, 2], 'word': int64 [count]} and the labels, int64 [count, 1]."""
    x = np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)
    return {'x': x, 'word': np.arange(count) % 5}, (x.sum(axis=1, keepdims=True) > 0).astype(np.int64)


def batches(features: Any, labels: Any) -> Callable[[], Any]:
    """Returns an input_fn of endless batches of 8."""
    return lambda: tf.data.Dataset.from_tensor_slices((features, labels)).repeat().batch(8)


def finish(model: Any, input_fn: Callable[[], Any], steps: int = 4) -> str:
    """Trains, evaluates and predicts; returns the loss as text."""
    model.train(input_fn, steps=steps)
    found = model.evaluate(input_fn, steps=2)
    next(iter(model.predict(input_fn)))
    assert np.isfinite(found['loss']), found
    return f'loss {found["loss"]:.3f} at step {found["global_step"]}'


def slim(folder: str) -> str:
    """A slim network in an Estimator, through tf.contrib."""
    import estimator_lab.contrib  # noqa: F401

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        slim = tf.contrib.slim
        with slim.arg_scope([slim.fully_connected], weights_regularizer=slim.l2_regularizer(0.01)):
            net = slim.stack(features['x'], slim.fully_connected, [8, 4])
            logits = slim.fully_connected(net, 1, activation_fn=None)
        if mode == tf.estimator.ModeKeys.PREDICT:
            return tf.estimator.EstimatorSpec(mode, {'logits': logits})
        tf.losses.sigmoid_cross_entropy(labels, logits)
        loss = tf.losses.get_total_loss()
        train_op = slim.learning.create_train_op(loss, tf.train.AdamOptimizer())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return finish(tf.estimator.Estimator(model_fn, folder), batches(*rows()))


def gan(folder: str) -> str:
    """A GANEstimator on points."""
    tfgan = importlib.import_module('tensorflow_gan')

    def generator_fn(noise: Any, mode: str) -> Any:
        return tf.layers.dense(noise, 2, name='points')

    def discriminator_fn(data: Any, conditioning: Any, mode: str) -> Any:
        return tf.layers.dense(data, 1, name='score')

    model = tfgan.estimator.GANEstimator(
        folder,
        generator_fn=generator_fn,
        discriminator_fn=discriminator_fn,
        generator_loss_fn=tfgan.losses.wasserstein_generator_loss,
        discriminator_loss_fn=tfgan.losses.wasserstein_discriminator_loss,
        generator_optimizer=tf.train.AdamOptimizer(0.001),
        discriminator_optimizer=tf.train.AdamOptimizer(0.001),
    )
    noise = np.ones([32, 3], np.float32)
    return finish(model, batches(noise, rows()[0]['x']))


def ranking(folder: str) -> str:
    """A groupwise scorer with a ranking head."""
    tfr = importlib.import_module('tensorflow_ranking')

    lists = {'x': np.ones([32, 3, 2], np.float32)}
    relevance = np.tile(np.array([[0, 1, 2]], np.float32), (32, 1))

    def score_fn(context: Any, group: Any, mode: str, params: Any, config: Any) -> Any:
        return tf.layers.dense(tf.layers.flatten(group['x']), 1)

    head = tfr.head.create_ranking_head(
        tfr.losses.make_loss_fn('pairwise_logistic_loss'),
        train_op_fn=lambda loss: tf.train.AdagradOptimizer(0.1).minimize(loss, tf.train.get_global_step()),
    )
    model_fn = tfr.model.make_groupwise_ranking_fn(score_fn, group_size=1, ranking_head=head)
    return finish(tf.estimator.Estimator(model_fn, folder), batches(lists, relevance))


def adanet(folder: str) -> str:
    """An ensemble that grows from candidates."""
    adanet = importlib.import_module('adanet')

    tf2 = tf.compat.v2
    column = [tf.feature_column.numeric_column('x', 2)]
    head = tf2.estimator.BinaryClassHead()
    features, labels = rows()
    model = adanet.AutoEnsembleEstimator(
        head=head,
        candidate_pool=lambda config: {
            'linear': tf2.estimator.LinearEstimator(head, column, config=config, optimizer=_rule),
            'dnn': tf2.estimator.DNNEstimator(head, [4], column, config=config, optimizer=_rule),
        },
        max_iteration_steps=2,
        model_dir=folder,
    )
    return finish(model, batches({'x': features['x']}, labels))


def _rule() -> Any:
    return tf.keras.optimizers.legacy.SGD(0.05)


def deepctr(folder: str) -> str:
    """DeepFM."""
    estimators = importlib.import_module('deepctr.estimator')

    word = tf.feature_column.categorical_column_with_identity('word', 5)
    linear = [word, tf.feature_column.numeric_column('x', 2)]
    deep = [tf.feature_column.embedding_column(word, 4), tf.feature_column.numeric_column('x', 2)]
    model = estimators.DeepFMEstimator(linear, deep, dnn_hidden_units=(4,), model_dir=folder)
    return finish(model, batches(*rows()))


def lattice(folder: str) -> str:
    """A calibrated lattice, as a canned classifier."""
    tfl = importlib.import_module('tensorflow_lattice')

    features, labels = rows()
    columns = {name: features['x'][:, index] for index, name in enumerate('ab')}
    model = tfl.estimators.CannedClassifier(
        feature_columns=[tf.feature_column.numeric_column(name) for name in columns],
        model_config=tfl.configs.CalibratedLatticeConfig(
            feature_configs=[
                tfl.configs.FeatureConfig(name=name, pwl_calibration_num_keypoints=4) for name in columns
            ]
        ),
        feature_analysis_input_fn=lambda: batches(columns, labels[:, 0])().take(4),
        model_dir=folder,
        optimizer=tf.keras.optimizers.legacy.Adam(0.1),
    )
    return finish(model, batches(columns, labels[:, 0]))


class OurLine(SourceFileLoader):
    """Reads a program's file with the import of TensorFlow replaced."""

    def get_data(self, path: str) -> bytes:
        theirs, ours = b'\nimport tensorflow as tf\n', b'\nfrom estimator_lab.tf1 import tf\n'
        return super().get_data(path).replace(theirs, ours) if path.endswith('.py') else b''

    def path_stats(self, path: str) -> Any:
        raise OSError  # makes Python ignore compiled files

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname.startswith('albert.') else None
        if spec is not None and spec.origin:
            spec.loader = cls(fullname, spec.origin)
        return spec


def classify_text(run_classifier: Any, config: Any, folder: str) -> str:
    """Builds BERT's or ALBERT's model function and input functions, and runs them in a TPUEstimator."""
    words = np.random.default_rng(0).integers(0, 20, [32, 8])
    features = [
        run_classifier.InputFeatures(list(row), [1] * 8, [0] * 8, int(row[0] > 9)) for row in words.tolist()
    ]
    model_fn = run_classifier.model_fn_builder(
        config,
        num_labels=2,
        init_checkpoint=None,
        learning_rate=0.001,
        num_train_steps=4,
        num_warmup_steps=1,
        use_tpu=False,
        use_one_hot_embeddings=False,
    )
    model = tf.contrib.tpu.TPUEstimator(
        model_fn,
        config=tf.contrib.tpu.RunConfig(model_dir=folder),
        use_tpu=False,
        train_batch_size=8,
        eval_batch_size=8,
        predict_batch_size=8,
    )
    return finish(model, run_classifier.input_fn_builder(features, 8, True, True))


SIZES: dict[str, Any] = {
    'vocab_size': 20,
    'hidden_size': 16,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'intermediate_size': 32,
}


def bert(folder: str) -> str:
    """A text classifier."""
    import estimator_lab.contrib  # noqa: F401

    config = importlib.import_module('bert.modeling').BertConfig(**SIZES)
    return classify_text(importlib.import_module('bert.run_classifier'), config, folder)


def albert(folder: str) -> str:
    """A text classifier; the package lacks the line that defines its flag."""
    import estimator_lab.contrib  # noqa: F401

    finders: Any = sys.meta_path
    finders.insert(0, OurLine)
    tf.flags.DEFINE_bool('use_pooled_output', True, '')
    tf.flags.FLAGS(sys.argv[:1])
    config = importlib.import_module('albert.modeling').AlbertConfig(embedding_size=8, **SIZES)
    return classify_text(importlib.import_module('albert.run_classifier'), config, folder)


def privacy(folder: str) -> str:
    """A DNNClassifier trained with differential privacy."""
    estimators = importlib.import_module('tensorflow_privacy.privacy.estimators.v1.dnn')
    optimizers = importlib.import_module('tensorflow_privacy.privacy.optimizers.dp_optimizer')
    features, labels = rows()
    model = estimators.DNNClassifier(
        hidden_units=[4],
        feature_columns=[tf.feature_column.numeric_column('x', 2)],
        model_dir=folder,
        n_classes=3,
        loss_reduction=tf.losses.Reduction.NONE,
        optimizer=lambda: optimizers.DPGradientDescentGaussianOptimizer(
            learning_rate=0.1, l2_norm_clip=1.0, noise_multiplier=0.0, num_microbatches=1
        ),
    )
    return finish(model, batches({'x': features['x']}, labels))


# The module and the trial of each.
PROGRAMS: dict[str, tuple[str, Callable[[str], str]]] = {
    'tf-slim': ('tf_slim', slim),
    'tensorflow-gan': ('tensorflow_gan', gan),
    'tensorflow-ranking': ('tensorflow_ranking', ranking),
    'adanet': ('adanet', adanet),
    'deepctr': ('deepctr', deepctr),
    'tensorflow-lattice': ('tensorflow_lattice', lattice),
    'bert-tensorflow': ('bert', bert),
    'albert-tensorflow': ('albert', albert),
    'tensorflow-privacy': ('tensorflow_privacy', privacy),
}


def try_one(name: str) -> tuple[bool, str]:
    """Runs one program in its own process; returns whether it succeeded, and its last line."""
    if importlib.util.find_spec(PROGRAMS[name][0]) is None:
        return True, 'not installed'
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, __file__, ONE, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or ['']
    return done.returncode == 0, lines[-1]


def main(arguments: list[str]) -> int:
    """Tries the named programs, or all; returns the exit status."""
    if arguments[:1] == [ONE]:
        restore_dropped_names()
        with tempfile.TemporaryDirectory() as folder:
            print(PROGRAMS[arguments[1]][1](folder))
        return 0
    failed = 0
    for name in arguments or PROGRAMS:
        if name not in PROGRAMS:
            raise SystemExit(f'no program {name!r}: there are {", ".join(PROGRAMS)}.')
        succeeded, line = try_one(name)
        failed += not succeeded
        print(f'{name:<20} {"" if succeeded else "FAILED "}{line}', flush=True)
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
