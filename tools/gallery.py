"""Runs the examples, and stores what they print and draw in build/gallery for the site.

    python tools/gallery.py [NAME...]

Without names it runs all of them; with names, such as `recurrent tour`, only those. An example that fails
ends it with status 1 and the example's own error. tools/site_pages.py adds the results to the pages.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / 'build/gallery'
RESULT = 'result.json'
"""Name of the file with what an example printed, in the folder with its pictures and HTML pages."""

# Arguments that examples need, or that shorten those that take minutes.
ARGUMENTS = {
    'bring_your_own': ('--model_dir=runs/income',),
    'recurrent': ('--steps=30', '--train_steps=400'),
}
# The line that tells what takes long, of a script or of one of its processes.
_WAITING = re.compile(r'^.*loading TensorFlow\n', re.MULTILINE)
_LONGEST = 1800  # seconds of one example
_PICTURES = ('.png', '.jpg')
_LAST_LINES = 30  # of the error of an example that fails


class ExampleError(Exception):
    """An example failed."""


def examples() -> list[Path]:
    """Returns the notebook and the scripts, without the modules that they share."""
    scripts = sorted((ROOT / 'examples').glob('*.py'))
    return [ROOT / 'examples/tour.ipynb', *filter(_is_example, scripts)]


def _is_example(script: Path) -> bool:
    about = ast.get_docstring(ast.parse(script.read_text(encoding='utf-8'))) or ''
    return about.startswith('The notes, ')


def run_example(path: Path, out: Path, arguments: Sequence[str] = ()) -> None:
    """Runs an example in an empty folder.

    Args:
      path: a script or a notebook.
      out: folder for the result and the pictures; what it has is replaced.
      arguments: of the script.

    Raises:
      ExampleError: it failed, or took more than 30 minutes.
    """
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix == '.ipynb':
            cells = json.loads(_without_paths(json.dumps(_outputs_of_notebook(path, folder)), folder))
            out.mkdir(parents=True)
            result: dict[str, Any] = {'cells': [_without_frames(outputs, out) for outputs in cells]}
        else:
            _write_inputs(Path(folder), arguments)
            printed = _output_of_script(path, folder, arguments)
            out.mkdir(parents=True)
            command = ' '.join(['python', f'examples/{path.name}', *arguments])
            result = {'command': command, 'printed': _WAITING.sub('', _without_paths(printed, folder))}
        pictures = [file for file in Path(folder).iterdir() if file.suffix in _PICTURES]
        for picture in pictures:
            shutil.copyfile(picture, out / picture.name)
        # Those that the example reads were written first.
        result['pictures'] = [
            file.name for file in sorted(pictures, key=lambda file: file.stat().st_mtime_ns)
        ]
    (out / RESULT).write_text(json.dumps(result), encoding='utf-8')


def _output_of_script(path: Path, folder: str, arguments: Sequence[str]) -> str:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1'}
    try:
        done = subprocess.run(
            [sys.executable, str(path), *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ExampleError(f'{path.name} ran for more than {_LONGEST} seconds.') from error
    if done.returncode:
        last = '\n'.join([*done.stdout.splitlines(), *done.stderr.splitlines()][-_LAST_LINES:])
        raise ExampleError(f'{path.name} ended with status {done.returncode}:\n{last}')
    return done.stdout


def _outputs_of_notebook(path: Path, folder: str) -> list[list[dict[str, Any]]]:
    """Returns the outputs of each code cell, in the format of notebooks."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=_LONGEST, kernel_name='python3', resources={'metadata': {'path': folder}}
    )
    os.environ['PYTHONPATH'] = str(ROOT)  # for the kernel
    try:
        client.execute()
    except (nbclient.exceptions.CellExecutionError, nbclient.exceptions.CellTimeoutError) as error:
        raise ExampleError(f'{path.name} failed:\n{error}') from error
    cells = [cell['outputs'] for cell in notebook.cells if cell['cell_type'] == 'code']
    return [[output for output in outputs if output.get('name') != 'stderr'] for outputs in cells]


def _without_frames(outputs: Sequence[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Writes the pages in frames, which can have megabytes, to files that a browser loads when needed."""

    def written(frame: re.Match[str]) -> str:
        file = out / f'frame_{len(list(out.iterdir())) + 1}.html'
        file.write_text(unescape(frame[1]), encoding='utf-8')
        return f'<iframe src="{file.name}" loading="lazy"'

    for output in outputs:
        if 'text/html' in output.get('data', {}):
            page = ''.join(output['data']['text/html'])
            output['data']['text/html'] = re.sub(r'<iframe srcdoc="([^"]*)"', written, page)
    return list(outputs)


def _write_inputs(folder: Path, arguments: Sequence[str]) -> None:
    """Writes the pictures that an example reads: a face of the built-in data, and the built-in pattern."""
    if 'photo.png' not in arguments:
        return
    from estimator_lab import api
    from estimator_lab.models.style.perceptual import pattern

    face = next(api.stream(api.demo_faces().test, image_shape=(160, 160, 3), shuffle=False))
    api.as_picture(face.data).save(folder / 'photo.png')
    api.as_picture(pattern(3)).save(folder / 'style.png')


def _without_paths(output: str, folder: str) -> str:
    """Returns output without this machine's folders."""
    return output.replace(f'{folder}/', '').replace(f'{Path.home()}/', '~/')


def main(names: Sequence[str]) -> int:
    """Runs examples; returns the exit status."""
    known = {path.stem: path for path in examples()}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f'{unknown[0]} is not an example; there are: {", ".join(known)}', file=sys.stderr)
        return 2
    from estimator_lab import api

    api.demo_faces()  # so that no example draws them
    for name in names or known:
        started = time.perf_counter()
        try:
            run_example(known[name], OUT / name, ARGUMENTS.get(name, ()))
        except ExampleError as error:
            print(error, file=sys.stderr)
            return 1
        print(f'{name}  {time.perf_counter() - started:.0f} s', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
