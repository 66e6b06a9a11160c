"""The recipes of programs.py, and the file of their results."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomllib

# What decides whether an old result is of a recipe.
_RUNNING = (
    'repository',
    'commit',
    'folder',
    'only',
    'path',
    'beside',
    'packages',
    'files',
    'variables',
    'commands',
    'protos',
)
_JUDGING = ('until', 'shows', 'falls', 'least', 'makes', 'stops')
OUTCOMES = ('passes', 'age', 'fault', 'cannot')

Results = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Recipe:
    """How a program is run, and what it must show.

    Each command is the rest of a line `python -m estimator_lab.run`. It runs in `folder` of a checkout that
    has the name of the repository, of which only the paths `only` are checked out, if there are any. `path`
    are its folders that Python imports from, `beside` other repositories, each OWNER/NAME@COMMIT. `files`
    are functions of program_files.py: a name, or a table with `make` and the arguments. `until` ends the
    last command when its output matches: some programs have no flag for fewer steps. `protos` are the
    protocol buffers, as patterns, that are compiled by grpcio-tools, one of the packages, in `folder`.

    `replaced` says what differs from the program or page as it is published, beyond inputs, blocks and added
    lines; `blocks` is how many a page has. `what` says "trains" only if `falls` or `least` shows it.

    The output must match each of `shows`, where each group is a finite number; the numbers that each of
    `falls` finds must decrease, by the means of their first and last quarters; the last number that each
    key of `least` finds must be at least its value; a file must match each pattern of `makes`.

    `outcome` is passes; age, if a reason of its own stops the program, and its output matches `stops`;
    fault, if estimator_lab does; or cannot, if it needs what cannot be had, and is not run.
    """

    name: str
    title: str
    repository: str
    commit: str
    what: str = ''
    folder: str = '.'
    only: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    files: list[Any] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    until: str = ''
    shows: list[str] = field(default_factory=list)
    falls: list[str] = field(default_factory=list)
    least: dict[str, float] = field(default_factory=dict)
    makes: list[str] = field(default_factory=list)
    outcome: str = 'passes'
    reason: str = ''
    replaced: str = ''
    blocks: int = 0
    protos: list[str] = field(default_factory=list)
    stops: str = ''
    tensorflow: list[str] = field(default_factory=lambda: ['2.15', '2.21'])
    seconds: int = 120
    gigabytes: int = 12

    def digest(self) -> str:
        """Returns a short text that changes with what runs and what is expected."""
        values = {key: value for key, value in dataclasses.asdict(self).items() if key in _RUNNING + _JUDGING}
        values = {key: value for key, value in values.items() if value or key != 'protos'}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def read_recipes(folder: Path) -> dict[str, Recipe]:
    """Returns the recipes of a folder by name, sorted.

    Raises:
      SystemExit: a file is not a recipe; the message names it.
    """
    recipes = {}
    for path in sorted(folder.glob('*.toml')):
        try:
            recipes[path.stem] = Recipe(name=path.stem, **tomllib.loads(path.read_text(encoding='utf-8')))
        except (TypeError, tomllib.TOMLDecodeError) as error:
            raise SystemExit(f'{path}: {error}') from error
    return recipes


def read_results(path: Path) -> Results:
    """Returns the results by the name of the recipe, then by TensorFlow's minor version."""
    return json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}


def write_result(path: Path, recipe: Recipe, minor: str, result: dict[str, Any]) -> None:
    """Adds a result to a file, which is read again: another run may have added its own."""
    results = read_results(path)
    results.setdefault(recipe.name, {})[minor] = {**result, 'recipe': recipe.digest()}
    part = path.with_suffix('.part')
    part.write_text(json.dumps(results, indent=1, sort_keys=True) + '\n', encoding='utf-8')
    part.replace(path)
