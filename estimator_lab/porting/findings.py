"""Finds the places of a program that do not run unchanged, and reports them."""

import ast
import importlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from estimator_lab.porting import rules
from estimator_lab.porting.lookup import (
    TF,
    accepts,
    apis,
    first_missing,
    has,
    has_own_estimator,
    imports,
    is_installed,
    is_missing_in_python,
    is_of_keras_2,
    is_restored,
    missing_in_contrib,
    quiet,
    value_of,
)
from estimator_lab.porting.rules import Rule
from estimator_lab.porting.source import Source, Use

_OURS = 'estimator_lab.tf1.tf'
_COMPAT = f'{TF}.compat.v1'
_KERAS = ('keras.', 'function', 'GradientTape')
_WHOLE_FILE = (rules.COMPAT, rules.RESTORED, rules.KERAS_2)  # one line fixes all places of a file
SHOWN = 5  # places listed for each reason


class Match(NamedTuple):
    """A rule and the use that it is about."""

    rule: Rule
    use: Use


class Finding(NamedTuple):
    """One place that does not run unchanged."""

    rule: Rule
    file: str
    line: int
    text: str


def findings(sources: Iterable[Source]) -> list[Finding]:
    """Returns all findings, by file and line."""
    return [finding for source, found in matches(sources) for finding in placed(source, found)]


def placed(source: Source, found: Iterable[Match]) -> Iterator[Finding]:
    """Yields the findings of a file, each rule once a line, and for a syntax error that alone."""
    tree = source.tree
    if tree.error:
        rule = rules.PYTHON_2 if tree.of_python_2 else rules.INVALID
        yield Finding(rule, tree.file, tree.line, f'syntax error: {tree.error}')
        return
    places: dict[tuple[Rule, int], Finding] = {}
    for rule, use in found:
        places.setdefault((rule, use.line), Finding(rule, tree.file, use.line, use.name))
    yield from places.values()


def matches(sources: Iterable[Source]) -> list[tuple[Source, list[Match]]]:
    """Returns for each source all uses that do not run unchanged, with their rules."""
    sources = list(sources)
    with quiet():
        # What one module does applies to the whole program.
        done = _fixed_by([use for source in sources for use in source.uses])
        # A file that does not show its version follows the others.
        styles = {_style_of(source.uses) for source in sources} - {rules.IMPORT_LINE}
        usual = styles.pop() if len(styles) == 1 else rules.IMPORT_LINE
        return [
            (source, [match for match in _in_source(source, usual) if match.rule not in done])
            for source in sources
        ]


def _fixed_by(uses: Iterable[Use]) -> set[Rule]:
    """Returns the rules that a program follows already, such as by importing estimator_lab.contrib."""
    done: set[Rule] = set()
    for use in uses:
        if use.name.startswith('estimator_lab.contrib'):
            done |= {rules.CONTRIB, rules.DIMENSION}
        if use.name.startswith(('estimator_lab.contrib', 'estimator_lab.tf1')):
            done |= set(_WHOLE_FILE)
        called = use.name.rpartition('.')[2]
        if called in rules.MAKES_DIMENSIONS:
            done.add(rules.DIMENSION)
        if called in rules.MAKES_REFERENCES:
            done.add(rules.REFERENCES)
    return done


def _in_source(source: Source, usual: Rule) -> Iterator[Match]:
    called = {use.name.rpartition('.')[2] for use in source.uses if use.kind == 'name'}
    prepared = not called.isdisjoint(rules.MAKES_A_GRAPH)
    style = _style_of(source.uses)
    if style is rules.IMPORT_LINE:
        style = usual
    needs_line = _needs_line(source.uses, style)
    once: set[Rule] = set()
    for use in map(_in_tensorflow, source.uses):
        rule = None if use.excused else _rule_of(use, prepared or use.in_graph)
        if rule is rules.IMPORT_LINE:
            rule = style if needs_line else None
        elif rule is rules.MIXED and style is rules.OF_TENSORFLOW_2 and not use.name.startswith(_COMPAT):
            rule = None  # these names exist if the program keeps its import
        if rule is None or rule in once or _follows_from_import(use, rule):
            continue
        if rule in _WHOLE_FILE or rule in (style, rules.OF_TENSORFLOW_1):
            once |= set(_WHOLE_FILE)
        yield Match(rule, use)


