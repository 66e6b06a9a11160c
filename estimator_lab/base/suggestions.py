"""Which name a user may have meant by one that does not exist."""

import difflib
import itertools
from collections.abc import Collection

from estimator_lab.base.json_input import shown

HPARAMS = (
    'optimizer',
    'learning_rate',
    'learning_rate_schedule',
    'warmup_steps',
    'momentum',
    'clip_norm',
    'activation',
    'filters',
    'kernel_size',
    'dense_units',
    'dropout_rate',
    'weight_decay',
    'layers',
    'hidden_units',
    'latent_size',
    'style_image',
    'conditional',
    'depth',
    'kind',
)
"""Common hyper-parameters, for commands that have not loaded the models."""

_LONGEST = 250  # letters of a list of names


def suggested(name: str, known: Collection[str]) -> list[str]:
    """Returns up to two of the known names that may have been meant, the most likely first.

    Examples:
        >>> suggested('epoc', ['epochs', 'learning_rate'])
        ['epochs']
    """
    plain = name.lower().replace('-', '_')
    return [plain] if plain in known else difflib.get_close_matches(plain, known, n=2, cutoff=0.65)


def unknown(what: str, name: object, known: Collection[str]) -> str:
    """Returns the sentence for an unknown name: 'Unknown setting 'epoc'; did you mean epochs?'.

    Examples:
        >>> unknown('Unknown setting', 'epoc', ['epochs', 'learning_rate'])
        "Unknown setting 'epoc'; did you mean epochs? Known are: epochs, learning_rate."
    """
    near = suggested(str(name), known)
    meant = f'did you mean {" or ".join(near)}? Known' if near else 'known'
    return f'{what} {shown(name)}; {meant} are: {_listed(known)}.'


def _listed(names: Collection[str]) -> str:
    """Returns names with commas, and how many more there are after the first ones."""
    ends = itertools.accumulate(len(name) + 2 for name in names)
    fitting = sum(end <= _LONGEST for end in ends)
    more = [f'and {len(names) - fitting} more'] if fitting < len(names) else []
    return ', '.join([*itertools.islice(names, fitting), *more])
