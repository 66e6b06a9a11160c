"""Figures of recursive networks.

    python benchmarks/recursive_figures.py listops --test=listops-test.tsv.gz
                        accuracy on the original test set, trained on 90,000 generated trees; an hour
    python benchmarks/recursive_figures.py sequence --test=listops-test.tsv.gz
                        the same of an LSTM that reads the tokens one by one; half an hour
    python benchmarks/recursive_figures.py quadtrees --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        accuracy of a TreeLSTM on the quadtrees of digits; an hour
    python benchmarks/recursive_figures.py speed --test=listops-test.tsv.gz
                        trees a second in training, against PyTorch node by node; 2 minutes

Each trains in its own folder below --runs and resumes what is there. `speed` needs `pip install -e
'.[bench]'` and a machine that is idle otherwise.
"""

import argparse
import functools
import gzip
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from runner import Clock, Figures, Measured, print_table, race, train

from estimator_lab.data.archives import open_archives
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import read_batches
from estimator_lab.data.demo_sets.listops import TRAIN, lines
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.trees.kind import TREES
from estimator_lab.data.trees.parse import Tree, parse_tree
from estimator_lab.data.trees.reader import TreeReader
from estimator_lab.data.trees.tokens import Tokens
from estimator_lab.models.recursive import model as recursive
from estimator_lab.models.recursive.cells import LstmCell
from estimator_lab.tf1 import tf

FLAGS = {
    # The values of ListOps have no noise, and a batch has thousands of nodes.
    'listops': (
        '--batch_size=64',
        '--epochs=24',
        '--hparams=dropout_rate=0,input_dropout_rate=0,l2=1e-6,learning_rate=0.002,embedding_range=0.5',
    ),
    'quadtrees': ('--image_size=28', '--batch_size=64', '--epochs=20', '--augment=shift=2'),
}
TOKENS = Tokens(('[MAX', '[MED', '[MIN', '[SM', ']', *'0123456789'))
LABELS = Vocabulary(tuple('0123456789'))

_UNITS = 128
_SEQUENCE_BATCH, _SEQUENCE_POOL, _SEQUENCE_EPOCHS = 64, 50, 10
_SPEED_BATCH = 64
FIGURES = Figures(
    __doc__,
    train=('', 'training archive of digits'),
    test=('', 'test archive, or the test set of ListOps'),
    runs=('runs/recursive', 'folder of the model_dirs'),
    trees=(TRAIN, 'generated trees to train on'),
)


def training_trees(given: argparse.Namespace) -> Path:
    """Returns the file of generated trees, none of the test set's; made at its first use."""
    path = Path(given.runs) / 'listops-train.tsv'
    if not path.exists():
        with gzip.open(given.test, 'rt', encoding='ascii') as file:
            test = {line.rstrip('\n').partition('\t')[2] for line in file}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix('.partial')
        with partial.open('w', encoding='ascii') as file:
            file.writelines(f'{line}\n' for line in itertools.islice(lines(1, test), given.trees))
        partial.rename(path)
    return path


def learn(name: str, given: argparse.Namespace, data: Path | str) -> None:
    """Runs the training command of a figure; it prints the accuracy."""
    archives = f'--data={data}', f'--eval_data={given.test}'
    train('--model=recursive', *archives, *FLAGS[name], model_dir=Path(given.runs) / name)


@FIGURES.add('test')
def listops(given: argparse.Namespace) -> None:
    """Prints the accuracy on the original test set: published 98.7 % (128 units), 94.7 % (48)."""
    learn('listops', given, training_trees(given))


@FIGURES.add('train', 'test')
def quadtrees(given: argparse.Namespace) -> None:
    """Prints the accuracy on MNIST."""
    learn('quadtrees', given, given.train)


@FIGURES.add('test')
def sequence(given: argparse.Namespace) -> None:
    """Prints the accuracy of an LSTM of 128 units on the tokens in their order: published 73.3 %."""
    with tf.Graph().as_default(), tf.Session() as session:
        placeholders, right, step = _token_network()
        session.run(tf.global_variables_initializer())
        started = time.monotonic()
        for epoch in range(_SEQUENCE_EPOCHS):
            for batch in _sequences(str(training_trees(given)), epoch):
                session.run(step, dict(zip(placeholders, batch, strict=True)))
            outcome = [
                session.run(right, dict(zip(placeholders, batch, strict=True)))
                for batch in _sequences(given.test, None)
            ]
            minutes = (time.monotonic() - started) / 60
            accuracy = np.concatenate(outcome).mean()
            print(f'epoch {epoch + 1}: LSTM on the tokens {accuracy:.4f}, {minutes:.1f} minutes', flush=True)


def _token_network() -> tuple[tuple[Any, ...], Any, Any]:
    """Returns placeholders of `_sequences`, which sequences are classified right, and the training step."""
    tf.set_random_seed(1)
    tokens = tf.placeholder(tf.int32, [None, None])
    lengths, labels = (tf.placeholder(tf.int32, [None]) for _ in range(2))
    embedding = tf.get_variable('embedding', [len(TOKENS.texts) + 1, _UNITS])
    cell = tf.nn.rnn_cell.LSTMCell(_UNITS)
    _, state = tf.nn.dynamic_rnn(cell, tf.gather(embedding, tokens), lengths, dtype=tf.float32)
    logits = tf.layers.dense(state.h, len(LABELS))
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    optimizer = tf.train.AdamOptimizer(0.001)
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
    step = optimizer.apply_gradients(zip(clipped, variables, strict=True))
    right = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)
    return (tokens, lengths, labels), right, step