def _follows_from_import(use: Use, rule: Rule) -> bool:
    """Returns whether the import or assignment of the name that comes first is the place to change."""
    if use.kind != 'name' or '.' not in use.name or rule in (rules.GRAPH, rules.INTERPOLATION):
        return False
    first = _imported(use)
    return first == use.name or (rule in (rules.CONTRIB, rules.CONTRIB_SLIM) and '.contrib' in first)


def _imported(use: Use) -> str:
    """Returns the full name that the first name of an expression stands for."""
    rest = ast.unparse(use.node).partition('.')[2]
    return use.name.removesuffix(f'.{rest}') if rest else use.name


def _in_tensorflow(use: Use) -> Use:
    """Returns the use of a name of our `tf` as a use of TensorFlow's."""
    ours = f'{_OURS}.'
    return use._replace(name=f'{TF}.{use.name.removeprefix(ours)}') if use.name.startswith(ours) else use


def _paths(uses: Iterable[Use]) -> set[tuple[str, frozenset[str]]]:
    """Returns the paths below `tensorflow`, with the keywords of their calls."""
    found = {
        (use.name.partition('.')[2], use.keywords)
        for use in uses
        if use.kind == 'name' and use.name.startswith(f'{TF}.') and not use.excused
    }
    return {(path, words) for path, words in found if path.partition('.')[0] not in ('compat', 'python')}


def _needs_line(uses: Iterable[Use], style: Rule) -> bool:
    """Returns whether a name means something else in TensorFlow 2, or is missing there."""
    paths = {path for path, _ in _paths(uses)}
    if any(path.partition('.')[0] == 'estimator' for path in paths):
        return True
    return style is not rules.OF_TENSORFLOW_2 and any(map(_is_of_1, paths))


def _is_of_1(path: str) -> bool:
    """Returns whether TensorFlow 1 has a name that TensorFlow 2 lacks, or that is something else there."""
    v1, v2 = apis()
    if path.partition('.')[0] == 'contrib':
        return False  # import estimator_lab.contrib is enough
    old, new = value_of(v1, path), value_of(v2, path)
    return has(v1, path) and (not has(v2, path) or (old is not None and old is not new))


def _style_of(uses: Iterable[Use]) -> Rule:
    """Returns the rule for `import tensorflow as tf`, by the version whose names the program uses."""
    v1, v2 = apis()
    of_1 = of_2 = False
    for path, keywords in _paths(uses):
        if path.partition('.')[0] == 'estimator':
            continue
        in_1, in_2 = has(v1, path), has(v2, path)
        of_1 |= path.partition('.')[0] == 'contrib' or (in_1 and not in_2)
        of_2 |= path.startswith(_KERAS) or (in_2 and not in_1)
        if keywords and in_1 and in_2:
            new, old = value_of(v2, path), value_of(v1, path)
            of_1 |= any(not accepts(new, word) and accepts(old, word) for word in keywords)
    if of_1 == of_2:
        return rules.IMPORT_LINE
    return rules.OF_TENSORFLOW_1 if of_1 else rules.OF_TENSORFLOW_2


def _rule_of(use: Use, in_graph: bool) -> Rule | None:
    if use.kind in rules.PATTERNS:
        return rules.PATTERNS[use.kind]
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
                return None if is_installed(module) else rule
    return _of_package(use, in_graph)


def _of_package(use: Use, in_graph: bool) -> Rule | None:
    """Returns the rule for a name, by looking it up in what is installed."""
    root, _, path = use.name.partition('.')
    if root == 'numpy' and path:
        return _of_numpy(path, use.keywords)
    if root == TF and path:
        return _of_tensorflow(use, path, in_graph)
    if is_missing_in_python(use.name):
        return Rule(f'{use.name} is not in this Python', "see What's New of the versions since the program's")
    return None


