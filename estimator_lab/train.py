"""``python -m estimator_lab.train``: trains and evaluates a model, and says how to go on."""

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from estimator_lab.base import command
from estimator_lab.base.errors import DataError, option
from estimator_lab.base.interrupts import interrupted_status
from estimator_lab.base.progress import say, say_lines, say_rows
from estimator_lab.base.settings import settings_that_are
from estimator_lab.base.sizes import shown_size
from estimator_lab.base.urls import hide_secrets
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.archives.blocks import WINDOW
from estimator_lab.training.checks import prepared
from estimator_lab.training.settings import TrainSettings

if TYPE_CHECKING:
    from estimator_lab.data.archives.opened import Archives
    from estimator_lab.training.plan import Plan
    from estimator_lab.training.train import Result

_USAGE = """Trains and evaluates a model on images from tar archives or folders; goes on where it stopped.

  python -m estimator_lab.train --model=cnn
  python -m estimator_lab.train --model=cnn --data='train-*.tar' --eval_data=test.tar --model_dir=runs/mine

An image's label is its parent folder: train/n000001/0001_01.jpg has the label n000001.

Models:
""" + '\n'.join(f'  {name:<12} {entry.summary}' for name, entry in MODELS.items())
_LENGTH = ('epochs', 'max_steps')


def main(settings: TrainSettings, line: command.CommandLine) -> int:
    """Runs the command; returns its exit status."""
    if settings.hparams == 'help':
        params = find_model(settings.model).params
        from estimator_lab.core.params import describe_hparams

        say_lines(f'Hyper-parameters of {settings.model}:\n{describe_hparams(params)}')
        return 0
    settings = prepared(settings, say)

    from estimator_lab.training.plan import make_plan

    plan = make_plan(settings, say)
    cluster = plan.cluster
    if cluster.is_chief:
        say_rows(_announced(plan))
    if cluster.tasks:
        say_rows([('Task', str(cluster))])
    result = _train(plan)
    if cluster.is_chief or result.metrics:
        return _conclude(plan, result, line)
    ended = 'stopped' if result.interrupted else 'ended'
    say(f'The {cluster.task_type} has {ended}; the newest checkpoint is of step {result.step}.')
    return interrupted_status() if result.interrupted else 0


def _train(plan: 'Plan') -> 'Result':
    from estimator_lab.data.input.bad_examples import TooManyBadError
    from estimator_lab.training.train import newest_step, train

    try:
        return train(plan)
    except TooManyBadError as error:
        step = newest_step(plan)
        saved = f'The checkpoint of step {step} is saved.' if step else 'Nothing was learned yet.'
        raise DataError(
            f'{error.marked} {saved} Check the images, or go on with a larger {option.max_bad_fraction}.'
        ) from error


def _announced(plan: 'Plan') -> Iterator[tuple[str, str]]:
    from estimator_lab.data.archives.mixture import shares_text
    from estimator_lab.training.stages import DEFAULT_EPOCHS
    from estimator_lab.training.train import newest_step

    inputs, settings = plan.inputs, plan.settings
    labels = f'{len(inputs.labels)} labels' if inputs.labels else 'no labels'
    yield 'Training data', f'{_size(inputs.train)}, {labels}: {_named(inputs.train)}'
    if inputs.unseen or settings.eval_data:
        yield 'Evaluation data', f'{_size(inputs.evaluation)}: {_named(inputs.evaluation)}'
    else:
        sample = f'{inputs.evaluated:,} of ' if inputs.is_sampled else ''
        yield 'Evaluation data', f'{sample}the training data (give --eval_data or --split for unseen images)'
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
    yield 'Watch it', command.tensorboard(settings.model_dir)


def _size(archives: 'Archives') -> str:
    noun = archives.kind.noun
    if archives.total is None:
        return f'a stream of {noun}'
    return f'{archives.total:,} {archives.kind.name if archives.total == 1 else noun}'


def _shuffling(archives: 'Archives', buffer: int) -> str:
    if archives.block_size:
        size, noun = shown_size(archives.block_size), archives.kind.noun
        return f'blocks of {size}, and {noun} within {WINDOW} of them, in each epoch'
    if archives.has_random_access:
        return f'all {archives.kind.noun}, in each epoch'
    return f'within a buffer of {buffer:,} {archives.kind.noun} of the stream'


def _named(archives: 'Archives') -> str:
    first, *others = archives.paths
    first = 'standard input' if first == '-' else first
    return f'{first} and {len(others)} more' if others else first


def _conclude(plan: 'Plan', result: 'Result', line: command.CommandLine) -> int:
    settings, noun = plan.settings, plan.kind.noun
    if result.bad_images:
        say(f'{result.bad_images:,} {noun} could not be decoded and were skipped.')
    if result.interrupted:
        saved, step = f'; saved in {result.checkpoint}' if result.checkpoint else '', result.step
        if saved and plan.cluster.has_own_pace:  # others take steps between its name and its values
            step = int(result.checkpoint.rpartition('-')[2])
        say(f'Stopped at step {step} of {result.max_steps}{saved}')
        say_rows([('Go on with', _command(line))])
        return interrupted_status()
    if result.step < result.max_steps and not result.stopped_early:
        say(f'The data ended at step {result.step} of {result.max_steps}.')
    if result.metrics:
        from estimator_lab.core.metrics_text import images_text, primary_metric_text, worth_showing

        kind = f'{"unseen" if result.on_unseen else "training"} {noun}'
        on = images_text(result.metrics, result.evaluated_on, kind)
        shown = [f'{name:<24} {value:.4f}' for name, value in worth_showing(result.metrics)]
        step = int(result.metrics['global_step'])
        metric = primary_metric_text(plan.task, result.metrics, on, step)
        say_lines('\n'.join(['', *shown, '', metric, *filter(None, [result.verdict])]))
    else:
        evaluated = 'evaluated by the evaluator of the cluster'
        alone = 'without one, run the same command without TF_CONFIG, or use Run.evaluate'
        say_rows([('Trained', f'{result.step} steps, {evaluated}; {alone}')])
    say_rows([('Checkpoint', result.checkpoint), ('TensorBoard', command.tensorboard(settings.model_dir))])
    if result.metrics:
        say_rows([('Next', _next_command(line))])
    return 0


def _next_command(line: command.CommandLine) -> str:
    """Returns the next command: the user's own images after the built-in ones, otherwise more steps."""
    if 'data' in line.given:
        return _command(line, _LENGTH, '--max_steps=...')
    own = ('--data=TRAIN.tar', '--eval_data=TEST.tar', '--model_dir=runs/mine')
    return _command(line, settings_that_are(TrainSettings, 'of_one_run'), *own)


def _command(line: command.CommandLine, left_out: Sequence[str] = (), *more: str) -> str:
    """Returns the command again, without some flags and with others."""
    kept = [word for name, word in line.words.items() if name not in left_out]
    return f'{command.python()} -m estimator_lab.train {shlex.join(map(hide_secrets, [*kept, *more]))}'


COMMAND = command.Command(main, _USAGE, TrainSettings)

if __name__ == '__main__':
    COMMAND.run_and_leave()
