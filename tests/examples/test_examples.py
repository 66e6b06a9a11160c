"""The examples run, print the figures of the notes, and read the same pixels as the package."""

import ast
import contextlib
import importlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab.api import DemoPaths
from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.input_fns import Epochs, archive_input_fn
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.places import GOLDEN, ROOT, load_script
from tests.support.streams import stream_members

pytestmark = [pytest.mark.both, pytest.mark.trains]


@pytest.fixture
def example(monkeypatch):
    """Imports an example by its name, with the folder of examples on the path, as for a script.

    Some examples turn off TensorFlow 2's behaviour for their process; it is turned on again for later tests.
    """
    monkeypatch.syspath_prepend(str(ROOT / 'examples'))
    yield importlib.import_module
    tf.reset_default_graph()
    tf.enable_v2_behavior()


@pytest.fixture
def golden_inputs():
    return load_script(GOLDEN / 'inputs.py')


EXAMPLES = {path.stem: path for path in (ROOT / 'examples').glob('*.py')}
HELPER = 'built_in_data'


@pytest.mark.parametrize('name', sorted(EXAMPLES.keys() - {HELPER}))
def test_an_example_can_be_copied_alone(name):
    """It imports no other but the helper, which precedes what loads TensorFlow, so that nothing is logged."""
    nodes = ast.parse(EXAMPLES[name].read_text()).body
    imported = [node for node in nodes if isinstance(node, ast.Import)]
    lines = {alias.name: node.lineno for node in imported for alias in node.names}
    lines |= {node.module: node.lineno for node in nodes if isinstance(node, ast.ImportFrom)}
    assert lines.keys() & EXAMPLES.keys() <= {HELPER}
    if 'estimator_lab.tf1' in lines:
        assert lines[HELPER] < lines['estimator_lab.tf1']


@pytest.mark.slow
def test_loading_tensorflow_prints_one_line(run_python):
    code = f'import sys; sys.path.insert(0, {str(ROOT / "examples")!r}); import cnn_three_modes'
    done = run_python('-c', code)
    assert (done.stdout, done.stderr) == ('loading TensorFlow\n', '')


def run(fetches):
    with tf.Session() as session:
        while True:
            try:
                yield session.run(fetches)
            except tf.errors.OutOfRangeError:
                return


def test_the_model_function_gives_the_figures_of_tensorflow_1_15(example, golden_inputs, session):
    assert np.array_equal(example('cnn_model_fn').striped_picture(), golden_inputs.image())
    figures = json.loads((GOLDEN / 'document_cnn_tf115.json').read_text())
    tf.train.create_global_step()
    # In mode EVAL, so that no units are dropped; its train_op is there all the same.
    spec = example('cnn_model_fn').cnn_model_fn(tf.constant(golden_inputs.image()), None, 'eval')
    logits = tf.get_default_graph().get_tensor_by_name('dense_1/BiasAdd:0')
    variables = tf.trainable_variables()
    found = [[v.op.name, v.shape.as_list(), v.dtype.base_dtype.name] for v in variables]
    assert found == figures['variables']
    assert [v.op.name for v in tf.global_variables()] == figures['global_variables']
    session.run(tf.global_variables_initializer())
    for variable in variables:
        variable.load(golden_inputs.weights(variable.op.name, variable.shape.as_list()), session)
    assert np.allclose(session.run(logits), figures['logits'], rtol=0, atol=1e-5)
    losses = [session.run([spec.loss, spec.train_op])[0] for _ in range(5)]
    assert np.allclose(losses, figures['losses'], rtol=0, atol=1e-5)
    assert np.allclose(session.run(logits), figures['logits_after_5'], rtol=0, atol=1e-5)


