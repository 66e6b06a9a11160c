"""Makes TensorFlow 1's names available to programs that do not import this package.

`prepare` does it now; after `install`, which Python calls when it starts if the user has run
`python -m estimator_lab.run --install-hook`, it happens when TensorFlow is imported. So importing this module
imports nothing else: not even types.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_TENSORFLOW = 'tensorflow'
HOOK = 'estimator_lab_startup.pth'
"""The name of the file in an environment's folder of packages that calls `install` when Python starts."""

HOOK_LINE = (
    'import sys; exec("try:\\n import estimator_lab.startup as hook\\nexcept ImportError:\\n pass\\n'
    'else:\\n hook.install()")\n'
)
"""Its only line. It has no effect after this package is uninstalled."""


def prepare(contrib: bool = False) -> None:
    """Restores `tf.estimator` now, and `tf.contrib` when it is first used.

    Args:
      contrib: whether to restore tf.contrib now too, which makes `shape[0].value` work.

    Raises:
      ImportError: the installed packages do not fit; the message is one sentence.
    """
    import importlib

    from estimator_lab.tf1._restore import offer_contrib

    def load() -> None:
        importlib.import_module('estimator_lab.contrib')

    if contrib:
        load()
    else:
        offer_contrib(load)


def install() -> None:
    """Calls `prepare` when TensorFlow is imported; the import itself succeeds in any case."""
    if _TENSORFLOW not in sys.modules:
        sys.meta_path.insert(0, _AtTensorFlow())  # type: ignore[arg-type] # a base class takes 12 ms to import


class _AtTensorFlow:
    """An import finder that waits for TensorFlow, once."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> object:
        """Imports `estimator_lab.tf1`, which imports TensorFlow; returns a spec of the finished module."""
        if fullname != _TENSORFLOW:
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        if 'estimator_lab.tf1' in sys.modules:  # it imports TensorFlow itself
            return None
        try:
            prepare()
        except ImportError as error:
            import warnings

            warnings.warn(f'estimator_lab does not restore tf.estimator: {error}', stacklevel=2)
        module = sys.modules.get(_TENSORFLOW)
        return module and _finished(module)


def _finished(module: 'ModuleType') -> object:
    """Returns a spec that makes Python's import system keep the module as it is."""
    from importlib.machinery import ModuleSpec

    spec = module.__spec__

    class Finished:
        def create_module(self, spec: object) -> object:
            return module

        def exec_module(self, module: 'ModuleType') -> None:
            module.__spec__ = spec

    module.__spec__ = ModuleSpec(_TENSORFLOW, Finished(), is_package=True)  # type: ignore[arg-type]
    return module.__spec__
