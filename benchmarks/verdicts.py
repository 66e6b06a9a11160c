"""Whether the sentence about a run that has learned nothing says what to do.

python benchmarks/verdicts.py [--count=200 --seed=1]
    trains models on small sets with random settings, of which one is bad; each run at chance, or whose
    reconstructions are hardly better than the mean image, is trained again as its sentence says
python benchmarks/verdicts.py --planted
    trains on 16 sets, each with one known cause of a bad result, or none; counts wrong sentences
"""

import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from runner import command_line, machine
from small_sets import (
    Split,
    coloured,
    digits,
    few_bits,
    fonts,
    icons,
    shapes,
    small_objects,
    textures,
    uneven,
)

from estimator_lab import api
from estimator_lab.core.params import resolve
from estimator_lab.core.registry import find_model
from estimator_lab.models.boltzmann.learning import RATES

_SETS = {
    'digits, 8x8': lambda: digits(8),
    'digits, 16x16': lambda: digits(16),
    'letters': fonts,
    'textures': textures,
    '16 bits': few_bits,
    'uneven': lambda: uneven(digits(16)),
}
_CLASSIFIERS = ('mlp', 'cnn', 'recurrent')
_MODELS = (*_CLASSIFIERS, *_CLASSIFIERS, 'autoencoder', 'autoencoder', 'rbm')
# Enough for all sets at the defaults.
_IMAGES = 600
_STEPS = {**dict.fromkeys(_MODELS, 400), 'rbm': 4000}
_NEARLY = 0.95  # of the error of the mean image


class Case(NamedTuple):
    """What is trained on, with its name, and the settings that are not the defaults."""

    model: str
    name: str
    split: Split
    steps: int
    settings: Mapping[str, Any] = MappingProxyType({})
    hparams: Mapping[str, Any] = MappingProxyType({})

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same in runs that differ by their seed only."""
        given = (tuple(sorted(each.items())) for each in (self.settings, self.hparams))
        return self.model, self.name, self.steps, *given


def _rate(case: Case, factor: float) -> Case:
    """Returns the case with that many times its learning rate."""
    params = resolve(find_model(case.model).params, case.hparams)
    rate = params.learning_rate or RATES[params.visible_units]
    return case._replace(hparams={**case.hparams, 'learning_rate': rate * factor})


def _of(name: str, *values: str) -> Callable[[Any, Case], Case]:
    return lambda rng, case: case._replace(hparams={name: str(rng.choice(values))})


def _few_images(rng: np.random.Generator, case: Case) -> Case:
    count = int(rng.integers(2, 2 * len(set(case.split.y))))
    return case._replace(split=case.split.first(count), name=f'{case.name}, {count} images')


def _mixed_labels(rng: np.random.Generator, case: Case) -> Case:
    return case._replace(
        split=case.split._replace(y=rng.permutation(case.split.y)), name=f'{case.name}, mixed'
    )


def _on(name: str, split: Callable[[], Split], **settings: Any) -> Callable[[Any, Case], Case]:
    return lambda rng, case: case._replace(name=name, split=split()._replace(settings={}), settings=settings)


_OF_BOTH = {
    'rate too large': lambda rng, case: _rate(case, 10 ** rng.uniform(2, 4)),
    'rate too small': lambda rng, case: _rate(case, 10 ** -rng.uniform(4, 7)),
    'few steps': lambda rng, case: case._replace(steps=int(10 ** rng.uniform(0, 1.7))),
    'none': lambda rng, case: case,
}
_OF_GRADIENTS = {'optimizer': _of('optimizer', 'sgd', 'momentum', 'adadelta', 'adagrad', 'ftrl')}
_OF_LABELS = {
    'few images': _few_images,
    'labels at random': _mixed_labels,
    'background': _on('icons', icons),
    'grey': _on('colours', coloured, channels=1),
}
_OF_MODEL = {
    'mlp': {
        'activation': _of('activation', 'sigmoid', 'linear'),
        'layers': _of('layers', '1', '64-1-64', '-'.join(['64'] * 12)),
    },
    'cnn': {'activation': _of('activation', 'sigmoid')},
    'autoencoder': {
        'layers': _of('layers', '1', '-'.join(['64'] * 12)),
        'activation': _of('activation', 'sigmoid'),
    },
}


def drawn(rng: np.random.Generator) -> tuple[str, Case, Case]:
    """Returns a cause, a run at the defaults, and one with the cause."""
    model = str(rng.choice(_MODELS))
    name = list(_SETS)[int(rng.integers(len(_SETS)))]
    split = _SETS[name]()
    order = rng.permutation(len(split.y))[:_IMAGES]
    causes = {**_OF_BOTH, **_OF_MODEL.get(model, {})}
    causes |= _OF_GRADIENTS if model != 'rbm' else {}
    causes |= _OF_LABELS if model in _CLASSIFIERS else {}
    cause = str(rng.choice(list(causes)))
    good = Case(model, name, split._replace(x=split.x[order], y=split.y[order]), _STEPS[model])
    return cause, good, causes[cause](rng, good)


def remedied(case: Case, good: Case, sentence: str) -> Iterator[Case]:
    """Yields the case after each change that its sentence names; where that is open, the default first."""
    if 'few steps' in sentence:
        yield case._replace(steps=good.steps)
    if 'train on more' in sentence or 'labels' in sentence:
        yield case._replace(split=good.split, name=good.name)
    advice, _, without = sentence.partition('try without')
    if without:
        kept = {name: value for name, value in case.hparams.items() if f'{name}=' not in without}
        yield case._replace(hparams=kept)
    params = find_model(case.model).params
    for name, value in re.findall(r'(\w+)=(\w+|\.{3})', advice):
        if name == 'learning_rate':
            yield from _other_rates(case, is_smaller='smaller' in advice)
        elif hasattr(params, name):
            yield case._replace(hparams={**case.hparams, name: value})
        else:
            yield case._replace(settings={**case.settings, name: int(value) if value.isdigit() else value})


def _other_rates(case: Case, is_smaller: bool) -> Iterator[Case]:
    others = {name: value for name, value in case.hparams.items() if name != 'learning_rate'}
    default = _rate(case._replace(hparams=others), 1).hparams['learning_rate']
    now = case.hparams.get('learning_rate', default)
    if now > default or (now < default and not is_smaller):
        yield case._replace(hparams=others)
    for power in range(1, 5):
        yield _rate(case, 10**-power)
        if not is_smaller:
            yield _rate(case, 10**power)


def judged(case: Case, seed: int) -> tuple[bool, str]:
    """Trains; returns whether nothing was learned, and the sentence, which may be an error's."""
    with tempfile.TemporaryDirectory() as folder:
        given = {**case.split.data(Path(folder)), **case.settings, 'max_steps': case.steps, 'seed': seed}
        given |= {'save_checkpoints_steps': case.steps, 'save_summary_steps': case.steps}
        given |= {'hparams': dict(case.hparams)}
        try:
            run = api.fit(case.model, model_dir=Path(folder, 'run'), say=None, **given)
        except api.LabError as error:
            return True, str(error)
        return case.model != 'gan' and _has_learned_nothing(run.metrics), run.result.judgement


