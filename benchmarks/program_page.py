"""Writes docs/programs.md and docs/programs_table.md from the recipes of programs.py and their results."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from program_recipes import Recipe, Results
from program_runs import all_packages

_SUMMARY = """# Programs for TensorFlow 1 that run

Published programs, libraries, notebooks and pages for TensorFlow 1, many of them with Estimators, run on
today's TensorFlow by `python -m estimator_lab.run`, from recipes in `benchmarks/programs/`. A recipe names
the repository, its commit, the commands and what they must show. Each runs in the environment of README's
install, with the packages that it names and no others; results of 2026-12-01 are of an environment that also
had the packages of our tests.

{counts}

[The table](programs_table.md) has a row for each: what runs, what was changed, what is shown, and how long it
takes. Inputs are small and made up. Most programs run with no file changed; pages run block by block, and
their rows say how many blocks, and what was replaced. "Trains" means that a loss falls, or that an accuracy
reaches a bound; a row that shows neither says "runs".

| kind | recipes | pass on {newest} | no file changed | train |
| --- | --- | --- | --- | --- |
{kinds}

```sh
python benchmarks/programs.py bert                 # clones it, runs it, and says whether it passes
python benchmarks/programs.py                      # all that have no result on this TensorFlow yet
python benchmarks/programs.py --pages              # writes these two pages
```

`python benchmarks/packages.py` trains, evaluates and predicts with packages from the index: AdaNet,
bert-tensorflow, albert-tensorflow, DeepCTR, TensorFlow Privacy, TF-GAN, TF Lattice, TF-Ranking and TF-Slim.

To add a program, write a recipe (`benchmarks/program_recipes.py` has its fields), run it, and write these
pages.
"""
_TABLE = """# Programs, one by one

