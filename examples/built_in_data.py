"""Shared by the examples: the command line, and the built-in archives of cartoon faces."""

import argparse
from pathlib import Path

from estimator_lab.data.demo_sets.archives import DemoPaths, cached_demo


def archives_from_command_line(header: str | None) -> DemoPaths:
    """Returns the archives given by --data and --eval_data; by default, the built-in ones.

    Args:
      header: the script's own docstring, which --help shows.
    """
    parser = argparse.ArgumentParser(
        description=header, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument('--data', type=_file, help='tar archive to read; default: the built-in faces')
    parser.add_argument('--eval_data', type=_file, help='tar archive to evaluate on; default: that of --data')
    given = parser.parse_args()
    if given.data:
        return DemoPaths(given.data, given.eval_data or given.data)
    if given.eval_data:
        parser.error('--eval_data needs --data')
    return cached_demo(_show)


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f'file {text!r} does not exist')
    return path


def _show(done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        print(f'Drawing the built-in faces: {done:,} of {total:,}', flush=True)
