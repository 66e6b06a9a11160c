"""Runs predictions for the `predict` command: rows to CSV or JSON lines, vectors to npz, pictures to PNG."""

import contextlib
import io
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, LabError, option
from estimator_lab.base.files import keep_unfinished, listed, partials_of, read_regular, whole_file
from estimator_lab.base.keys import KEY
from estimator_lab.base.outputs import check_outputs, writing, written
from estimator_lab.base.printable import csv_writer, json_text, safe_name
from estimator_lab.base.progress import clear_status, doing, progress_of, silence, warn, why_unwritten
from estimator_lab.core.abilities import Paints
from estimator_lab.core.picture import as_picture
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import Batch
from estimator_lab.inference.painting import painted_batches, with_painting_settings
from estimator_lab.inference.prediction import PROBLEM, Row, Table, pictures_of, predict, vectors_of
from estimator_lab.inference.settings import PredictionSettings
from estimator_lab.runs.trained import Trained

WriteRow = Callable[[Row], object]

FILE_BYTES = 2**25
"""Of vectors, or of their keys, after which a new file begins."""

_LETTER_BYTES = 4  # in an array
_UNFINISHED = '.unfinished'
_LONGEST_MARK = 2**20

_TABLES = ('.csv', '.jsonl', '.json', '.txt', '')


def predict_and_write(
    run: Trained, settings: PredictionSettings, paths: Sequence[str], count_labels: bool
) -> str:
    """Predicts examples, and writes the predictions as soon as they are known.

    `count_labels` says whether to warn if `settings.top` has no effect.

    Returns:
      A sentence that says how many rows were written to `settings.out`; '' if they went to standard output.

    Raises:
      DataError: the examples can't be read; no example could be decoded.
      FlagError: the settings don't fit the model, or a file can't be written.
      LabError: TensorFlow fails, or the disk is full.
    """
    run, kind = with_painting_settings(run, settings), run.kind
    examples = run.examples([*paths, *(settings.data or ())], note=warn, once=True, part=settings.part)
    shares = deque[float](maxlen=1)  # of the bytes that were read
    order = examples.order(progress=shares.append)
    outputs = {'out': settings.out, 'files': settings.files}
    check_outputs(outputs, examples.paths, run.model_dir, kind.accepts)
    check_outputs({'out': settings.out}, (), replaced=_TABLES)
    table = Table.of(run, settings)
    with contextlib.ExitStack() as stack:
        progress = None
        if settings.out:  # else the rows show the progress
            progress = stack.enter_context(
                progress_of('Predicting', kind.noun, lambda done: next(iter(shares), None))
            )
        report = InputReport(kind, lambda line: None, progress=progress)
        if not isinstance(run.architecture, Paints):
            batches = predict(run, order, settings, report)
        elif settings.files:
            batches = painted_batches(run, order, report)
        else:
            raise FlagError(f'{option.files} is missing: the new folder for the paintings.')
        stack.enter_context(contextlib.closing(batches))
        part = [f'part {settings.part}'] if settings.part else []
        source = '\n'.join((str(run.model_dir), *examples.paths, *part))
        files = stack.enter_context(PredictionFiles(settings.files, source)) if settings.files else None
        doing('predicting')
        try:
            rows = stack.enter_context(_opened_rows(settings.out))
            _write(batches, settings, rows, table, files, count_labels)
        except BrokenPipeError:  # the reader of the rows has closed the pipe
            silence(sys.stdout)
            return ''
    return _summary(report, examples.paths, settings.out, is_whole=not settings.part)


@dataclass
class _Rows:
    """A stream of rows: how many are in it, and the bytes of the file that they end."""

    stream: TextIO
    count: int = 0
    bytes: int = 0


@contextlib.contextmanager
def _opened_rows(path: Path | None) -> Iterator[_Rows]:
    """Yields the rows of a file, or of standard output.

    After an error or a signal, those so far are kept in a file next to `path`, which stays as it was.
    """
    rows = _Rows(sys.stdout)
    if path:
        if path.is_file():
            warn(f'{path} is there already: it is replaced when all rows are written.')
        for partial in partials_of(path):
            warn(f'{partial} has rows of a prediction that was killed, or is still running.')

        def keep(partial: Path) -> None:
            if rows.count:
                os.truncate(partial, rows.bytes)
                kept = keep_unfinished(partial, path)
                warn(f'{kept} has the first {rows.count:,} rows; the rest is missing.')

        with (
            written('out', path, keep=keep) as file,
            open(file.fileno(), 'w', encoding='utf-8', newline='', closefd=False) as rows.stream,
        ):
            yield rows
        return
    sys.stdout.reconfigure(encoding='utf-8')  # type: ignore[union-attr] # like files
    try:
        yield rows
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(sys.stdout)
        raise LabError(why_unwritten(error)) from error


def _summary(report: InputReport, paths: Sequence[str], out: Path | None, is_whole: bool) -> str:
    """Returns the last sentence; raises DataError if nothing was predicted, unless it is one part of many."""
    noun, good = report.kind.noun, report.seen - report.bad
    if is_whole and not report.seen:
        raise DataError(f'{", ".join(paths)}: no {report.kind.name} was found.')
    if is_whole and not good:
        if report.seen == 1:
            raise DataError(f'The only {report.kind.name} could not be decoded: {report.last}.')
        raise DataError(f'None of the {report.seen:,} {noun} could be decoded; the last is {report.last}.')
    if report.bad:
        warn(f'{report.bad:,} of {report.seen:,} {noun} could not be decoded.')
    return f'Predicted {good:,} {report.kind.name if good == 1 else noun}: {out}' if out else ''


