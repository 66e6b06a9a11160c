"""Writes docs/programs.md from the recipes of programs.py and their results."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from program_recipes import Recipe, Results

_HEADER = """# Well-known Estimator programs

What published programs for TensorFlow 1, many of them with Estimators, do on today's TensorFlow. Each was
run by `python -m estimator_lab.run`, with no file changed, on small made-up inputs, from a recipe of
`benchmarks/programs/` that names the repository, its commit, the commands and what they must show:

```sh
python benchmarks/programs.py bert                 # clones it, runs it, and says whether it passes
python benchmarks/programs.py                      # all that have no result on this TensorFlow yet
```

`python benchmarks/packages.py` trains, evaluates and predicts with packages from the index: AdaNet,
bert-tensorflow, albert-tensorflow, DeepCTR, TensorFlow Privacy, TF-GAN, TF Lattice, TF-Ranking and TF-Slim.

This page is made from the recipes and `benchmarks/programs/results.json`.
"""
_VERSIONS = ('2.21', '2.15')


def page(recipes: Sequence[Recipe], results: Results) -> str:
    """Returns docs/programs.md."""
    parts = [_HEADER, _summary(recipes, results), '']
    passes = [one for one in recipes if any(_outcome(one, results, v) == 'passed' for v in _VERSIONS)]
    failed = [one for one in recipes if one.name in results and one not in passes]
    parts.append('## Programs that run\n')
    head = '; '.join(_VERSIONS)
    parts.append(f'| recipe | program | what runs | shown | seconds on {head} |\n|' + ' --- |' * 5)
    parts += [
        f'| `{one.name}` | {one.title} ({one.repository}) | {_commands(one)} | {one.what} | '
        + '; '.join(_cell(one, results, version) for version in _VERSIONS)
        + ' |'
        for one in passes
    ]
    parts += ['', '## Programs that do not\n', '| recipe | program | why |\n|' + ' --- |' * 3]
    parts += [f'| `{one.name}` | {one.title} ({one.repository}) | {_why(one, results)} |' for one in failed]
    waiting = [f'`{one.name}`' for one in recipes if one.name not in results]
    if waiting:
        parts += ['', '## Recipes without a result yet\n', ', '.join(waiting) + '.']
    return '\n'.join(parts) + '\n'


def _summary(recipes: Sequence[Recipe], results: Results) -> str:
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
