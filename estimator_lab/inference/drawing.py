"""What a model has learned, as pictures: Gibbs chains, samples, gradient ascent."""

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_of
from estimator_lab.core.model import AnyModel
from estimator_lab.inference.dreams import Dream, dream
from estimator_lab.inference.samples import Samples, check_known, sample
from estimator_lab.inference.settings import AscentSettings, DreamSettings
from estimator_lab.models.registry import MODELS, find_model
from estimator_lab.runs.model import Trained

_OF_ASCENT = {'label', 'count', 'steps', 'seed', *settings_of(AscentSettings)}


def draw(run: Trained, settings: DreamSettings, given: frozenset[str] = frozenset()) -> Dream | Samples:
    """Draws what a model has learned: samples, or by gradient ascent if one of its settings is given.

    Of the settings that the user gave, one without a meaning for the model is an error.

    Raises as `Run.dream`.
    """
    if not _draws(run.architecture):
        able = ', '.join(name for name in MODELS if _draws(find_model(name)))
        raise FlagError(
            f'--model_dir={run.model_dir} holds --model={run.model}, which does not dream: {able} do.'
        )
    if not ascends(run, given):
        return sample(run, settings, given)
    check_known(run, given, _OF_ASCENT, 'layers')
    if 'count' in given and not settings.atlas:
        raise FlagError('--count has no meaning without --atlas, see --help.')
    return dream(run, settings)


def ascends(run: Trained, given: frozenset[str]) -> bool:
    """Returns whether a model is drawn by gradient ascent, given the settings that the user gave."""
    model = run.architecture
    asked = given & settings_of(AscentSettings).keys()
    return bool(model.network and (asked or not (model.stack or model.sampler)))


def _draws(model: AnyModel) -> bool:
    return bool(model.stack or model.sampler or model.network)
