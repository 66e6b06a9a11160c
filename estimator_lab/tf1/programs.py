"""Runs other people's programs on the TensorFlow that they were written for.

Which one that is follows from the names that a module uses. `import tensorflow as tf` in a program for
TensorFlow 1 becomes `import tensorflow.compat.v1 as tf`. Only the syntax tree changes, not the file, so that
line numbers and tracebacks are those of the program.
"""

import ast
import contextlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import tensorflow as tf2
import tensorflow.compat.v1 as tf
from tensorflow.python.util.lazy_loader import LazyLoader

from estimator_lab.tf1.finder import LazyModule, found_by_others
from estimator_lab.tf1.uses import Use, uses

_TF = 'tensorflow'
_V1 = 'tensorflow.compat.v1'
# Names of TensorFlow 1 whose meaning under v2 behaviour is another one, or that then raise an error.
_NEEDS_V1 = ('placeholder', 'Session', 'InteractiveSession', 'summary.FileWriter', 'contrib')
# Programs that use one of these were written or converted for v2 behaviour.
_NEEDS_V2 = (
    *('function', 'GradientTape', 'compat.v2', 'enable_v2_behavior', 'enable_eager_execution'),
    *('disable_v2_behavior', 'compat.v1.disable_v2_behavior', 'compat.v1.enable_v2_behavior'),
    *('disable_eager_execution', 'compat.v1.disable_eager_execution', 'compat.v1.enable_eager_execution'),
)
_NOT_IN_V1 = ('python', 'core', 'tools')  # modules that programs import from `tensorflow`
# Modules that stay, or that `tf1` supplies.
_KEPT = (*_NOT_IN_V1, 'compat', 'contrib', 'estimator', 'keras', 'layers')
# Names of tf.metrics and tf.losses in both; in TensorFlow 2 they are Keras's.
_IN_BOTH = ('mean_squared_error', 'mean_absolute_error', 'Reduction')
# Modules of tf.estimator, which is not loaded to look, that only TensorFlow 1 has.
_ESTIMATOR_1 = ('inputs', 'tpu')
# Packages that are never read: TensorFlow itself, and those that follow its versions.
_OTHERS = frozenset(
    ('estimator_lab', 'keras', 'tensorboard', 'tensorflow', 'tensorflow_estimator', 'tf_keras', 'tf_slim')
)
INSTALLED = tuple({sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')})
"""The folders of installed packages."""


class Style(NamedTuple):
    """What a module's text says about its TensorFlow.

    Attributes:
      v1: whether its `tensorflow` is TensorFlow 1; None if it uses only names that both have.
      behaviour: whether it needs TensorFlow 1's behaviour: no eager execution, `shape[0].value`.
      converted: whether it calls TensorFlow 1 by `tf.compat.v1`.
    """

    v1: bool | None = None
    behaviour: bool = False
    converted: bool = False


def style_of(tree: ast.AST) -> Style:
    """Returns the style of a module from its syntax tree."""
    found = list(uses(tree))
    paths, explicit = _paths(found, _TF), _paths(found, _V1)
    versions = {path: _only_version(path, words) for path, words in paths.items()}
    one = [path for path, version in versions.items() if version == 1]
    two = [path for path, version in versions.items() if version == 2 and not path.startswith('compat')]
    converted = any(path.startswith('compat.v') for path in paths)
    # At a tie, a module that only TensorFlow 1 has decides.
    older = len(one) > len(two) or (len(one) == len(two) and any(map(_is_in_module_of_1, one)))
    v1 = True if older else False if two or converted else None
    used = {path.removeprefix('compat.v1.') for path in paths} | explicit.keys()
    has_old = any(_begins(path, _NEEDS_V1) for path in used) or _has_dimension_values(tree)
    modern = any(_begins(path, _NEEDS_V2) for path in (*paths, *explicit))
    from_contrib = any(_begins(path, ('contrib',)) for path in used)
    return Style(v1, not modern and (older or from_contrib or (has_old and not paths)), converted)


def path_below(use: Use, module: str) -> str:
    """Returns the path of a use below `tensorflow` or `tensorflow.compat.v1`; '' if it is elsewhere."""
    name = use.name.replace('estimator_lab.tf1.tf', _V1)
    imported = use.module.replace('estimator_lab.tf1.tf', _V1)
    is_v1 = imported == _V1 or imported.startswith(f'{_V1}.')
    if is_v1 != (module == _V1) or not name.startswith(f'{module}.'):
        return ''
    return name[len(module) + 1 :].removesuffix('.*')


def _paths(found: Iterable[Use], module: str) -> dict[str, frozenset[str]]:
    """Returns {path: keywords of its calls} for the names of a module that both versions may have."""
    words: dict[str, frozenset[str]] = {}
    for use in found:
        path = path_below(use, module)
        if path and not _begins(path, _NOT_IN_V1):
            words[path] = words.get(path, frozenset()) | use.keywords
    return words


def _begins(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f'{name}.') for name in names)


def _has_dimension_values(tree: ast.AST) -> bool:
    """Whether the file has an expression like `x.shape[0].value` or `x.get_shape()[0].value`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr == 'value'
            and isinstance(node.value, ast.Subscript)
            and 'shape' in ast.unparse(node.value.value)
        ):
            return True
    return False


def _is_in_module_of_1(path: str) -> bool:
    first = path.partition('.')[0]
    return first == 'contrib' or (isinstance(_member(tf, first), ModuleType) and _member(tf2, first) is None)


def _only_version(path: str, keywords: frozenset[str]) -> int | None:
    """Returns the version of TensorFlow that alone has the path, or accepts these keywords there.

    None if both or neither do, or if Keras would have to be loaded to look.
    """
    first, _, rest = path.partition('.')
    second = rest.partition('.')[0]
    if first == 'contrib' or (first == 'estimator' and second in _ESTIMATOR_1):
        return 1
    one, two = _member(tf, first), _member(tf2, first)
    if first in ('metrics', 'losses') and second:  # TensorFlow 2 has Keras's
        return None if second in _IN_BOTH else 2 if _member(one, second) is None else 1
    if one is not None and two is not None and any(isinstance(each, LazyLoader) for each in (one, two)):
        return None
    if second and isinstance(one, ModuleType) and isinstance(two, ModuleType):
        one, two = _member(one, second), _member(two, second)
    if one is None or two is None:
        return 1 if one is not None else 2 if two is not None else None
    if any(_accepts(one, word) and not _accepts(two, word) for word in keywords):
        return 1
    return 2 if any(_accepts(two, word) and not _accepts(one, word) for word in keywords) else None


def _member(api: Any, name: str) -> Any:
    found = vars(vars(api).get('_tfmw_wrapped_module', api)).get(name)
    supplied = isinstance(found, ModuleType) and isinstance(vars(found).get('__loader__'), LazyModule)
    return None if supplied else found


def _accepts(function: Any, keyword: str) -> bool:
    """Whether a function has a parameter of this name; true where that is unknown."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return keyword in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


class _Version1(ast.NodeTransformer):
    """Replaces imports of `tensorflow` by those of `tensorflow.compat.v1`."""

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """Replaces `import tensorflow as tf`, and adds the name to `import tensorflow.contrib.x`."""
        below = False
        for alias in node.names:
            below |= alias.name.startswith(f'{_TF}.contrib') and not alias.asname
            if alias.name == _TF:
                alias.name, alias.asname = _V1, alias.asname or _TF
        added = ast.Import([ast.alias(_V1, _TF)])
        return [node, ast.copy_location(added, node)] if below else [node]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Replaces `from tensorflow import x` and `from tensorflow.train import x`."""
        root, _, below = (node.module or '').partition('.')
        if root != _TF or node.level or any(name.name in _NOT_IN_V1 for name in node.names):
            return node
        first = below.partition('.')[0]
        if not below or (first not in _KEPT and importlib.util.find_spec(f'{_V1}.{first}')):
            node.module = f'{_V1}.{below}'.rstrip('.')
        return node


def with_version_1(tree: ast.Module) -> ast.Module:
    """Returns the tree of a module with TensorFlow 1 in the place of its TensorFlow; changes its argument."""
    return ast.fix_missing_locations(_Version1().visit(tree))


class Programs(MetaPathFinder):
    """Chooses TensorFlow 1 or 2 for each module of a program from its text, when it is imported.

    A module that uses names of TensorFlow 1 only gets TensorFlow 1; one that uses those of both gets that of
    the main module. Installed packages count as modules of their own, and turn no behaviour on.

    Args:
      forced: whether all modules of the program get TensorFlow 1 and its behaviour.
      main: the name of the main module, if the program is run as a module; its package may be installed.
      installed: the folders whose modules do not belong to the program.
    """

    def __init__(self, forced: bool = False, main: str = '', installed: tuple[str, ...] = INSTALLED) -> None:
        self._forced = forced
        self._installed = installed
        self._mains = (main, f'{main}.__main__') if main else ()
        self._package = main.partition('.')[0]
        self._main_is_v1: bool | None = None
        if forced:
            tf.disable_v2_behavior()

    def read_main(self, path: str) -> CodeType:
        """Returns the code of the main module, and decides for modules that use names of both versions.

        Raises:
          OSError: the file cannot be read.
          SyntaxError: it is not a program for this Python.
        """
        source = Path(path).read_bytes()
        self._main_is_v1 = style_of(ast.parse(source, path)).v1
        return self.code(source, path, own=True) or compile(source, path, 'exec', dont_inherit=True)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Implements importlib's protocol."""
        package = fullname.partition('.')[0]
        if package in _OTHERS or package in sys.stdlib_module_names:
            return None
        spec = found_by_others(self, fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and spec.origin:
            own = package == self._package or not spec.origin.startswith(self._installed)
            spec.loader = _Loader(fullname, spec.origin, self, own)
            if fullname in self._mains:
                with contextlib.suppress(OSError, SyntaxError, ValueError):
                    self.read_main(spec.origin)
        return spec

    def code(self, source: bytes, path: str, own: bool) -> CodeType | None:
        """Returns the code of a module as it runs here, or None if it runs as it is."""
        if b'tensorflow' not in source:
            return None
        tree = ast.parse(source, path)
        if not self._is_for_v1(tree, own):
            return None
        return compile(with_version_1(tree), path, 'exec', dont_inherit=True)

    def _is_for_v1(self, tree: ast.AST, own: bool) -> bool:
        style = style_of(tree)
        if own and style.behaviour:
            tf.disable_v2_behavior()
        if own and (self._forced or style.v1 is None):
            return self._forced or bool(self._main_is_v1)
        return bool(style.v1) and not (not own and style.converted)


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, programs: Programs, own: bool) -> None:
        super().__init__(fullname, path)
        self._programs = programs
        self._own = own

    def get_code(self, fullname: str) -> CodeType | None:
        """Returns the code as it runs here, or Python's own, which may be compiled already."""
        path = self.get_filename(fullname)
        try:
            found = self._programs.code(self.get_data(path), path, self._own)
        except (SyntaxError, ValueError):  # Python says it better
            found = None
        return found or super().get_code(fullname)
