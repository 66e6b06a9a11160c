"""What the kinds of hostile files have in common; `hostile_files.py` goes through them."""

import json
import random
from pathlib import Path
from typing import Any

from estimator_lab.data.packing.shards import TarWriter
from tests.robustness.mutation import mutate, mutate_json


class Case:
    """One kind of file: `prepare` is called once, `spoil` and `use` for each mutation.

    Args:
      folder: for whatever the kind needs; everything in it may change.
      beside: a folder that has to stay as it is.
      rng: decides.
    """

    def __init__(self, folder: Path, beside: Path, rng: random.Random) -> None:
        self.folder, self.beside, self.rng = folder, beside, rng
        names = [beside / 'precious', beside / 'model.ckpt-3', '../beside/precious', '../beside/model.ckpt-3']
        names += ['../../beside/precious', '../beside', 'link/precious', 'link/model.ckpt-3', str(beside)]
        self.strange = [str(name) for name in names]
        self.prepare()

    def prepare(self) -> None:
        """Makes what all mutations start from."""

    def spoil(self) -> None:
        """Writes a broken file."""

    def use(self) -> None:
        """Does what a user would do with it; raises a LabError or nothing."""

    def text(self, value: Any) -> bytes:
        """Returns the broken JSON of a value."""
        if self.rng.random() < 0.3:
            return mutate(json.dumps(value).encode(), self.rng)
        return mutate_json(value, self.rng, self.strange).encode('utf-8', 'surrogatepass')


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    writer = TarWriter(path, 2**16)
    for name, data in files.items():
        writer.add(name, data)
    writer.finish()


def quiet(line: str) -> None:
    """Shows nothing."""
