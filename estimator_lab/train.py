"""``python -m estimator_lab.train``: trains and evaluates a model, and says how to go on."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from estimator_lab.base import command
from estimator_lab.base.errors import DataError, option
from estimator_lab.base.interrupts import interrupted_status
from estimator_lab.base.progress import say, say_lines, say_rows
from estimator_lab.base.settings import settings_that_are
from estimator_lab.base.urls import hide_secrets
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.training.checks import prepared
from estimator_lab.training.settings import TrainSettings

if TYPE_CHECKING:
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

    from estimator_lab.training.announcement import announced
    from estimator_lab.training.plan import make_plan

    plan = make_plan(settings, say)
    cluster = plan.cluster
    if cluster.is_chief:
        say_rows(announced(plan))
        say_rows([('Watch it', command.tensorboard(settings.model_dir))])
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
        say_lines('\n'.join(['', *shown, '', metric]))
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
