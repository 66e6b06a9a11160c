"""What a training says of itself before it begins."""

from collections.abc import Iterator

from estimator_lab.base.errors import option
from estimator_lab.base.sizes import shown_size
from estimator_lab.data.archives.blocks import WINDOW
from estimator_lab.data.archives.mixture import shares_text
from estimator_lab.data.archives.opened import Archives
from estimator_lab.training.plan import Plan
from estimator_lab.training.stages import DEFAULT_EPOCHS
from estimator_lab.training.train import newest_step


def announced(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yields the titles and texts of what is trained on, how, and how far."""
    inputs, settings = plan.inputs, plan.settings
    labels = f'{len(inputs.labels)} labels' if inputs.labels else 'no labels'
    yield 'Training data', f'{_size(inputs.train)}, {labels}: {_named(inputs.train)}'
    if inputs.unseen or settings.eval_data:
        yield 'Evaluation data', f'{_size(inputs.evaluation)}: {_named(inputs.evaluation)}'
    else:
        remedy = f'give {option.eval_data} or {option.split}'
        sample = f'{inputs.evaluated:,} of ' if inputs.is_sampled else ''
        yield 'Evaluation data', f'{sample}the training data ({remedy} for unseen images)'
    if settings.shuffle_buffer > 1:
        yield 'Shuffling', _shuffling(inputs.train, settings.shuffle_buffer)
    if settings.weights:
        yield 'Mixture', shares_text(inputs.weights)
    if plan.warm_start:
        yield 'Warm start', str(plan.warm_start)
    newest = newest_step(plan)
    if newest < plan.max_steps:
        yield 'Training', f'step {newest} to {plan.max_steps} in {settings.model_dir}'
    else:
        yield 'Training', f'none: {settings.model_dir} is at step {newest} of {plan.max_steps}'
    epochs = plan.stages[-1].epochs
    if settings.epochs is settings.max_steps is None and epochs > 2 * DEFAULT_EPOCHS:
        few = f'as the {plan.kind.noun} are few; {option.epochs}={DEFAULT_EPOCHS} takes fewer steps'
        yield 'Epochs', f'{epochs:.0f}, {few}'


def _size(archives: Archives) -> str:
    noun = archives.kind.noun
    if archives.total is None:
        return f'a stream of {noun}'
    return f'{archives.total:,} {archives.kind.name if archives.total == 1 else noun}'


def _shuffling(archives: Archives, buffer: int) -> str:
    if archives.block_size:
        size, noun = shown_size(archives.block_size), archives.kind.noun
        return f'blocks of {size}, and {noun} within {WINDOW} of them, in each epoch'
    if archives.has_random_access:
        return f'all {archives.kind.noun}, in each epoch'
    return f'within a buffer of {buffer:,} {archives.kind.noun} of the stream'


def _named(archives: Archives) -> str:
    first, *others = archives.paths
    first = 'standard input' if first == '-' else first
    return f'{first} and {len(others)} more' if others else first
