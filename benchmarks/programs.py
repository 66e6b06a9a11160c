"""Runs other people's programs by the recipes in programs/, or writes the pages of their results.

    python benchmarks/programs.py                    the recipes that have no result on this TensorFlow yet
    python benchmarks/programs.py bert pix2pix       these, again
    python benchmarks/programs.py --pages

A recipe, `programs/NAME.toml`, has the fields of `Recipe`. Its repository is cloned at its commit, from
GitHub or from --mirror (a folder of git directories OWNER+NAME), its packages are installed without what
they require, each in a folder of its own, its files are made by functions of program_files.py, and its
commands run unedited by `python -m estimator_lab.run`. The result is added to `programs/results.json`.

Without --environment, a virtual environment is made in --work with this repository and --tensorflow. The exit
status is 1 if a program fails by us. Programs of others are not sandboxed: run them where you would run any.
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from program_page import summary, table
from program_recipes import Recipe, read_recipes, read_results, write_result
from program_runs import Place, attempt

HERE = Path(__file__).parent
ROOT = HERE.parent
VERSIONS = "import sys, importlib.metadata as m; print(m.version('tensorflow'), sys.version.split()[0])"


def main(arguments: Sequence[str]) -> int:
    """Runs the chosen recipes, or prints the page; returns the exit status."""
    given = _parse(arguments)
    recipes = read_recipes(given.recipes)
    results_file = given.recipes / 'results.json'
    if given.pages:
        for name, page in ('programs.md', summary), ('programs_table.md', table):
            (given.docs / name).write_text(page(list(recipes.values()), read_results(results_file)))
        return 0
    unknown = set(given.names) - recipes.keys()
    if unknown:
        raise SystemExit(f'There is no recipe {", ".join(sorted(unknown))} in {given.recipes}.')
    work = given.work.resolve()
    python = given.environment or _make_environment(work / f'tensorflow-{given.tensorflow}', given.tensorflow)
    tensorflow, version = subprocess.check_output([python, '-c', VERSIONS], text=True).split()
    minor = tensorflow.rpartition('.')[0]
    done = read_results(results_file)
    chosen = [recipes[name] for name in given.names] or [
        one for one in recipes.values() if not _has_result(one, done, minor)
    ]
    place = Place(python, work, given.mirror, f'{minor}-{version}')
    failed = 0
    for recipe in chosen:
        if minor not in recipe.tensorflow:
            continue
        outcome, seconds, reason = attempt(recipe, place)
        failed += outcome == 'failed by us'
        print(f'{recipe.name:<32} {seconds:>4.0f} s  {outcome}{": " * bool(reason)}{reason}', flush=True)
        result = {'outcome': outcome, 'reason': reason, 'seconds': round(seconds)}
        result.update(tensorflow=tensorflow, python=version, date=str(datetime.date.today()))
        write_result(results_file, recipe, minor, result)
    return int(failed > 0)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument('--pages', action='store_true', help='write programs.md and programs_table.md')
    parser.add_argument('--docs', type=Path, default=ROOT / 'docs', help='folder of the pages')
    parser.add_argument(
        '--mirror', type=Path, help='folder with git directories OWNER+NAME, in place of GitHub'
    )
    parser.add_argument('--environment', type=Path, help='the Python that runs the programs')
    parser.add_argument('--tensorflow', default='2.21', help='version in the environment that is made')
    parser.add_argument(
        '--work',
        type=Path,
        default=Path(tempfile.gettempdir(), 'estimator_lab_programs'),
        help='folder of clones, packages, environments, and what failed programs leave',
    )
    parser.add_argument('--recipes', type=Path, default=HERE / 'programs', help='folder of the recipes')
    return parser.parse_args(arguments)


def _has_result(recipe: Recipe, results: dict[str, dict[str, dict[str, str]]], minor: str) -> bool:
    """Whether a recipe as it is now has run."""
    return results.get(recipe.name, {}).get(minor, {}).get('recipe') == recipe.digest()


def _make_environment(folder: Path, tensorflow: str) -> Path:
    """Returns the Python of a virtual environment with this repository and a version of TensorFlow."""
    python = folder / 'bin' / 'python'
    if not (folder / 'complete').exists():
        venv.create(folder, with_pip=True, clear=True)
        own = [str(ROOT), f'tensorflow=={tensorflow}.*']  # as README says
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', *own], check=True)
        (folder / 'complete').touch()
    return python


if __name__ == '__main__':
    os.environ['PYTHONPATH'] = str(ROOT)
    sys.exit(main(sys.argv[1:]))
