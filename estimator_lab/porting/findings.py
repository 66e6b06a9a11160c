"""The uses of a program's files -> what does not run as it is, and the report of it."""

import functools
import importlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from estimator_lab.porting import rules
from estimator_lab.porting.rules import Rule
from estimator_lab.porting.source import Source, Use

TF = 'tensorflow'
_V1 = ('tensorflow.compat.v1', 'tensorflow.compat.v2', 'tensorflow.compat', 'tensorflow.python')
_OURS = 'estimator_lab.tf1.tf'
_KERAS = ('keras.', 'function', 'GradientTape')
SHOWN = 5  # places of each reason


class Finding(NamedTuple):
    """One place that does not run as it is."""

    rule: Rule
    file: str
    line: int
    text: str


def findings(sources: Iterable[Source]) -> list[Finding]:
    """Returns all findings, in the order of files and lines."""
    sources = list(sources)
    # One module does it for the whole program.
    done = _mended_by([use for source in sources for use in source.uses])
    return [finding for source in sources for finding in _in_source(source) if finding.rule not in done]


def _mended_by(uses: Iterable[Use]) -> set[Rule]:
    """Returns the rules that a program heeds already: it imports tf.contrib, or has the shapes of 1.15."""
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
            rule = None  # with that line kept, they are there
        if rule and (rule, use.line) not in seen:
            seen.add((rule, use.line))
            yield Finding(rule, source.file, use.line, use.name)


def _in_tensorflow(use: Use) -> Use:
    """Returns the use of a name of our `tf` as that of TensorFlow's."""
    ours = f'{_OURS}.'
    return use._replace(name=f'{TF}.{use.name.removeprefix(ours)}') if use.name.startswith(ours) else use


def _style_of(uses: Iterable[Use]) -> Rule:
    """Returns what becomes of `import tensorflow as tf`, by the TensorFlow whose names a program uses."""
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
        # np.bool and np.long came back in NumPy 2, as types of its own.
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
        'look it up at tensorflow.org/api_docs, in the version that the program was written for',
    )


@functools.cache
def _apis() -> tuple[Any, Any]:
    v1 = importlib.import_module('estimator_lab.tf1').tf
    return v1, sys.modules[TF]


def _imports(name: str) -> bool:
    """Whether there is such a module, or such a name below one."""
    _apis()
    parts = name.removesuffix('.*').split('.')
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module('.'.join(parts[:length]))
        except Exception:
            continue
        return length == len(parts) or _has(module, '.'.join(parts[length:]))
    return False


def _has(holder: Any, path: str) -> bool:
    """Whether a path of attributes leads somewhere; what lies below a class or function is not looked at."""
    for part in path.split('.'):
        try:
            holder = getattr(holder, part)
        except Exception:
            return False
        if isinstance(holder, type) or (callable(holder) and not hasattr(holder, '__path__')):
            return True
    return True


def _of_contrib(path: str) -> Rule:
    importlib.import_module('estimator_lab.contrib')
    contrib = _apis()[0].contrib
    names, holder = path.split('.'), contrib
    for depth, name in enumerate(filter(None, names), 1):
        try:
            holder = getattr(holder, name)
        except Exception as error:
            return _not_in_contrib('.'.join(names[:depth]), str(error))
        if isinstance(holder, type) or not hasattr(holder, '__path__'):
            break
    return rules.CONTRIB


def _not_in_contrib(path: str, said: str) -> Rule:
    if 'pip install tf-slim' in said:
        return rules.CONTRIB_SLIM
    reason, _, remedy = said.rstrip('.').partition(' is not here: ')
    return Rule(f'{reason} is not here', remedy or said) if remedy else Rule(f'tf.contrib.{path}', said)


def report(found: list[Finding], files: int) -> str:
    """Returns the page: how many places, then each reason with its remedy and places, most frequent first."""
    if not found:
        return f'Nothing was found in {_count(files, "file")} that does not run as it is.'
    by_rule: dict[Rule, list[Finding]] = {}
    for finding in found:
        by_rule.setdefault(finding.rule, []).append(finding)
    as_is = 'it is' if len(found) == 1 else 'they are'
    lines = [f'{_count(len(found), "place")} in {_count(files, "file")} will not run as {as_is}:']
    for rule, places in sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0].reason)):
        lines += ['', f'{len(places)} x {rule.reason}', f'  {rule.remedy}.']
        lines += [f'    {place.file}:{place.line}  {place.text}' for place in places[:SHOWN]]
        if len(places) > SHOWN:
            lines.append(f'    and {len(places) - SHOWN} more')
    return '\n'.join(lines)


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"" if number == 1 else "s"}'
