"""Runs other people's programs on the TensorFlow that they were written for.

The names that a module uses decide which one that is. `import tensorflow as tf` in a program for
TensorFlow 1 becomes `import tensorflow.compat.v1 as tf`. Only the syntax tree changes, not the file, so that
line numbers and tracebacks are the program's own.
"""

import ast
import contextlib
import copy
import functools
import importlib.util
import os
import re
import sys
import sysconfig
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import tensorflow.compat.v1 as tf

from estimator_lab.base.progress import warn
from estimator_lab.tf1.evidence import TF, V1, Evidence, evidence_of
from estimator_lab.tf1.finder import found_by_others
from estimator_lab.tf1.idioms import with_idioms
from estimator_lab.tf1.one_keras import with_one_keras

# Modules that both versions share, or that `contrib` supplies.
_KEPT = ('python', 'core', 'tools', 'compat', 'contrib', 'examples')
# Packages that are never read: TensorFlow itself, and packages that follow its versions.
_OTHERS = frozenset(
    ('estimator_lab', 'keras', 'tensorboard', 'tensorflow', 'tensorflow_estimator', 'tf_keras', 'tf_slim')
)
# Modules without these words run as they are.
_WORDS = re.compile(
    rb'tensorflow|numpy|keras|\b(yield|cPickle|xrange|unicode|raw_input|has_key|iteritems|itervalues)\b'
)
_NOTEBOOK = 'This notebook'
INSTALLED = tuple({sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')})
"""The folders of installed packages."""


class _Version1(ast.NodeTransformer):
    """Replaces imports of `tensorflow` by imports of `tensorflow.compat.v1`."""

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """Replaces `import tensorflow as tf` and `import tensorflow.x.y as z`, and rebinds `tensorflow`."""
        added: list[ast.stmt] = []
        for alias in [*node.names]:
            root, _, below = alias.name.partition('.')
            if root != TF or (alias.asname and below.partition('.')[0] in _KEPT):
                continue
            if not below:
                alias.name, alias.asname = V1, alias.asname or TF
            elif not alias.asname:  # imports tensorflow.x, and binds `tensorflow`
                added.append(ast.Import([ast.alias(V1, TF)]))
            else:
                parent, _, name = f'{V1}.{below}'.rpartition('.')
                added.append(ast.ImportFrom(parent, [ast.alias(name, alias.asname)], 0))
                node.names.remove(alias)
        rest: list[ast.stmt] = [node] if node.names else []
        return [*rest, *(ast.copy_location(each, node) for each in added)]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Replaces `from tensorflow import x` and `from tensorflow.train import x`."""
        root, _, below = (node.module or '').partition('.')
        first = below.partition('.')[0]
        is_ours = root == TF and not node.level and first not in _KEPT
        if is_ours and (not below or importlib.util.find_spec(f'{V1}.{first}')):
            node.module = f'{V1}.{below}'.rstrip('.')
        return node


def with_version_1(tree: ast.Module) -> ast.Module:
    """Returns the tree of a module with TensorFlow 1 in the place of its TensorFlow; changes its argument."""
    return ast.fix_missing_locations(_Version1().visit(tree))


def _adapted(tree: ast.Module, version: int, own: bool = True) -> ast.Module:
    tree = with_one_keras(with_idioms(tree, own), with_keras=version == 1)
    return with_version_1(tree) if version == 1 else tree


class Programs(MetaPathFinder):
    """Chooses TensorFlow 1 or 2 for each module of a program from its text, when it is imported.

    A module that uses only names of both gets the main module's; a main module, TensorFlow 1. Installed
    packages count as modules of their own, and turn no behaviour on.

    Args:
      forced: the TensorFlow of all modules of the program, 1 with its behaviour or 2; 0 to choose.
      main: the name of the main module, if the program is run as a module; its package may be installed.
      installed: the folders whose modules do not belong to the program.
    """

    def __init__(self, forced: int = 0, main: str = '', installed: tuple[str, ...] = INSTALLED) -> None:
        self._forced = forced
        self._installed = installed
        self._mains = (main, f'{main}.__main__') if main else ()
        self._package = main.partition('.')[0]
        self._main = Evidence(is_none=True)
        self._has_told = False
        if forced == 1:
            tf.disable_v2_behavior()

    def read_main(self, path: str) -> CodeType:
        """Returns the code of the main module, and decides for modules with names of both.

        Raises:
          OSError: the file cannot be read.
          SyntaxError: it is not a program for this Python.
        """
        source = Path(path).read_bytes()
        self._main = evidence_of(ast.parse(source, path))
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
        own_file = own and not _is_installed(path)
        if b'tensorflow' not in source and not (own_file and _WORDS.search(source)):
            return None
        tree = ast.parse(source, path)
        is_version_1 = not self._main.is_none and _decided(self._main) == 1
        version = self._version(evidence_of(tree), path, own) if b'tensorflow' in source else 2 - is_version_1
        if version == 2 and not own:
            return None
        if b'numba' in source:  # it reads the compiled code
            return compile(with_version_1(tree), path, 'exec', dont_inherit=True) if version == 1 else None
        return compile(_adapted(tree, version, own_file), path, 'exec', dont_inherit=True)

    def adapted(self, cells: list[ast.Module], path: str) -> list[ast.Module]:
        """Returns how the cells of a notebook, together the main module, run here."""
        version = self.version_of_main(ast.Module([each for cell in cells for each in cell.body], []), path)
        return [_adapted(cell, version) for cell in cells]

    def cells(self, earlier: Iterable[str]) -> 'Cells':
        """Returns what IPython calls with the tree of each cell, after cells with these texts."""
        return Cells(self, earlier)

    def version_of_main(self, tree: ast.Module, place: str) -> int:
        """Returns the TensorFlow of the main module, and decides for modules with names of both."""
        self._main = evidence_of(tree)
        return self._version(self._main, place, own=True)

    def _version(self, evidence: Evidence, path: str, own: bool) -> int:
        """Decides for a module, turns on the behaviour that it needs, and says so where only a guess can."""
        if not own:
            return 1 if evidence.version == 1 and not evidence.converted else 2
        if self._forced:
            return self._forced
        if self._main.is_none:  # then the first module that says something decides
            self._main = evidence if evidence.version or evidence.converted else self._main
        version = evidence.version or (2 if evidence.converted else _decided(self._main))
        needs_behaviour = evidence.behaviour or (version == evidence.methods == 1)
        if needs_behaviour and not self._main.chooses_behaviour:
            tf.disable_v2_behavior()
        if evidence.different and not (evidence.version or self._main.version or self._has_told):
            self._has_told = True
            warn(_both_would_run(path, evidence.different, version))
        return version


def _is_installed(path: str) -> bool:
    """Whether a module is in a folder into which pip has installed it, such as one of PYTHONPATH."""
    places = [place for place in sys.path if place and path.startswith(f'{place}{os.sep}')]
    return bool(places) and _has_distributions(max(places, key=len))


@functools.cache
def _has_distributions(folder: str) -> bool:
    with contextlib.suppress(OSError):  # such as an archive of modules
        return any(path.suffix == '.dist-info' for path in Path(folder).iterdir())
    return False


def _decided(evidence: Evidence) -> int:
    """TensorFlow 1, unless a name of TensorFlow 2 is used: `run` exists for programs of TensorFlow 1."""
    return evidence.version or (2 if evidence.converted else evidence.methods or 1)


def _both_would_run(path: str, names: tuple[str, ...], version: int) -> str:
    """Returns what to say of a module whose names give other results in the other TensorFlow."""
    other = 3 - version
    how = (
        f'write `import tensorflow.compat.v{other} as tf`'
        if path == _NOTEBOOK
        else f'give the flag --v{other}'
    )
    return (
        f'{path} uses {names[0]}, whose results differ between TensorFlow 1 and 2, and nothing says which is '
        f'meant. TensorFlow {version} is taken; for TensorFlow {other}, {how}.'
    )


class Cells:
    """Chooses TensorFlow 1 or 2 for the cells of a notebook, which together are one module that grows.

    If a cell shows that the notebook means the other TensorFlow, the imports of earlier cells run again.

    Args:
      programs: what decides for modules.
      earlier: the texts of cells that have run as they are.
    """

    def __init__(self, programs: Programs, earlier: Iterable[str]) -> None:
        self._programs = programs
        self._version = 2
        self._notebook = ast.Module([], [])
        for text in earlier:
            with contextlib.suppress(SyntaxError, ValueError):
                self._notebook.body += ast.parse(text).body

    def visit(self, cell: ast.Module) -> ast.Module:
        """Returns the tree of a cell as it runs here."""
        imports = [each for each in self._notebook.body if _imports_tensorflow(each)]
        self._notebook.body += copy.deepcopy(cell.body)
        version = self._programs.version_of_main(self._notebook, _NOTEBOOK)
        if version != self._version:
            cell.body[:0] = copy.deepcopy(imports)
        self._version = version
        return _adapted(cell, version)


def _imports_tensorflow(node: ast.stmt) -> bool:
    names = [node.module or ''] if isinstance(node, ast.ImportFrom) else []
    names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return any(name.partition('.')[0] == TF for name in names)


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
