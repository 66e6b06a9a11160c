"""Runs other people's repositories by the recipes in `programs/recipes.toml`: does each do its work?

    git clone --depth 1 https://github.com/OWNER/NAME FOLDER/OWNER+NAME
    python benchmarks/repositories.py --sources=FOLDER --results=run.json [NAME...]

Each recipe names a repository, a command, the files to make for it, and text that the command prints when it
has done its work. It runs by `python -m estimator_lab.run COMMAND` in a copy of the repository, with no file
changed. Packages that programs require must be installed for the Python that runs this script, with `pip
install --no-deps`, as most require an old TensorFlow. docs/programs.md has the results.
"""

import argparse
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from programs import inputs

HERE = Path(__file__).parent
SECONDS = 900
_TOML: Any = importlib.import_module('tomllib')  # of Python 3.11
RECIPES: dict[str, dict[str, Any]] = _TOML.loads((HERE / 'programs' / 'recipes.toml').read_text())


def main() -> int:
    """Runs the chosen recipes; returns 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--sources', type=Path, help='folder of the repositories')
    parser.add_argument('--results', type=Path, help='JSON file for the results; those of other names stay')
    parser.add_argument('-v', action='store_true', help="print the end of a failed program's output")
    parser.add_argument('names', nargs='*')
    given = parser.parse_args()
    results = json.loads(given.results.read_text()) if given.results and given.results.exists() else {}
    failed = 0
    for name in given.names or RECIPES:
        if not RECIPES[name].get('run'):
            continue
        done, output = attempt(RECIPES[name], given.sources)
        results[name] = done
        failed += done != 'yes'
        print(f'{name:<40} {done}', flush=True)
        if given.v and done != 'yes':
            print(output[-6000:])
        if given.results:
            given.results.write_text(json.dumps({'': version('tensorflow'), **results}, indent=1))
    return int(failed > 0)


def attempt(recipe: dict[str, Any], sources: Path) -> tuple[str, str]:
    """Runs one recipe; returns 'yes' or the reason of its failure, and the output."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, recipe.get('as', 'program'))
        source = sources / recipe['source'].replace('/', '+')
        if not source.is_dir():
            return 'not fetched', ''
        shutil.copytree(source / recipe.get('folder', ''), root, symlinks=True)
        where = root.parent if 'as' in recipe else root
        for name in recipe.get('inputs', []):
            getattr(inputs, name)(where)
        packages = [sources / each.replace('/', '+') for each in recipe.get('path', [])]
        return execute(recipe, where / recipe.get('cd', ''), packages)


def execute(recipe: dict[str, Any], where: Path, packages: list[Path]) -> tuple[str, str]:
    """Runs the commands of a recipe in a folder, until one fails; returns the same as `attempt`."""
    path = os.pathsep.join(str(each) for each in (HERE.parent, *packages))
    variables = {**os.environ, 'PYTHONPATH': path, 'TF_CPP_MIN_LOG_LEVEL': '2'}
    output = ''
    for command in recipe['run'].strip().splitlines():
        words = [sys.executable, '-m', 'estimator_lab.run', *shlex.split(command)]
        try:
            done = subprocess.run(
                words,
                cwd=where,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f'not finished after {SECONDS} s', output
        output = done.stdout.decode('utf-8', 'replace')
        if done.returncode:
            return reason(output) or f'exit status {done.returncode}', output
    found = re.search(recipe['expect'], output, re.MULTILINE)
    return ('yes' if found else f'does not print {recipe["expect"]!r}'), output


def reason(output: str) -> str:
    """Returns the last error of an output, as one line of at most 160 characters."""
    errors = re.findall(r'^(?:error: .*|[\w.]*(?:Error|Exception|Exit)\b:?.*)$', output, re.MULTILINE)
    return ' '.join(errors[-1].split())[:160] if errors else ''


if __name__ == '__main__':
    sys.exit(main())
