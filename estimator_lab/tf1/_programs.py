"""Runs other people's programs on the TensorFlow that they were written for; see `_program_style`."""

import ast
import contextlib
import sys
import sysconfig
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import tensorflow as tf2
import tensorflow.compat.v1 as tf

from estimator_lab.tf1._modules import found_by_others
from estimator_lab.tf1._program_style import Style, style_of, with_version_1

# Packages that are never read: TensorFlow itself, and those that follow its versions.
_OTHERS = frozenset(
    ('estimator_lab', 'keras', 'tensorboard', 'tensorflow', 'tensorflow_estimator', 'tf_keras', 'tf_slim')
)
_INSTALLED = tuple({sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')})


class Programs(MetaPathFinder):
    """Chooses TensorFlow 1 or 2 for each module of a program from its text, when it is imported.

    A module that uses names of TensorFlow 1 only gets TensorFlow 1; one that uses those of both gets that of
    the main module. Installed packages count as modules of their own, and turn no behaviour on.

    Args:
      forced: whether all modules of the program get TensorFlow 1 and its behaviour.
      main: the name of the main module, if the program is run as a module; its package may be installed.
    """

    def __init__(self, forced: bool = False, main: str = '') -> None:
        self._forced = forced
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
        self._main_is_v1 = self._style(ast.parse(source, path)).v1
        return self.code(source, path, own=True) or compile(source, path, 'exec', dont_inherit=True)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Implements importlib's protocol."""
        package = fullname.partition('.')[0]
        if package in _OTHERS or package in sys.stdlib_module_names:
            return None
        spec = found_by_others(self, fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and spec.origin:
            own = package == self._package or not spec.origin.startswith(_INSTALLED)
            spec.loader = _Loader(fullname, spec.origin, self, own)
            if fullname in self._mains:
                with contextlib.suppress(OSError, SyntaxError, ValueError):
                    self.read_main(spec.origin)
        return spec

    def code(self, source: bytes, path: str, own: bool) -> CodeType | None:
        """Returns the code of a module on TensorFlow 1, or None if it runs as it is.

        Args:
          source: the text of the module.
          path: the name of its file.
          own: whether it belongs to the program.
        """
        if b'tensorflow' not in source:
            return None
        tree = ast.parse(source, path)
        style = self._style(tree)
        if own and style.behaviour:
            tf.disable_v2_behavior()
        chosen = style.v1
        if own and self._forced:
            chosen = True
        elif own and chosen is None:
            chosen = self._main_is_v1
        elif not own and style.converted:
            chosen = False
        return compile(with_version_1(tree), path, 'exec', dont_inherit=True) if chosen else None

    def _style(self, tree: ast.AST) -> Style:
        return style_of(tree, tf, tf2)


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, programs: Programs, own: bool) -> None:
        super().__init__(fullname, path)
        self._programs = programs
        self._own = own

    def get_code(self, fullname: str) -> CodeType | None:
        """Returns the code on TensorFlow 1, or Python's own, which may be compiled already."""
        path = self.get_filename(fullname)
        try:
            found = self._programs.code(self.get_data(path), path, self._own)
        except (SyntaxError, ValueError):  # Python says it better
            found = None
        return found or super().get_code(fullname)
