"""Measures `estimator_lab.port` on other people's programs: recall and precision of what it lists.

    python benchmarks/port_accuracy.py FOLDER...

Each folder holds one program or library with all its modules. What a program needs is found without `port`:
its import statements are executed, and the names that it uses are looked up, in three processes: with
TensorFlow alone, after `import estimator_lab.tf1`, and after `import estimator_lab.contrib`. Names that
nothing defines are those of ruff's rule F821. No other code of a program is run. Three kinds of needs count:

    file    names of the file work only after `import estimator_lab.tf1`, or with its `tf`
    line    a name on this line works only after `import estimator_lab.contrib`, or never
    syntax  this Python cannot read the file

Not judged: code below tests of versions and in `try` with an `except ImportError`, or with another handler
for missing names; names that mean different things in TensorFlow 1 and 2, where no name is missing; names of
other packages; and what only a run shows, such as `.value` of a dimension or `map` used as a list. Findings
of these kinds are counted at the end.
"""

import ast
import collections
import importlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from runner import machine

RESOLVE = '--resolve'
LEVELS = ('tensorflow', 'estimator_lab.tf1', 'estimator_lab.contrib')
OLD_MODULES = ('distutils', 'imp', 'asyncore', 'asynchat', 'smtpd', 'cgi', 'pipes', 'imghdr', 'pkg_resources')
GUARDS = ('PY2', 'PY3', 'version_info', '__version__', 'VERSION', 'hasattr')
PYTHON_2_BUILTINS = (
    *('xrange', 'unicode', 'basestring', 'raw_input', 'long', 'reduce', 'unichr', 'execfile', 'file', 'cmp'),
    *('reload', 'buffer', 'apply', 'intern'),
)
COMPAT = 'tf = tf.compat.v1'
CAUGHT = ('ImportError', 'ModuleNotFoundError', 'NameError', 'AttributeError', 'Exception')


class Unit(NamedTuple):
    """An import statement, and a name that is looked up after it; '' for the statement alone."""

    file: str
    line: int
    statement: str
    name: str
    is_guarded: bool


def main(folders: list[str]) -> None:
    """Prints recall and precision for each folder, and for all together."""
    print(machine(), flush=True)
    total: collections.Counter[str] = collections.Counter()
    unjudged: collections.Counter[str] = collections.Counter()
    files = {
        folder: sorted(str(path) for path in Path(folder).resolve().rglob('*.py') if path.is_file())
        for folder in folders
    }
    all_needs, neutral = needs_of([file for some in files.values() for file in some])
    for folder, some in files.items():
        needs = {place for place in all_needs if place[0] in set(some)}
        found, others = found_by_port(some)
        unjudged += others
        counts = collections.Counter(
            right=len(needs & found), missed=len(needs - found), wrong=len(found - needs - neutral)
        )
        total += counts
        print(f'{Path(folder).name:<40} {row(counts)}', flush=True)
        if '-v' in sys.argv:
            for title, places in (('missed', needs - found), ('wrong', found - needs - neutral)):
                for place in sorted(places):
                    print('   ', title, *place)
    print(f'{"all":<40} {row(total)}')
    print('not judged:', ', '.join(f'{number} x {reason}' for reason, number in unjudged.most_common()))


def row(counts: collections.Counter[str]) -> str:
    """Returns a row of the table."""
    needed, listed = counts['right'] + counts['missed'], counts['right'] + counts['wrong']
    recall = f'{counts["right"] / needed:7.1%}' if needed else '      -'
    precision = f'{counts["right"] / listed:7.1%}' if listed else '      -'
    return f'{needed:5} needed  recall {recall}  precision {precision}'


Place = tuple[str, int, str]


def needs_of(files: list[str]) -> tuple[set[Place], set[Place]]:
    """Returns the places that need a change, and those that are not judged."""
    needs = {(file, line, 'line') for file, line in undefined_names(files)}
    neutral, units = set[Place](), list[Unit]()
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                tree = ast.parse(Path(file).read_bytes(), file)
        except SyntaxError:
            needs.add((file, 0, 'syntax'))
            continue
        units += units_of(file, tree)
    questions = sorted({(unit.statement, name) for unit in units for name in (unit.name, '')})
    answers = [resolve(level, questions) for level in LEVELS]
    for unit in units:
        own_needs, own_neutral = judged(unit, answers)
        needs |= own_needs
        neutral |= own_neutral
    return needs - {(unit.file, unit.line, 'line') for unit in units if unit.is_guarded}, neutral


