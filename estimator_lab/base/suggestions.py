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

EXAMPLES = ('data', 'eval_data', 'test_data', 'image', 'images', 'input', 'archive', 'path', 'file')
"""Names of flags for examples."""

_DEVICES = 'the variable CUDA_VISIBLE_DEVICES chooses the GPUs'
REMARKS = {
    'device': _DEVICES,
    'devices': _DEVICES,
    'gpu': _DEVICES,
    'gpus': _DEVICES,
    'resume': 'a training goes on in its --model_dir by itself',
}
"""What takes the place of flags that other programs have."""

_MEANT = {
    **dict.fromkeys(('checkpoint', 'checkpoint_path', 'ckpt', 'pretrained'), ('warm_start', 'model_dir')),
    **dict.fromkeys(EXAMPLES, ('data', 'image')),
}
"""Names of other programs, and the names here; the first known one is meant."""

_LONGEST = 250  # letters of a list of names


def suggested(name: str, known: Collection[str]) -> list[str]:
    """Returns up to two of the known names that may have been meant, the most likely first.

    Examples:
        >>> suggested('epoc', ['epochs', 'learning_rate'])
        ['epochs']
    """
    plain = name.lower().replace('-', '_')
    meant = [other for other in (plain, *_MEANT.get(plain, ())) if other in known]
    return meant[:1] or difflib.get_close_matches(plain, known, n=2, cutoff=0.65)


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