def test_the_generator_gives_the_pixels_of_archive_input_fn(example, archive, graph):
    ours = list(example('stream_tar_dataset').stream_tar_dataset(archive))
    vocabulary = Vocabulary(('n000000', 'n000001', 'n000002', 'n000003'))
    order = open_archives([str(archive)], IMAGES).order()
    pixels = ImageReader(ImageOptions(ImageShape(128, 128)))
    dataset = archive_input_fn(Epochs(order, 24), pixels, InputReport(IMAGES), vocabulary)()
    ((features, ids),) = run(dataset.make_one_shot_iterator().get_next())
    assert {len(one) for one in ours} == {16384 + 1}
    pixels = np.array([one[:-1] for one in ours], np.float32)
    assert pixels.max() > 1
    assert np.array_equal(pixels / 255, features['image'].reshape(24, -1))
    assert [one[-1] for one in ours] == [vocabulary.labels[id_] for id_ in ids]


def test_the_generator_skips_what_is_no_image(example, archive, capsys):
    image = encoded(picture(1))
    more = {'notes.txt': b'no image', 'half.png': image[: len(image) // 2], 'whole.png': image}
    members = [(f'train/n000004/{name}', data) for name, data in more.items()]
    write_tar(archive, [('README', b'no image, and of no person'), *members], 'a')
    people = [one[-1] for one in example('stream_tar_dataset').stream_tar_dataset(archive)]
    assert people[24:] == ['n000004']
    lines = [line.split(':')[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [f'skipped train/n000004/{name}' for name in ('notes.txt', 'half.png')]


def test_cnn_three_modes(example, archive, monkeypatch, capsys):
    module = example('cnn_three_modes')
    monkeypatch.setattr(module, 'SIDE', 16)
    metrics = module.main(DemoPaths(archive, archive), steps=150, every=8)
    assert metrics['global_step'] == 150 and metrics['accuracy'] > 0.5  # chance is 0.25
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split()[0].split('/')[1] for line in lines] == ['n000000', 'n000001', 'n000002']
    assert all(re.fullmatch(r'\S+\.png +n00000\d   probability [01]\.\d{3}', line) for line in lines)


@pytest.mark.slow
def test_dbn_three_modes(example, archive, monkeypatch, capsys):
    module = example('dbn_three_modes')
    monkeypatch.setattr(module, 'SIDE', 8)
    monkeypatch.setattr(module, 'UNITS', (60, 60))
    metrics = module.main(DemoPaths(archive, archive), steps=250, every=8)
    assert metrics['global_step'] == 250 and metrics['accuracy'] > 0.6  # chance is 0.25
    phases = [line.split()[2] for line in capsys.readouterr().out.splitlines() if line.startswith('phase')]
    assert phases == ['global_step', 'global_step', 'accuracy']


@pytest.mark.slow
def test_autoencoder_three_modes(example, archive, monkeypatch, capsys):
    module = example('autoencoder_three_modes')
    monkeypatch.setattr(module, 'SIDE', 8)
    metrics = module.main(DemoPaths(archive, archive), steps=150, every=8)
    assert metrics['rmse'] < 0.8 * metrics['rmse_of_mean']
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.slow
def test_cnn_model_fn_learns_to_say_1(example):
    losses = example('cnn_model_fn').main(steps=4)
    assert len(losses) == 4
    assert losses[-1] < losses[0]


def test_stream_tar_dataset_runs_as_a_command(archive, run_python):
    script = str(ROOT / 'examples' / 'stream_tar_dataset.py')
    done = run_python(script, f'--data={archive}')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.count('person n000000   16,384 pixels') == 3
    assert [len(line) for line in done.stdout.splitlines()[-32:]] == [64] * 32
    missing = run_python(script, '--data=missing.tar')
    assert missing.returncode == 2
    assert "file 'missing.tar' does not exist" in missing.stderr


def test_input_func_gen_trains_on_scalars(example, archive, monkeypatch, capsys):
    module = example('input_func_gen')
    monkeypatch.setattr(module, 'SIDE', 16)  # the notes' own 128 are tested in test_notes.py
    assert len(module.main(archive, steps=2)) == 2
    assert 'first example after' in capsys.readouterr().out


@pytest.mark.slow
def test_minibatch_input_fn(example, archive, capsys):
    metrics = example('minibatch_input_fn').main(DemoPaths(archive, archive), side=16, steps=2, batches=1)
    assert metrics['global_step'] == 2
    assert re.search(r'^mini-batches of 32: [\d,]+ images/s$', capsys.readouterr().out, re.MULTILINE)


def test_minibatches_are_whole_shuffled_and_without_end(example, archive, graph):
    module = example('minibatch_input_fn')
    dataset = module.training_input_fn(archive, 16)()
    # Closed within the graph: a session that outlives it leaves this process without eager execution.
    with contextlib.closing(run(dataset.make_one_shot_iterator().get_next())) as batches:
        (features, ids), _ = itertools.islice(batches, 2)
    assert features['image'].shape == (32, 16, 16, 1)
    assert len(set(features['key'][:24])) == 24
    assert ids[:24].tolist() != sorted(ids[:24])
    assert sorted(ids[:24]) == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6


def test_arrays_have_the_pixels_of_the_package(example, archive):
    images, ids, labels = example('built_in_data').load_arrays(archive)
    members = list(stream_members(archive))
    np.testing.assert_array_equal(
        images, to_unit_range(np.stack([decode_image(member.data, 32, 32) for member in members]))
    )
    assert images.dtype == np.float32
    assert [labels[id_] for id_ in ids] == [member.label for member in members]


@pytest.mark.slow
def test_numpy_input_fn(example, archive, capsys):
    metrics = example('numpy_input_fn').main(DemoPaths(archive, archive), epochs=2)
    assert metrics['global_step'] == 2  # 48 examples in batches of 32
    assert sum(line.startswith('n00000') for line in capsys.readouterr().out.splitlines()) == 4


@pytest.mark.slow
def test_premade_estimator(example, archive):
    accuracies = example('premade_estimator').main(DemoPaths(archive, archive), epochs=100)
    assert list(accuracies) == ['pre-made DNNClassifier', 'custom CNN']
    assert min(accuracies.values()) > 0.5  # on the images it was trained on, where chance is 0.25


@pytest.mark.slow
def test_gan_makes_images_of_noise(example, archive, tmp_path):
    out = tmp_path / 'fakes.png'
    fakes = example('gan').main(DemoPaths(archive, archive), steps=3, out=out)
    assert fakes.shape == (32, 32, 32, 1) and 0 <= fakes.min() < fakes.max() <= 1
    assert np.abs(fakes[0] - fakes[1]).max() > 0
    assert Image.open(out).size[0] > 8 * 96


@pytest.mark.slow
def test_all_second_order_optimizers_learn(example, archive):
    losses = example('second_order').main(DemoPaths(archive, archive), steps=5)
    assert list(losses) == ['Adam', 'L-BFGS', 'conjugate gradients', 'Hessian-free']
    adam = losses.pop('Adam')  # five steps may take it above chance, as the seed of the weights has it
    assert all(loss < 1.35 for loss in losses.values())  # log 4 = 1.386 is chance
    assert min(losses.values()) < adam


@pytest.mark.slow
def test_learning_rates_are_fed_and_one_that_learns_is_suggested(example, archive, capsys, monkeypatch):
    module = example('learning_rate')
    monkeypatch.setattr(module, 'HPARAMS', {'warmup_inputs': 0, 'layers': '8'})
    suggestion = module.main(DemoPaths(archive, archive), steps=60, model='mlp')
    assert 1e-6 < suggestion < 1
    out = capsys.readouterr().out
    assert 'learning rate  1.0e-06   loss    1.' in out and 'suggestion' in out.splitlines()[-1]


@pytest.mark.slow
def test_bring_your_own_runs_as_a_command(tmp_path, run_forked):
    script = str(ROOT / 'examples' / 'bring_your_own.py')
    done = run_forked(script, f'--model_dir={tmp_path}', '--max_steps=150')
    assert done.returncode == 0, done.stderr
    *steps, accuracy, auc, export = done.stdout.splitlines()
    assert [line.split('loss')[0].split() for line in steps] == [['step', '1'], ['step', '101']]
    assert float(accuracy.split()[1].rstrip('%')) > 75
    assert float(auc.split()[1]) > 0.85
    assert Path(export.split()[1], 'saved_model.pb').is_file()
