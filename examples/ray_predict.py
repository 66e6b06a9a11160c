"""Predicts with Ray Data, archive by archive.

    python examples/ray_predict.py MODEL_DIR OUT shards/*.tar

Each worker opens the run once. All must see MODEL_DIR, OUT and the archives under the same paths.
"""

import sys
from typing import Any

import ray


class Predictor:
    """The run, opened once in each worker."""

    def __init__(self, model_dir: str) -> None:
        from estimator_lab import api

        self.run = api.load(model_dir)

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns a row for each image of an archive."""
        names = 'key', 'label', 'probability'
        return [{name: found[name] for name in names} for found in self.run.predict(row['item'])]


if __name__ == '__main__':
    ray.init(runtime_env={'env_vars': {'TF_USE_LEGACY_KERAS': '1'}})
    model_dir, out, *archives = sys.argv[1:]
    rows = ray.data.from_items(archives).flat_map(Predictor, fn_constructor_args=(model_dir,), concurrency=2)
    rows.write_csv(out)