def judged(unit: Unit, answers: list[dict[tuple[str, str], str]]) -> tuple[set[Place], set[Place]]:
    """Returns which places need a change because of one unit, and which are not judged because of it."""
    plain, restored, contrib = (found[unit.statement, unit.name] for found in answers)
    line, file = (unit.file, unit.line, 'line'), (unit.file, 0, 'file')
    if unit.name and answers[0][unit.statement, ''] == 'missing':
        return set(), {line}  # it follows from the failure of its import
    if unit.is_guarded:
        return set(), {line, file}
    if plain == 'differs':
        return set(), {file}
    if plain == 'there':
        return set(), set()
    if restored != 'missing':
        return {file}, set()
    return {line}, {file} if contrib != 'missing' else set()


def units_of(file: str, tree: ast.Module) -> Iterator[Unit]:
    """Yields what a file imports and uses of TensorFlow, NumPy and Python's own modules."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    statements: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, 'level', 0):
            for bound, line, text in imports_in(node):
                statements[bound] = f'{statements[bound]}\n{text}' if bound in statements else text
                yield Unit(file, line, text, '', guarded(node, parents))
    rebound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not is_read(node)}
    if any(isinstance(node, ast.Assign) and ast.unparse(node) == COMPAT for node in ast.walk(tree)):
        statements['tf'] = f'{statements.get("tf", "")}\n{COMPAT}'
        rebound.discard('tf')
    rebound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in PYTHON_2_BUILTINS and guarded(node, parents):
            yield Unit(file, node.lineno, '', '', True)
        elif isinstance(node, ast.Attribute) and not isinstance(parents.get(node), ast.Attribute):
            name = ast.unparse(node)
            root = name.partition('.')[0]
            dotted = is_read(node) and name.replace('.', '').replace('_', '').isalnum()
            if dotted and root in statements and root not in rebound:
                yield Unit(file, node.lineno, statements[root], name, guarded(node, parents))


def imports_in(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, int, str]]:
    """Yields (bound name, line, statement) for each name that a statement imports."""
    module = getattr(node, 'module', None)
    for alias in node.names:
        if is_judged(module or alias.name):
            text = f'from {module} import ' if module else 'import '
            text += alias.name + (f' as {alias.asname}' if alias.asname else '')
            bound = alias.asname or (alias.name if module else alias.name.partition('.')[0])
            yield bound, getattr(alias, 'lineno', node.lineno), text


def is_judged(module: str) -> bool:
    """Returns whether this oracle knows what a module has: those of TensorFlow, NumPy and Python."""
    root = module.partition('.')[0]
    if root == 'tkinter':  # an optional part of Python
        return False
    return (
        root in ('tensorflow', 'numpy', *OLD_MODULES, *PYTHON_2_BUILTINS)
        or root in sys.stdlib_module_names
        or root in python_2()
    )


def python_2() -> set[str]:
    """Returns the modules of Python 2 that have other names now, as `six` knows them."""
    six: Any = importlib.import_module('six')
    moved = {each.name: each for each in six._moved_attributes}
    return {
        each.mod if name in sys.stdlib_module_names else name
        for name, each in moved.items()
        if isinstance(each, six.MovedModule)
    } | {'urllib2', 'urlparse', 'cPickle', 'StringIO', 'cStringIO', 'ConfigParser', 'Queue'}


def is_read(node: Any) -> bool:
    return isinstance(node.ctx, ast.Load)


def guarded(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Returns whether a test of versions, or a handler for missing names, surrounds a node."""
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.If | ast.IfExp | ast.BoolOp) and any(
            word in ast.unparse(node.test if not isinstance(node, ast.BoolOp) else node) for word in GUARDS
        ):
            return True
        if isinstance(node, ast.Try) and any(
            handler.type is None or any(word in ast.unparse(handler.type) for word in CAUGHT)
            for handler in node.handlers
        ):
            return True
    return False