[programs.md](programs.md) says how they were run. "Nothing" was changed where a program ran as it is
published; "inputs" are small files of ours. The last column is seconds on TensorFlow {versions}.
"""
_VERSIONS = ('2.21', '2.15')
_KINDS = (
    'Programs and libraries',
    'Notebooks',
    "Libraries' own tests",
    "Pages of TensorFlow's documentation",
)


def summary(recipes: Sequence[Recipe], results: Results) -> str:
    """Returns docs/programs.md."""
    rows = []
    for kind in _KINDS:
        of_kind = [one for one in recipes if _kind(one) == kind]
        passed = [one for one in of_kind if _outcome(one, results, _VERSIONS[0]) == 'passed']
        unchanged = sum(_is_unchanged(one) for one in passed)
        trained = sum('trains' in one.what for one in passed)
        rows.append(f'| {kind} | {len(of_kind)} | {len(passed)} | {unchanged} | {trained} |')
    return _SUMMARY.format(counts=_counts(recipes, results), kinds='\n'.join(rows), newest=_VERSIONS[0])


def table(recipes: Sequence[Recipe], results: Results) -> str:
    """Returns docs/programs_table.md."""
    parts = [_TABLE.format(versions='; '.join(_VERSIONS))]
    passes = [one for one in recipes if any(_outcome(one, results, v) == 'passed' for v in _VERSIONS)]
    for kind in _KINDS:
        head = '| recipe | program | what runs | changed | shown | seconds |'
        parts += [f'## {kind}\n', f'{head}\n|{" --- |" * 6}']
        parts += [_row(one, results) for one in passes if _kind(one) == kind]
        parts.append('')
    failed = [one for one in recipes if one.name in results and one not in passes]
    parts += ['## Programs that do not run\n', '| recipe | program | why |\n|' + ' --- |' * 3]
    parts += [f'| `{one.name}` | {one.title} ({one.repository}) | {_why(one, results)} |' for one in failed]
    waiting = [f'`{one.name}`' for one in recipes if one.name not in results]
    if waiting:
        parts += ['', '## Recipes without a result yet\n', ', '.join(waiting) + '.']
    return '\n'.join(parts) + '\n'


def _row(recipe: Recipe, results: Results) -> str:
    cells = '; '.join(_cell(recipe, results, version) for version in _VERSIONS)
    columns = [f'`{recipe.name}`', f'{recipe.title} ({recipe.repository})', _commands(recipe)]
    return f'| {" | ".join([*columns, _changed(recipe), recipe.what, cells])} |'


def _kind(recipe: Recipe) -> str:
    if recipe.repository == 'tensorflow/docs':
        return _KINDS[3]
    if recipe.what.endswith('tests pass') or recipe.name.endswith('_tests'):
        return _KINDS[2]
    return _KINDS[1] if any('.ipynb' in command for command in recipe.commands) else _KINDS[0]


def _is_unchanged(recipe: Recipe) -> bool:
    return not recipe.replaced and not any('page' in one for one in recipe.files)


def _changed(recipe: Recipe) -> str:
    """Returns what a recipe changes of the program, beginning with the least."""
    pages = [one for one in recipe.files if 'page' in one]
    found = ['inputs'] if len(pages) < len(recipe.files) else []
    for page in pages:
        taken = len(page.get('chosen', ())) or recipe.blocks - len(page.get('leave', ()))
        found.append(f'{taken} of {recipe.blocks} blocks')
        found += ['lines added'] if page.get('before') or page.get('after') else []
    found += [f'replaced: {recipe.replaced}'] if recipe.replaced else []
    found += ['protocol buffers compiled'] if recipe.protos else []
    packages = ', '.join(f'`{one.partition(";")[0]}`' for one in all_packages(recipe))
    found += [f'with {packages}'] if packages else []
    return _text('; '.join(found) or 'nothing')


def _counts(recipes: Sequence[Recipe], results: Results) -> str:
    lines = []
    for version in _VERSIONS:
        rows = [results[one.name][version] for one in recipes if version in results.get(one.name, {})]
        if rows:
            counts = Counter(row['outcome'] for row in rows)
            shown = ', '.join(f'{count} {outcome}' for outcome, count in counts.most_common())
            shown = shown.replace('needs', 'need').replace('its', 'their')
            pythons = ', '.join(sorted({row['python'] for row in rows}))
            dates = sorted({row['date'] for row in rows})
            when = dates[0] if len(dates) == 1 else f'{dates[0]} to {dates[-1]}'
            tensorflows = ', '.join(sorted({row['tensorflow'] for row in rows}))
            lines.append(f'- TensorFlow {tensorflows} on Python {pythons}, {when}: {shown}.')
    return f'Of {len(recipes)} recipes:\n\n' + '\n'.join(lines)


def _result(recipe: Recipe, results: Results, version: str) -> dict[str, Any]:
    return results.get(recipe.name, {}).get(version, {})


def _outcome(recipe: Recipe, results: Results, version: str) -> str:
    outcome: str = _result(recipe, results, version).get('outcome', '')
    return outcome


def _cell(recipe: Recipe, results: Results, version: str) -> str:
    """Returns a result in a few words."""
    result = _result(recipe, results, version)
    if not result:
        return 'not run'
    if result['outcome'] == 'passed':
        return str(result['seconds'])
    return _text(f'{result["outcome"]}: {result["reason"]}')


def _why(recipe: Recipe, results: Results) -> str:
    rows = [row for version in _VERSIONS if (row := _result(recipe, results, version))]
    return _text(f'{rows[0]["outcome"]}: {rows[0]["reason"]}')


def _text(text: str) -> str:
    return text.replace('|', r'\|').replace('<', '&lt;').replace('*', r'\*')


def _commands(recipe: Recipe) -> str:
    """Returns the programs of a recipe's commands, without their arguments, or the page that it runs."""
    pages = [Path(recipe.folder, one['page']) for one in recipe.files if 'page' in one]
    if pages:
        return ', '.join(f'`{page}`' for page in pages)
    names: dict[str, None] = {}
    for command in recipe.commands:
        words = [word for word in shlex.split(command) if word not in ('--v1', '--v2')]
        names[' '.join(words[: 2 if words[0] == '-m' else 1])] = None
    return ', '.join(f'`{name}`' for name in names)
