"""Parameters and defaults of what `contrib` implements itself, against those of TensorFlow 1.15.5."""

import inspect
import json

import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.contrib.sources import SOURCES
from tests.golden.awaiting import AWAITING
from tests.support.places import GOLDEN, load_script

pytestmark = pytest.mark.both

script = load_script(GOLDEN / 'remake_signatures.py')
GOLD = json.loads((GOLDEN / 'contrib_signatures_tf115.json').read_text())
NOT_IN_1_15 = {
    *(
        f'data.{name}'
        for name in ('Dataset', 'FixedLengthRecordDataset', 'TFRecordDataset', 'TextLineDataset')
    ),
    *('eager.Network', 'eager.list_devices'),
}
# What collects arguments by `*` and `**`, and whose arguments they are.
PASSED_ON = {
    'training.bucket_by_sequence_length': 'training.bucket',
    'learn.read_batch_examples': 'learn.read_keyed_batch_examples',
    'learn.read_batch_features': 'learn.read_keyed_batch_features',
}
_CHECKPOINT = 'tf.feature_column has no such setting there'
_UNUSED = 'no program of the recipes passes it; another call raises TypeError'
_SAME = 'None stands for the default of 1.15'
_CANNED = 'the class of tf.estimator names the default of 1.15, or makes it'
# path: {parameter: why it differs}
DIFFERENT = {
    'estimator.replicate_model_fn': {'loss_reduction': 'unused, as there is one device'},
    'layers.crossed_column': {'ckpt_to_load_from': _CHECKPOINT, 'tensor_name_in_ckpt': _CHECKPOINT},
    'layers.sparse_column_with_hash_bucket': {'hash_keys': _CHECKPOINT},
    'learn.DNNClassifier': {'optimizer': _CANNED},
    'learn.DNNRegressor': {'optimizer': _CANNED},
    'learn.LinearClassifier': {'optimizer': _CANNED},
    'learn.LinearRegressor': {'optimizer': _CANNED},
    'learn.DNNLinearCombinedClassifier': {'dnn_optimizer': _CANNED, 'linear_optimizer': _CANNED},
    'learn.DNNLinearCombinedRegressor': {'dnn_optimizer': _CANNED, 'linear_optimizer': _CANNED},
    'learn.Estimator': {'model_fn': 'without one, 1.15 raises an error', 'feature_engineering_fn': _UNUSED},
    'learn.Estimator.predict': {'iterate_batches': _UNUSED},
    'learn.Experiment.continuous_train_and_eval': {'continuous_eval_predicate_fn': _UNUSED},
    'learn.ModelFnOps.estimator_spec': {'default_serving_output_alternative_key': _UNUSED},
    'learn.RunConfig': {'save_checkpoints_secs': 'both stand for 600', 'save_checkpoints_steps': _SAME},
    'learn.python.learn.datasets.mnist.DataSet': {'fake_data': _UNUSED, 'one_hot': _UNUSED},
    'learn.python.learn.datasets.mnist.read_data_sets': {'source_url': 'nothing is downloaded'},
    'predictor.from_saved_model': dict.fromkeys(('signature_def', 'input_names', 'output_names'), _UNUSED),
    'seq2seq.AttentionWrapper': dict.fromkeys(('attention_layer', 'attention_fn', 'dtype'), _UNUSED),
    'seq2seq.BahdanauAttention': {'name': 'it names no variable'},
    'seq2seq.LuongAttention': {'name': 'it names no variable'},
    'seq2seq.TrainingHelper.sample': {'state': '1.15 collects it by **, unused'},
    'seq2seq.AttentionMechanism': {'num_units': 'an abstract class in 1.15', 'memory': 'likewise'},
    'seq2seq.sequence_loss': {'sum_over_timesteps': _UNUSED, 'sum_over_batch': _UNUSED},
    'tfprof.model_analyzer.print_model_analysis': {'tfprof_options': _SAME},
    'training.bucket_by_sequence_length': dict.fromkeys(
        ('which_bucket', 'num_buckets'), 'passed on from here'
    ),
    'training.parse_values': {'ignore_unknown': _UNUSED},
}


def ours(path):
    """Returns {method: {parameter: [default]}} of ours, with those of what it passes arguments to."""
    thing = script.find('tensorflow.contrib', path)
    found = script.signatures(thing)
    rest = [script.find('tensorflow.contrib', PASSED_ON[path])] if path in PASSED_ON else []
    if inspect.isclass(thing):
        rest += [each for each in thing.__mro__[1:] if '__init__' in vars(each)]
    for other in rest:
        if '**' in found['']:
            del found['']['**']
            found[''] = found[''] | {
                name: value for name, value in script.signatures(other)[''].items() if name not in found['']
            }
    return json.loads(json.dumps(found))


def differing(own, gold):
    """Returns the parameters that are missing, or not in 1.15 but required, or whose default differs."""
    stars = {'*', '**'}
    missing = set() if stars & set(own) else set(gold) - set(own) - stars
    added = {name for name in set(own) - set(gold) - stars if own[name] == []}
    return missing | added | {name for name in set(own) & set(gold) if own[name] != gold[name]}


@pytest.mark.parametrize('path', GOLD)
def test_parameters_and_defaults_are_those_of_1_15(path):
    for method, own in ours(path).items():
        gold = GOLD[path].get(method)
        if gold is not None:
            name = f'{path}.{method}'.rstrip('.')
            assert differing(own, gold) == DIFFERENT.get(name, {}).keys(), name


@pytest.mark.parametrize('path', GOLD)
def test_parameters_are_in_the_order_of_1_15(path):
    thing = script.find('tensorflow.contrib', path)
    function = thing.__init__ if inspect.isclass(thing) else thing
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    by_place = [one.name for one in inspect.signature(function).parameters.values() if one.kind in kinds]
    gold = [*GOLD[path]['']]
    shared = [name for name in by_place if name in gold]
    assert shared == [name for name in gold if name in shared]


def test_the_table_has_all_that_is_implemented_here():
    listed = {
        f'{package}.{name}'
        for package, sources in SOURCES.items()
        for source, names in sources.items()
        if source.startswith('estimator_lab.')
        for name in names
    }
    assert not AWAITING & GOLD.keys(), 'their figures are there'
    assert listed - NOT_IN_1_15 - AWAITING == {path for path in GOLD if path in listed}
    assert {path for path in DIFFERENT if path not in GOLD and path.rpartition('.')[0] not in GOLD} == set()