def _sequences(path: str, epoch: int | None) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (tokens int32 [n, length], lengths, class ids) of an epoch, or in the file's order for None.

    The sequences of a batch have about the same length, so that little is padded.
    """
    order = open_archives([path], TREES).order(10_000 if epoch is not None else 1)
    reader = TreeReader(TOKENS, LABELS)
    rng = np.random.default_rng(epoch)
    for pool in read_batches(
        order.epoch(epoch or 0), _SEQUENCE_POOL * _SEQUENCE_BATCH, reader, InputReport(TREES)
    ):
        rows = [row[row >= 0] for row in pool.arrays['token']]
        lengths = np.array(list(map(len, rows)))
        labels = np.array([LABELS.id_of(text) for text in pool.labels])
        by_length = np.argsort(lengths, kind='stable')
        starts = np.arange(0, len(rows), _SEQUENCE_BATCH)
        for start in rng.permutation(starts).tolist():
            chosen = by_length[start : start + _SEQUENCE_BATCH]
            padded = np.zeros((len(chosen), lengths[chosen].max()), np.int32)
            for row, number in zip(padded, chosen, strict=True):
                row[: lengths[number]] = rows[number]
            yield padded, lengths[chosen], labels[chosen]


@FIGURES.add('test')
def speed(given: argparse.Namespace) -> None:
    """Prints trees a second in training of the same network on the same trees, three times in turn.

    Ours reads and parses them meanwhile; PyTorch has them parsed in advance.
    """
    contenders = {'ours': _ours, 'PyTorch, node by node': _node_by_node}
    trees = training_trees(given)
    measures = {name: functools.partial(measure, trees) for name, measure in contenders.items()}
    print_table(race(measures, 3), 'trees')


def _ours(path: Path) -> Measured:
    order = open_archives([str(path)], TREES).order(10_000, seed=1)
    reader = TreeReader(TOKENS, LABELS)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        input_fn = archive_input_fn(
            order, reader, _SPEED_BATCH, InputReport(TREES), LABELS, consumed=lambda: 0
        )
        features, labels = input_fn().make_one_shot_iterator().get_next()
        tf.train.get_or_create_global_step()
        params = {'vocabulary': LABELS.labels, 'tokens': TOKENS.texts, 'units': _UNITS}
        spec = recursive.model_fn(features, labels, tf.estimator.ModeKeys.TRAIN, params)
        with tf.train.MonitoredSession() as session:
            clock = Clock(60, _SPEED_BATCH, warm_up=10)
            return clock.time(lambda: session.run(spec.train_op), f'TensorFlow {tf.__version__}')


def _node_by_node(path: Path) -> Measured:
    """Measures a binary TreeLSTM as public ones are written: a call for each node."""
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)
    with path.open('rb') as file:
        first_lines = itertools.islice(file, 4 * _SPEED_BATCH)
        trees = [(parse_tree(line), int(line.split(b'\t')[0])) for line in first_lines]
    linear_size = LstmCell(_UNITS, 2).linear_size
    embedding = nn.Embedding(len(TOKENS.texts) + 1, _UNITS)
    leaf, node = nn.Linear(_UNITS, 3 * _UNITS), nn.Linear(2 * _UNITS, linear_size)
    classifier = nn.Linear(_UNITS, len(LABELS))
    layers = nn.ModuleList([embedding, leaf, node, classifier])
    optimizer = torch.optim.Adam(layers.parameters(), 0.001)

    def root_of(tree: Tree) -> Any:
        states: list[Any] = []
        for place, left in enumerate(tree.left):
            if left < 0:
                number = torch.tensor(TOKENS.ids[tree.tokens[place]])
                into, out, update = leaf(embedding(number)).chunk(3)
                cell = torch.sigmoid(into) * torch.tanh(update)
            else:
                (h_left, c_left), (h_right, c_right) = states[left], states[place - 1]
                into, out, first, second, update = node(torch.cat([h_left, h_right])).chunk(5)
                cell = torch.sigmoid(into) * torch.tanh(update)
                cell = cell + torch.sigmoid(first + 1) * c_left + torch.sigmoid(second + 1) * c_right
            states.append((torch.sigmoid(out) * torch.tanh(cell), cell))
        return states[-1][0]

    def step(batch: list[tuple[Tree, int]]) -> None:
        optimizer.zero_grad()
        logits = classifier(torch.stack([root_of(tree) for tree, _ in batch]))
        loss = nn.functional.cross_entropy(logits, torch.tensor([label for _, label in batch]))
        loss.backward()
        optimizer.step()

    batches = (trees[first : first + _SPEED_BATCH] for first in range(0, len(trees), _SPEED_BATCH))
    clock = Clock(3, _SPEED_BATCH, warm_up=1)
    return clock.time(lambda: step(next(batches)), f'PyTorch {torch.__version__}')


if __name__ == '__main__':
    FIGURES.main()