def _row_writer(form: str, stream: TextIO, columns: Sequence[str]) -> WriteRow:
    """Returns what writes a row, in the format of --format; writes the head of a CSV table."""
    if form == 'jsonl':
        return lambda row: stream.write(f'{json_text(row)}\n')
    write, names = csv_writer(stream), (KEY, *columns, PROBLEM)
    write(names)
    return lambda row: write([row.get(name, '') for name in names])


def _write(
    batches: Iterable[Batch],
    settings: PredictionSettings,
    rows: _Rows,
    table: Table,
    files: 'PredictionFiles | None',
    count_labels: bool,
) -> None:
    """Writes predictions as rows, and what does not fit into a row to files."""
    write: WriteRow | None = None
    for batch in batches:
        if files:
            batch = batch._replace(values={**batch.values, **files.write(batch)})
        clear_status()  # also before the head of the table
        if write is None:
            write = _row_writer(settings.format, rows.stream, list(table.columns(batch.values)))
            left_out = table.left_out(batch.values)
            if left_out and not files:
                warn(f'Not in the table: {", ".join(left_out)}; --files=DIR writes them.')
            if count_labels and not table.classifies(batch.values):
                warn(f'--top={table.top} has no effect: this model predicts no labels.')
        for row in table.rows(batch):
            write(row)
        rows.stream.flush()
        if settings.out:
            rows.count += len(batch.keys) + len(batch.bad)
            rows.bytes = os.fstat(rows.stream.fileno()).st_size


class PredictionFiles:
    """A folder of vectors and pictures.

    `vectors-00000.npz` and so on, some megabytes each, hold 'key' and the vectors [n, ...] by name.
    `NAME/000012_IMAGE.png` is the picture of that name for image 12, counted from 0.

    Until all are written, a file .unfinished says what they are of. After a full disk, the same predictions
    begin anew in this folder, and replace its files.

    Args:
      folder: new or empty, or with the same predictions, unfinished.
      source: what they are of.

    Raises:
      FlagError: it holds something else, or can't be written.
    """

    def __init__(self, folder: Path, source: str = '') -> None:
        self._folder = folder
        self._mark = folder / _UNFINISHED
        self._keys: list[str] = []
        self._pending: dict[str, list[np.ndarray]] = {}
        self._bytes = self._key_letters = 0
        self._files = 0
        self._images = 0
        self._is_new = not folder.exists()
        with writing('files', folder):
            folder.mkdir(parents=True, exist_ok=True)
            if listed(folder) and not self._is_of(source):
                raise FlagError(f'{option.files}={folder} is not empty: name another folder.')
            with whole_file(self._mark) as file:
                file.write(source.encode())

    def __enter__(self) -> 'PredictionFiles':
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        """Writes the pending vectors, and removes the folder if it was made here and is empty."""
        is_done = False
        try:
            self.close()
            is_done = kind is None
        finally:
            if is_done or listed(self._folder) == [self._mark]:
                self._mark.unlink(missing_ok=True)
            if self._is_new:
                with contextlib.suppress(OSError):  # it holds something
                    self._folder.rmdir()

    def _is_of(self, source: str) -> bool:
        """Whether the folder holds unfinished predictions of a source."""
        try:
            return read_regular(self._mark, _LONGEST_MARK) == source.encode()
        except (OSError, ValueError):
            return False

    def write(self, batch: Batch) -> dict[str, np.ndarray]:
        """Writes what belongs into files; returns columns [n] with the pictures' paths in the folder."""
        if not batch.keys:
            return {name: np.empty(0, object) for name in pictures_of(batch.values)}
        self._add_vectors(batch.keys, vectors_of(batch.values))
        paths = self._write_pictures(batch.keys, pictures_of(batch.values))
        self._images += len(batch.keys)
        return paths

    def close(self) -> None:
        """Writes the pending vectors."""
        if not self._keys:
            return
        path = self._folder / f'vectors-{self._files:05}.npz'
        arrays: dict[str, Any] = {name: np.concatenate(parts) for name, parts in self._pending.items()}
        encoded = io.BytesIO()  # as a ZipFile that can't be written complains when it is collected
        np.savez(encoded, **{KEY: np.array(self._keys), **arrays})
        with writing('files', self._folder), whole_file(path) as file:
            file.write(encoded.getbuffer())
        self._files += 1
        self._keys, self._pending, self._bytes, self._key_letters = [], {}, 0, 0

    def _add_vectors(self, keys: Sequence[str], vectors: Mapping[str, np.ndarray]) -> None:
        if not vectors:
            return
        self._keys += keys
        for name, array in vectors.items():
            self._pending.setdefault(name, []).append(array)
            self._bytes += array.nbytes
        self._key_letters = max(self._key_letters, *map(len, keys))
        # An array of texts is as wide as the longest of them.
        if max(self._bytes, _LETTER_BYTES * self._key_letters * len(self._keys)) >= FILE_BYTES:
            self.close()

    def _write_pictures(
        self, keys: Sequence[str], pictures: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        paths: dict[str, np.ndarray] = {}
        for name, images in pictures.items():
            folder = Path(safe_name(name))
            files = []
            for number, key in enumerate(keys, self._images):
                # 000012_test_7_00015.png for the key mnist.tar:test/7/00015.jpg.
                stem = re.sub(r'\.\w{1,4}$', '', key.rpartition(':')[2])
                files.append(folder / f'{number:06}_{safe_name(stem)}.png')
            with writing('files', self._folder):
                (self._folder / folder).mkdir(exist_ok=True)
                for file, image in zip(files, images, strict=True):
                    as_picture(image).save(self._folder / file)
            paths[name] = np.array([str(file) for file in files], object)
        return paths