def undefined_names(files: list[str]) -> Iterator[tuple[str, int]]:
    """Yields the places of names that nothing defines, by ruff."""
    command = [
        sys.executable,
        '-m',
        'ruff',
        'check',
        '--isolated',
        '--select=F821',
        '--output-format=json',
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for each in json.loads(done.stdout):
        name = each['message'].partition('`')[2].partition('`')[0]
        if each['code'] == 'F821' and name in PYTHON_2_BUILTINS:
            yield each['filename'], each['location']['row']


def resolve(level: str, questions: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Answers each question in a process that has imported `level`."""
    with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
        json.dump(questions, file)
        file.flush()
        root = str(Path(__file__).parent.parent)
        done = subprocess.run(
            [sys.executable, __file__, RESOLVE, level, file.name],
            env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': root},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    answers = json.loads(done.stdout.splitlines()[-1])
    return {(statement, name): answer for statement, name, answer in answers}


def answer(level: str, questions: list[list[str]]) -> None:
    """Prints the answers as JSON: 'there', 'missing', or 'differs' where TensorFlow 1 has another object."""
    warnings.simplefilter('ignore')
    importlib.import_module(level)
    v1 = importlib.import_module('tensorflow.compat.v1')
    names: dict[str, dict[str, Any] | None] = {}
    answers = []
    for statement, name in questions:
        if statement not in names:
            names[statement] = executed(statement)
        space = names[statement]
        if space is None:
            answers.append((statement, name, 'missing'))
            continue
        found = looked_up(space, name)
        state = 'missing' if found is MISSING else 'there'
        if (
            found is MISSING
            and level != LEVELS[0]
            and statement == f'import tensorflow as {name.partition(".")[0]}'
        ):
            # With `from estimator_lab.tf1 import tf` in place of the import.
            state = 'missing' if looked_up({'tf': v1}, f'tf.{name.partition(".")[2]}') is MISSING else 'there'
        elif name and statement.startswith('import tensorflow as'):
            other = looked_up({'tf': v1}, f'tf.{name.partition(".")[2]}')
            if (
                other is not MISSING
                and other is not found
                and not isinstance(found, str | int | float | bool)
            ):
                state = 'differs'
        answers.append((statement, name, state))
    print(json.dumps(answers))


MISSING = object()


def executed(statement: str) -> dict[str, Any] | None:
    """Returns what import statements bind; None if one fails."""
    space: dict[str, Any] = {}
    try:
        exec(statement, space)
    except Exception:  # noqa: BLE001 - an import can raise anything
        return None
    return space


def looked_up(space: dict[str, Any], name: str) -> Any:
    """Returns the value of a dotted name, and of `tf.flags.FLAGS.x` only FLAGS; MISSING if there is none."""
    if not name:
        return None
    root, *rest = name.split('.')
    value = space[root]
    for part in rest:
        if 'FlagValues' in type(value).__name__:
            return value
        try:
            value = getattr(value, part)
        except Exception:  # noqa: BLE001 - loading a part of TensorFlow can raise anything
            return MISSING
    return value


def found_by_port(files: list[str]) -> tuple[set[Place], collections.Counter[str]]:
    """Returns the places that `port` lists, and the number of those that are not judged, by reason."""
    from estimator_lab.porting import rules
    from estimator_lab.porting.findings import findings
    from estimator_lab.porting.source import read

    of_file = {
        rule.reason
        for rule in (
            rules.OF_TENSORFLOW_1,
            rules.OF_TENSORFLOW_2,
            rules.MIXED,
            rules.COMPAT,
            rules.RESTORED,
            rules.KERAS_2,
        )
    }
    at_run_time = {
        rule.reason
        for rule in (
            *rules.PATTERNS.values(),
            rules.DIMENSION,
            rules.GRAPH,
            rules.REFERENCES,
            rules.INTERPOLATION,
        )
    }
    found, others = set[Place](), collections.Counter[str]()
    for rule, file, line, text in findings([read(file) for file in files]):
        if text.startswith('syntax error'):
            found.add((file, 0, 'syntax'))
        elif rule.reason in of_file:
            found.add((file, 0, 'file'))
        elif rule.reason in at_run_time or text[0] == '.' or not is_judged(text):
            others[rule.reason] += 1
        else:
            found.add((file, line, 'line'))
    return found, others


if __name__ == '__main__':
    if sys.argv[1:2] == [RESOLVE]:
        answer(sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))
    else:
        main([argument for argument in sys.argv[1:] if argument != '-v'])
