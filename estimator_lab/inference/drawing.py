"""What a model has learned, as pictures: Gibbs chains, samples, gradient ascent."""

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_of
from estimator_lab.core.model import AnyModel
from estimator_lab.inference.dreams import Dream, dream
from estimator_lab.inference.run import Run
from estimator_lab.inference.samples import ARCHIVE, OF_GENERATORS, OF_MACHINES, PICTURES, Samples, sample
from estimator_lab.inference.settings import AscentSettings, DreamSettings
from estimator_lab.models.registry import MODELS, find_model

__all__ = ['ARCHIVE', 'PICTURES', 'Dream', 'Samples', 'draw']

_OF_ASCENT = {'label', 'count', 'steps', *settings_of(AscentSettings)}


def draw(run: Run, settings: DreamSettings, given: frozenset[str] = frozenset()) -> Dream | Samples:
    """Draws what a model has learned: samples, or by gradient ascent if one of its settings is given.

    Args:
      run: the model.
      settings: what to draw.
      given: the settings that the user gave: one without a meaning for the model is an error.

    Raises as `Run.dream`.
    """
    model = run.architecture
    makes_samples = bool(model.stack or model.sampler)
    if not (makes_samples or model.network):
        able = ', '.join(name for name in MODELS if _draws(find_model(name)))
        raise FlagError(
            f'--model_dir={run.model_dir} holds --model={run.model}, which does not dream: {able} do.'
        )
    ascends = bool(model.network) and (not makes_samples or bool(given & settings_of(AscentSettings).keys()))
    if not ascends:
        which = f'--model={run.model} without --layer' if model.network else f'--model={run.model}'
        _check_known(given, OF_GENERATORS if model.sampler else OF_MACHINES, which)
        return sample(run, settings)
    _check_known(given, _OF_ASCENT, f'--model={run.model}{" with --layer" if makes_samples else ""}')
    if 'count' in given and not settings.atlas:
        raise FlagError('--count has no meaning without --atlas, see --help.')
    return dream(run, settings)


def _draws(model: AnyModel) -> bool:
    return bool(model.stack or model.sampler or model.network)


def _check_known(given: frozenset[str], known: set[str] | frozenset[str], which: str) -> None:
    every = {*OF_GENERATORS, *OF_MACHINES, *_OF_ASCENT}
    for name in sorted(given & every - known - {'seed'}):
        raise FlagError(f'--{name} has no meaning for {which}, see --help.')