def _of_numpy(path: str, keywords: frozenset[str]) -> Rule | None:
    if path in ('quantile', 'percentile', 'nanquantile', 'nanpercentile'):
        return rules.INTERPOLATION if 'interpolation' in keywords else None
    numpy = importlib.import_module('numpy')
    first = path.partition('.')[0]
    if first in rules.NUMPY:
        # np.bool and np.long exist again in NumPy 2, as NumPy's own types.
        return None if hasattr(numpy, first) else rules.NUMPY[first]
    if has(numpy, path):
        return None
    return Rule(f'np.{path} is not in NumPy {numpy.__version__}', 'see the release notes of NumPy 2')


def _of_tensorflow(use: Use, full_path: str, in_graph: bool) -> Rule | None:
    path = full_path.removeprefix('compat.v1.')
    first = path.partition('.')[0]
    if first == 'contrib':
        return _of_contrib(path.partition('.')[2])
    if use.kind == 'name' and not in_graph and f'{TF}.{path}' in rules.NEEDS_A_GRAPH:
        return rules.GRAPH
    if path.startswith('estimator.BoostedTrees'):
        return rules.BOOSTED_TREES
    if use.kind == 'import':
        return _of_import(use, full_path)
    if first in ('python', 'core', 'compat', 'compiler', 'tools'):
        return _of_module(use.name, path)
    v1, v2 = apis()
    imported = _imported(use)
    if full_path == path and imported not in (TF, f'{TF}.compat') and not has(v2, path):
        if not has(v2, imported.partition('.')[2]):
            return None  # its import fails
        return rules.FROM_TENSORFLOW if has(v1, path) else _missing(path)  # from tensorflow import nn
    if not has(v1, path):
        return rules.MIXED if has(v2, path) else _missing(path)
    if full_path != path and (is_restored(use.name) or is_of_keras_2(path)):
        return rules.COMPAT
    return rules.KERAS_2 if first == 'keras' and is_of_keras_2(path) else None


def _of_import(use: Use, path: str) -> Rule | None:
    """Returns the rule for `import tensorflow.<path>` or `from tensorflow... import ...`."""
    v1, v2 = apis()
    if '.' not in path and path not in ('python', 'core', 'compat', 'estimator') and not has(v2, path):
        return rules.FROM_TENSORFLOW if has(v1, path) else _missing(path)
    rule = _of_module(use.name, path)
    if rule is None and path.startswith('compat.v1.keras.') and not has_own_estimator():
        return rules.RESTORED
    if rule is None and is_of_keras_2(path):
        return rules.KERAS_2
    top = path.partition('.')[0]
    if rule and top not in ('python', 'core', 'compat', 'estimator') and first_missing(v1, path) is None:
        return rules.FROM_TENSORFLOW
    return rule


def _of_module(name: str, path: str) -> Rule | None:
    """Returns the rule for a module or a name below one."""
    if is_restored(name):
        return rules.RESTORED if imports(name) else _missing(path)
    return None if imports(name) else _missing(path)


def _missing(path: str) -> Rule:
    version = apis()[0].__version__
    return Rule(
        f'tf.{path} is not in TensorFlow {version}',
        'look it up at tensorflow.org/api_docs, in the version for which the program was written',
    )


def _of_contrib(path: str) -> Rule:
    missing = missing_in_contrib(path)
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
        return f'Everything found in {count(files, "file")} runs unchanged.'
    return '\n'.join(
        [f'{count(len(found), "place")} in {count(files, "file")} will not run unchanged:', *listed(found)]
    )


def listed(found: list[Finding]) -> Iterator[str]:
    """Yields the lines of each reason, its remedy and its places."""
    by_rule: dict[Rule, list[Finding]] = {}
    for finding in found:
        by_rule.setdefault(finding.rule, []).append(finding)
    for rule, places in sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0].reason)):
        yield from ('', f'{len(places)} x {rule.reason}', f'  {rule.remedy}.')
        yield from (f'    {place.file}:{place.line}  {place.text}' for place in places[:SHOWN])
        if len(places) > SHOWN:
            yield f'    and {len(places) - SHOWN} more'


def count(number: int, what: str) -> str:
    """Returns a number with its noun, in the plural where it is one."""
    return f'{number} {what}{"" if number == 1 else "s"}'
