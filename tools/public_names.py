"""The public names of the package; all others may change without notice.

    python tools/public_names.py

lists them. tools/site_pages.py makes the Python reference of them, and tests/test_public_names.py checks that
each is documented, and that docs and examples use no others.
"""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# By title, modules with their public names; () for a module that is imported for its effect.
TITLES: Mapping[str, Sequence[str]] = {
    'Programs and notebooks': ('estimator_lab.api',),
    'TensorFlow 1 and its Estimator': (
        *('estimator_lab.tf1', 'estimator_lab.contrib', 'estimator_lab.base.process'),
    ),
    'Optimizers': ('estimator_lab.optimizers',),
    'Model files': (),  # all others
}


def _all_of(module: str) -> tuple[str, ...]:
    """Returns `__all__` of a package, without importing it."""
    path = ROOT / module.replace('.', '/')
    file = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    for node in ast.parse(file.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            return tuple(ast.literal_eval(node.value))
    raise LookupError(f'{file} has no __all__')


PUBLIC: Mapping[str, tuple[str, ...]] = {
    'estimator_lab.api': _all_of('estimator_lab.api'),
    'estimator_lab.tf1': (
        'EstimatorSpec',
        'Features',
        'Mode',
        'Operation',
        'RunConfig',
        'SessionRunHook',
        'Tensor',
        'Variable',
        'VersionError',
        'prepare_process',
        'reused_evaluation_graph',
        'tf',
    ),
    'estimator_lab.contrib': (),
    'estimator_lab.optimizers': _all_of('estimator_lab.optimizers'),
    # What docs/adding_a_model.md uses and names.
    'estimator_lab.base.process': ('announce_import',),
    'estimator_lab.base.settings': ('setting',),
    'estimator_lab.base.keys': ('IMAGE', 'KEY', 'WEIGHT'),
    'estimator_lab.base.errors': ('DataError', 'FlagError', 'LabError'),
    'estimator_lab.core.abilities': (
        *('Drawing', 'Draws', 'Generates', 'HasCompanions', 'HasNetwork', 'HasPublishedWeights', 'Inspects'),
        'Paints',
    ),
    'estimator_lab.core.classifier': ('eval_spec', 'loss', 'predict_spec', 'train_spec'),
    'estimator_lab.core.endpoints': ('LOGITS', 'Layers', 'publish', 'publish_all'),
    'estimator_lab.core.layers': (
        'ActivationParams',
        'FastDense',
        'batch_norm',
        'class_logits',
        'dense',
        'network_pixels',
    ),
    'estimator_lab.core.model': (
        'Args',
        'Model',
        'Phase',
        'Task',
        'arguments',
        'prediction_spec',
    ),
    'estimator_lab.core.noise': ('Noise', 'dropout'),
    'estimator_lab.core.params': (
        'SIZES',
        'AnyOptimizer',
        'ClassifierParams',
        'TrainingParams',
        'centred_pixels',
        'share',
        'sizes',
        'structural',
    ),
    'estimator_lab.core.summaries': ('picture',),
    'estimator_lab.core.training': ('apply_gradients', 'counted', 'train_op'),
    'estimator_lab.models.recurrent.loop': ('CELLS',),
    'estimator_lab.core.registry': ('ModelEntry',),
}


def modules_of(title: str) -> list[str]:
    """Returns the modules under a title."""
    named = {module for modules in TITLES.values() for module in modules}
    return list(TITLES[title]) or [module for module in PUBLIC if module not in named]


def table() -> str:
    """Returns the list of public names in Markdown."""
    rows = ['| module | names |', '| --- | --- |']
    for title in TITLES:
        for module in modules_of(title):
            names = ', '.join(f'`{name}`' for name in PUBLIC[module]) or 'none: importing it is enough'
            rows.append(f'| `{module}` | {names} |')
    return '\n'.join(rows)


if __name__ == '__main__':
    print(table())
