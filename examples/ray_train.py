"""Trains on the workers of Ray, which share each step.

    python examples/ray_train.py DATA.tar FOLDER [WORKERS]

All workers must see DATA.tar and FOLDER under the same paths.
"""

import sys

import ray
from ray.train import ScalingConfig, get_context
from ray.train.tensorflow import TensorflowTrainer


def train(config: dict[str, str]) -> None:
    """Is run by each worker, whose part is in TF_CONFIG; the first worker saves and evaluates."""
    from estimator_lab import api

    data, folder = config['data'], config['folder']
    run = api.fit('mlp', data, model_dir=folder, image_size=28, max_steps=200, distribution='multi_worker')
    if get_context().get_world_rank() == 0:
        print(run.evaluate(data))


if __name__ == '__main__':
    ray.init(runtime_env={'env_vars': {'TF_USE_LEGACY_KERAS': '1'}})  # Ray imports Keras first
    data, folder, *workers = sys.argv[1:]
    scaling = ScalingConfig(num_workers=int(workers[0]) if workers else 2)
    trainer = TensorflowTrainer(
        train, train_loop_config={'data': data, 'folder': folder}, scaling_config=scaling
    )
    trainer.fit()