def _has_learned_nothing(metrics: Any) -> bool:
    if 'accuracy' in metrics:
        share = metrics['majority_share']
        return metrics['accuracy'] <= share + 1.96 * math.sqrt(
            share * (1 - share) / metrics['total_examples']
        )
    error = metrics.get('squared_error', metrics.get('reconstruction_error'))
    return not error < _NEARLY * metrics['mean_image_error']


def _only(split: Split, counts: tuple[int, int], rows: tuple[int, int]) -> Split:
    """Returns the first two labels with that many training images and test images each."""
    parts = [_of_each(*part, each) for part, each in ((split[:2], counts), (split[2:4], rows))]
    return Split(*parts[0], *parts[1])


def _of_each(x: np.ndarray, y: np.ndarray, counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    found = [np.flatnonzero(y == label) for label in sorted(set(y))[:2]]
    rows = np.concatenate([np.resize(each, count) for each, count in zip(found, counts, strict=True)])
    return x[rows], y[rows]


def _without(split: Split, label: Any, count: int) -> Split:
    """Returns that many training images of the label only."""
    rows = np.flatnonzero((split.y != label) | (np.cumsum(split.y == label) <= count))
    return split._replace(x=split.x[rows], y=split.y[rows])


def _noisy(split: Split, deviation: float) -> Split:
    rng = np.random.default_rng(0)
    return split.changed(
        lambda images: np.clip(images + rng.normal(0, deviation, images.shape), 0, 255).astype(np.uint8)
    )


def _twins(split: Split) -> Split:
    """Returns 420 training images, each under both of two labels."""
    found = _only(split, (210, 210), (60, 60))
    others = np.where(found.y == found.y[0], found.y[-1], found.y[0])
    return found._replace(x=np.concatenate([found.x, found.x]), y=np.concatenate([found.y, others]))


def _few_levels(split: Split) -> Split:
    """Returns 16-bit images of the values 118 to 121."""
    return split.changed(lambda images: (118 + np.rint(images / 255 * 3)).astype(np.uint16))


def planted() -> Iterator[tuple[str, Case, str]]:
    """Yields what was planted, a run, and a pattern of the right sentence; '' for none."""
    whole = digits(16)
    alike = _noisy(whole.changed(lambda images: images // 3 + 80), 60)
    none = 'none, 95:5 in training and test'
    yield none, Case('cnn', none, _only(whole, (380, 20), (57, 3)), 400), ''
    yield '99:1', Case('cnn', '99:1', _only(alike, (990, 10), (60, 60)), 400), 'balanced=true'
    yield 'none, four levels of 16 bits', Case('mlp', 'few levels', _few_levels(whole), 400), ''
    yield (
        'twins',
        Case('mlp', 'twins', _twins(whole), 400),
        '420 training examples equal one of another label',
    )
    mixed = _mixed_labels(np.random.default_rng(0), Case('cnn', 'digits', whole, 400))
    yield 'labels at random', mixed, 'labels(?!.*data.check)'
    drawn = shapes(120)
    first = np.unique(drawn.y, return_index=True)[1]
    one_of_each = drawn._replace(x=drawn.x[first], y=drawn.y[first])
    yield 'few images', Case('mlp', 'shapes', one_of_each, 400), 'train on more'
    for cause, model, rate, pattern in (
        ('rate too large', 'mlp', 30.0, 'diverged|learning_rate'),
        ('rate too small', 'recurrent', 1e-9, 'learning_rate'),
    ):
        yield cause, Case(model, 'digits', whole, 400, hparams={'learning_rate': rate}), pattern
    yield 'few steps', Case('mlp', 'shapes', drawn, 3), 'few steps'
    deep = {'layers': '-'.join(['64'] * 12), 'activation': 'sigmoid'}
    yield 'deep sigmoids', Case('mlp', 'digits', whole, 400, hparams=deep), 'without .*activation=sigmoid'
    black, bright = icons()._replace(settings={}), coloured()._replace(settings={})
    yield 'black on black', Case('mlp', 'icons', black, 400), 'background=white'
    yield 'read as grey', Case('mlp', 'colours', bright, 400, {'channels': 1}), 'no better.*channels=3'
    lighter = coloured(white=(250, 250, 250), black=(10, 10, 10))._replace(settings={})
    yield 'poor as grey', Case('cnn', 'colours', lighter, 400, {'channels': 1}), 'is poor.*channels=3'
    small = Case('cnn', 'small objects', small_objects(), 150, {'image_size': 64})
    yield 'a small object, few steps', small, '^(?!.*labels:).*image_size'
    rare = _without(whole, whole.y[0], 3)
    yield (
        'a class of three',
        Case('cnn', 'digits', rare, 400),
        f'only .*3 training examples of .{whole.y[0]}.,',
    )
    fast = Case('gan', 'digits', whole, 600, hparams={'learning_rate': 0.01})
    yield 'a lost GAN', fast, 'discriminator has won.*learning_rate'


def _count_wrong() -> None:
    wrong = 0
    for number, (cause, case, pattern) in enumerate(planted()):
        _, sentence = judged(case, number)
        is_right = bool(re.search(pattern, sentence)) if pattern else not sentence
        wrong += not is_right
        print(f'{"right" if is_right else "WRONG"}: {cause}, {case.model}: {sentence}', flush=True)
    print(f'{number + 1} sets with planted causes: {wrong} wrong')


def main() -> None:
    """Prints a line for each run that has learned nothing, and counts."""
    flags = {
        'count': (200, 'of runs'),
        'seed': (1, 'of the drawing'),
        'first': (0, 'number of the first run, to go on where another process ended'),
        'only': ('', 'part of the name of the models'),
        'minutes': (600, 'after which it ends'),
        'planted': (False, 'judge 16 sets with known causes instead'),
    }
    given = command_line(__doc__, **flags).parse_args()
    print(machine())
    if given.planted:
        _count_wrong()
        return
    rng, counts = np.random.default_rng(given.seed), Counter[str]()
    learned: dict[tuple[Any, ...], bool] = {}
    end = time.monotonic() + 60 * given.minutes
    for number in range(given.count):
        if time.monotonic() > end:
            break
        cause, good, case = drawn(rng)
        if number < given.first or given.only not in case.model:
            continue
        counts['run'] += 1
        is_bad, sentence = judged(case, number)
        if not is_bad:
            continue
        verdict = 'not cured' if sentence else 'no sentence'
        for each in remedied(case, good, sentence):
            if each.key not in learned:
                learned[each.key] = not judged(each, number)[0]
            if learned[each.key]:
                verdict = 'cured'
                break
        counts[verdict] += 1
        print(f'{number} {verdict}: {cause}, {case.model} {dict(case.hparams)}: {sentence}', flush=True)
    failed = counts['not cured'] + counts['no sentence']
    learned_something = counts['run'] - counts['cured'] - failed
    print(
        f'{counts["run"]} runs: {learned_something} have learned something, {counts["cured"]} do so trained '
        f'again as their sentence says, and {failed} do not, or have no sentence'
    )


if __name__ == '__main__':
    main()
