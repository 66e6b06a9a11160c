"""Finds the places of a program that do not run unchanged, and reports them."""

import functools
import importlib
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from estimator_lab.porting import rules
from estimator_lab.porting.rules import Rule
from estimator_lab.porting.source import Source, Use

TF = 'tensorflow'
_OURS = 'estimator_lab.tf1.tf'
_KERAS = ('keras.', 'function', 'GradientTape')
SHOWN = 5  # places listed for each reason


class Finding(NamedTuple):
    """One place that does not run unchanged."""

    rule: Rule
    file: str
    line: int
    text: str


def findings(sources: Iterable[Source]) -> list[Finding]:
    """Returns all findings, by file and line."""
    sources = list(sources)
    # What one module does applies to the whole program.
    done = _fixed_by([use for source in sources for use in source.uses])
    return [finding for source in sources for finding in _in_source(source) if finding.rule not in done]


def _fixed_by(uses: Iterable[Use]) -> set[Rule]:
    """Returns the rules that a program follows already, such as by importing estimator_lab.contrib."""
    done: set[Rule] = set()
    for use in uses:
        if use.name.startswith('estimator_lab.contrib'):
            done |= {rules.CONTRIB, rules.DIMENSION}
        called = use.name.rpartition('.')[2]
        if called in rules.MAKES_DIMENSIONS:
            done.add(rules.DIMENSION)
        if called in rules.MAKES_REFERENCES:
            done.add(rules.REFERENCES)
    return done


def _in_source(source: Source) -> Iterator[Finding]:
    if source.error:
        yield Finding(rules.PYTHON_2, source.file, source.line, f'syntax error: {source.error}')
        return
    called = {use.name.rpartition('.')[2] for use in source.uses if use.kind == 'name'}
    prepared = not called.isdisjoint(rules.MAKES_A_GRAPH)
    style = _style_of(source.uses)
    seen = set()
    for use in map(_in_tensorflow, source.uses):
        rule = None if use.excused else _rule_of(use, prepared)
        if rule is rules.IMPORT_LINE:
            rule = style
        elif rule is rules.MIXED and style is rules.OF_TENSORFLOW_2:
            rule = None  # these names exist if the program keeps its import
        if rule and (rule, use.line) not in seen:
            seen.add((rule, use.line))
            yield Finding(rule, source.file, use.line, use.name)


def _in_tensorflow(use: Use) -> Use:
    """Returns the use of a name of our `tf` as a use of TensorFlow's."""
    ours = f'{_OURS}.'
    return use._replace(name=f'{TF}.{use.name.removeprefix(ours)}') if use.name.startswith(ours) else use


def _style_of(uses: Iterable[Use]) -> Rule:
    """Returns the rule for `import tensorflow as tf`, by the version whose names the program uses."""
    v1, v2 = _apis()
    paths = {use.name.partition('.')[2] for use in uses if use.name.startswith(f'{TF}.')}
    paths = {path for path in paths if path.partition('.')[0] not in ('compat', 'estimator', 'python')}
    of_1 = any(_is_contrib(path) or (_has(v1, path) and not _has(v2, path)) for path in paths)
    of_2 = any(path.startswith(_KERAS) or (_has(v2, path) and not _has(v1, path)) for path in paths)
    if of_1 == of_2:
        return rules.IMPORT_LINE
    return rules.OF_TENSORFLOW_1 if of_1 else rules.OF_TENSORFLOW_2


def _is_contrib(path: str) -> bool:
    return path.partition('.')[0] == 'contrib'


def _rule_of(use: Use, prepared: bool) -> Rule | None:
    if use.kind == 'class':
        return rules.REFERENCES
    if use.kind == 'attribute':
        return rules.of_attribute(use.name, use.keywords)
    if use.name == TF and use.kind == 'import':
        return rules.IMPORT_LINE
    if use.name in rules.NAMES:
        return rules.NAMES[use.name]
    if use.kind == 'import':
        for module, rule in rules.MODULES.items():
            if use.name == module or use.name.startswith(f'{module}.'):
                return rule
    root, _, path = use.name.partition('.')
    if root == 'numpy' and path:
        return _of_numpy(path, use.keywords)
    if root == TF and path:
        return _of_tensorflow(use, path.removeprefix('compat.v1.'), prepared)
    return None


