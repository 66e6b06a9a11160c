"""Which name a user may have meant by one that does not exist."""

import difflib
from collections.abc import Collection

HPARAMS = (
    *('optimizer', 'learning_rate', 'learning_rate_schedule', 'warmup_steps', 'momentum', 'clip_norm'),
    *('activation', 'filters', 'kernel_size', 'dense_units', 'dropout_rate', 'weight_decay', 'layers'),
    *('hidden_units', 'latent_size', 'style_image', 'conditional', 'depth', 'kind'),
)
"""Common hyper-parameters, for commands that have not loaded the models."""


def suggested(name: str, known: Collection[str]) -> list[str]:
    """Returns up to two of the known names that may have been meant, the most likely first.

    Examples:
        >>> suggested('epoc', ['epochs', 'learning_rate'])
        ['epochs']
    """
    plain = name.lower().replace('-', '_')
    return [plain] if plain in known else difflib.get_close_matches(plain, known, n=2, cutoff=0.65)


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """Returns the sentence for an unknown name: 'Unknown setting 'epoc'; did you mean epochs?'.

    Examples:
        >>> unknown('Unknown setting', 'epoc', ['epochs', 'learning_rate'])
        "Unknown setting 'epoc'; did you mean epochs? Known are: epochs, learning_rate."
    """
    near = suggested(name, known)
    meant = f'did you mean {" or ".join(near)}? Known' if near else 'known'
    return f'{what} {name!r}; {meant} are: {", ".join(known)}.'