def _of_numpy(path: str, keywords: frozenset[str]) -> Rule | None:
    if path in ('quantile', 'percentile', 'nanquantile', 'nanpercentile'):
        return rules.INTERPOLATION if 'interpolation' in keywords else None
    numpy = importlib.import_module('numpy')
    first = path.partition('.')[0]
    if first in rules.NUMPY:
        # np.bool and np.long exist again in NumPy 2, as NumPy's own types.
        return None if hasattr(numpy, first) else rules.NUMPY[first]
    if _has(numpy, path):
        return None
    return Rule(f'np.{path} is not in NumPy {numpy.__version__}', 'see the release notes of NumPy 2')


def _of_tensorflow(use: Use, path: str, prepared: bool) -> Rule | None:
    if path.partition('.')[0] == 'contrib':
        return _of_contrib(path.partition('.')[2])
    if not prepared and f'{TF}.{path}' in rules.NEEDS_A_GRAPH:
        return rules.GRAPH
    if path.startswith('estimator.BoostedTrees'):
        return rules.BOOSTED_TREES
    if use.kind == 'import' or path.startswith(('python.', 'core.', 'compat.')) or path in ('python', 'core'):
        return None if _imports(f'{TF}.{path}') else _missing(path)
    v1, v2 = _apis()
    if _has(v1, path):
        return None
    return rules.MIXED if _has(v2, path) else _missing(path)


def _missing(path: str) -> Rule:
    version = _apis()[0].__version__
    return Rule(
        f'tf.{path} is not in TensorFlow {version}',
        'look it up at tensorflow.org/api_docs, in the version for which the program was written',
    )


@functools.cache
def _apis() -> tuple[Any, Any]:
    v1 = importlib.import_module('estimator_lab.tf1').tf
    return v1, sys.modules[TF]


def _imports(name: str) -> bool:
    """Returns whether a module, or an attribute of one, has this full name."""
    _apis()
    parts = name.removesuffix('.*').split('.')
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module('.'.join(parts[:length]))
        except Exception:  # noqa: BLE001 - loading a part of TensorFlow can raise anything
            continue
        return length == len(parts) or _has(module, '.'.join(parts[length:]))
    return False


def _has(holder: Any, path: str) -> bool:
    return _first_missing(holder, path) is None


def _first_missing(holder: Any, path: str) -> tuple[str, str] | None:
    """Follows a path of attributes through modules.

    Attributes of classes, functions and other objects are not checked.

    Returns:
      The path to the first missing name, and the message of its error; None if nothing is missing.
    """
    names = path.split('.')
    for depth, name in enumerate(names, 1):
        try:
            holder = getattr(holder, name)
        except Exception as error:  # noqa: BLE001 - loading a part of TensorFlow can raise anything
            return '.'.join(names[:depth]), str(error)
        if not isinstance(holder, types.ModuleType):
            break
    return None


def _of_contrib(path: str) -> Rule:
    importlib.import_module('estimator_lab.contrib')
    missing = _first_missing(_apis()[0].contrib, path) if path else None
    if missing is None:
        return rules.CONTRIB
    name, message = missing
    if 'pip install tf-slim' in message:
        return rules.CONTRIB_SLIM
    reason, _, remedy = message.rstrip('.').partition(': ')
    return Rule(reason, remedy) if remedy else Rule(f'tf.contrib.{name}', message)


def report(found: list[Finding], files: int) -> str:
    """Returns the report: the number of places, then each reason with its remedy, most frequent first."""
    if not found:
        return f'Everything found in {_count(files, "file")} runs unchanged.'
    by_rule: dict[Rule, list[Finding]] = {}
    for finding in found:
        by_rule.setdefault(finding.rule, []).append(finding)
    lines = [f'{_count(len(found), "place")} in {_count(files, "file")} will not run unchanged:']
    for rule, places in sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0].reason)):
        lines += ['', f'{len(places)} x {rule.reason}', f'  {rule.remedy}.']
        lines += [f'    {place.file}:{place.line}  {place.text}' for place in places[:SHOWN]]
        if len(places) > SHOWN:
            lines.append(f'    and {len(places) - SHOWN} more')
    return '\n'.join(lines)


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"" if number == 1 else "s"}'
