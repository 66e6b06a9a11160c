import dataclasses
import tarfile

import numpy as np
import pytest
from PIL import Image

from estimator_lab import dream
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.images.decode import decode_image
from estimator_lab.inference.run import Run
from estimator_lab.inference.samples import first_images, sample
from estimator_lab.inference.settings import DreamSettings
from estimator_lab.models import dbn, rbm
from estimator_lab.models.boltzmann import samples as samples_module
from estimator_lab.models.boltzmann.samples import GibbsChains, gibbs_samples, top_machine
from estimator_lab.runs.weights.checkpoint import HeldCheckpoint
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.commands import invoke
from tests.support.small_runs import train
from tests.support.streams import stream_members

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """The model_dirs of small models, by name."""
    root = tmp_path_factory.mktemp('dreams')
    archive = str(write_tar(root / 'a.tar', [(f'n{i % 3}/{i}.png', encoded(picture(i))) for i in range(12)]))
    for model, hparams, steps in (
        ('rbm', 'hidden_units=36,stretch=false', 2),
        ('dbn', 'layers=5-4,pretrain_epochs=0.5', 3),
    ):
        more = {'data': [archive], 'model_dir': root / model, 'max_steps': steps, 'image_size': 6}
        train(root, model, hparams, **more)
    return root


def machine(model_dir):
    return top_machine(Run.open(model_dir))


def samples(trained, count, steps, seed=1, begin=None):
    stack_of = {'rbm': rbm.stack_of, 'dbn': dbn.stack_of}[trained.model]
    parts = gibbs_samples(stack_of, trained, GibbsChains(count, steps, seed, begin))
    return np.concatenate([images for images, _ in parts])


@pytest.mark.slow
def test_samples_of_an_rbm(folders):
    images, again, other = (samples(machine(folders / 'rbm'), 5, steps=3, seed=seed) for seed in (1, 1, 2))
    assert images.shape == (5, 6, 6, 1)
    assert images.min() >= 0 and images.max() <= 1
    assert np.array_equal(images, again) and not np.array_equal(images, other)


def test_samples_of_a_belief_network_are_those_of_its_top_machine(folders):
    trained = machine(folders / 'dbn')
    assert trained.params.phase == 'pretrain_2'
    assert samples(trained, count=4, steps=2, seed=1).shape == (4, 6, 6, 1)


def test_a_network_without_machines_does_not_dream(folders):
    run = Run.open(folders / 'dbn')
    run = dataclasses.replace(run, params=dataclasses.replace(run.params, pretrain_epochs=0.0))
    with pytest.raises(FlagError, match='does not dream: model=rbm does'):
        sample(run, DreamSettings())


def copier(trained, folder, chains=None):
    """A machine whose hidden unit i copies pixel i: it leaves images of black and white as they are."""
    with tf.Graph().as_default(), tf.Session() as session:
        stack = rbm.stack_of(trained.params)
        (machine,) = stack.machines
        copying = {
            machine.weights: 40 * np.eye(36),
            machine.hidden_bias: np.full(36, -20),
            machine.visible_bias: np.full(36, -20),
        }
        session.run([tf.assign(variable, value) for variable, value in copying.items()])
        saved = list(copying)
        if chains is not None:
            saved.append(tf.get_variable('chains', initializer=chains, trainable=False))
            session.run(saved[-1].initializer)
        checkpoint = tf.train.Saver(saved).save(session, str(folder / 'copying'))
    return dataclasses.replace(trained, held=HeldCheckpoint(checkpoint))


def black_and_white(count):
    return np.random.default_rng(1).integers(0, 2, (count, 6, 6, 1)).astype(np.float32)


def test_chains_begin_at_images(folders, tmp_path):
    trained = copier(machine(folders / 'rbm'), tmp_path)
    begin = black_and_white(12)
    images = samples(trained, 12, 3, 1, begin)
    assert images == pytest.approx(begin, abs=1e-6)


def test_without_images_chains_begin_at_those_of_training(folders, tmp_path, monkeypatch):
    chains = black_and_white(4)
    trained = copier(machine(folders / 'rbm'), tmp_path, chains.reshape(4, 36))
    trained = dataclasses.replace(trained, params=dataclasses.replace(trained.params, chains=4))
    images = samples(trained, 8, 3, 1)
    order = [int(np.argmin(np.abs(chains - image).sum((1, 2, 3)))) for image in images]
    assert images == pytest.approx(chains[order], abs=1e-6)
    assert sorted(order[:4]) == [0, 1, 2, 3] and order[4:] == order[:4], 'each once before any repeats'
    monkeypatch.setattr(samples_module, 'AT_ONCE', 3)
    assert samples(trained, 8, 3, 1) == pytest.approx(images, abs=1e-6)
    text = sample(trained, DreamSettings(count=4)).text()
    assert text == 'Samples of rbm after 50 Gibbs steps'
    assert 'after 7 Gibbs' in sample(trained, DreamSettings(steps=7)).text()
    assert 'after 1,000 Gibbs' in sample(copier(trained, tmp_path), DreamSettings()).text()


def test_the_first_images_of_archives(folders):
    archive = str(folders / 'a.tar')
    begin = first_images(machine(folders / 'rbm'), [archive], 12)
    expected = [to_unit_range(decode_image(member.data, 6, 6)) for member in stream_members(archive)]
    assert begin == pytest.approx(np.stack(expected))
    with pytest.raises(DataError, match=r'has 12 images, fewer than count=13'):
        first_images(machine(folders / 'rbm'), [archive], 13)


def test_chains_begin_at_images_of_whole_archives(folders, tmp_path):
    trained, damaged, trees = machine(folders / 'rbm'), tmp_path / 'a.tar', tmp_path / 'trees.tsv'
    damaged.write_bytes((folders / 'a.tar').read_bytes()[:5000])
    with pytest.raises(DataError, match='is cut off at byte') as raised:
        first_images(trained, [str(damaged)], 1)
    assert 'use_damaged' not in str(raised.value), 'which is a flag of other commands'
    trees.write_text('1\t( a b )\n0\t( b a )\n')
    with pytest.raises(DataError, match=r"trees\.tsv' holds trees, but model_dir=\S+ accepts images"):
        first_images(trained, [str(trees)], 1)


def test_many_samples_are_made_in_batches(folders, monkeypatch):
    trained = machine(folders / 'rbm')
    # Each part has noise of its own: without it, equal beginnings would have equal ends.
    begin = np.repeat(first_images(trained, [str(folders / 'a.tar')], 1), 5, axis=0)
    monkeypatch.setattr(samples_module, 'AT_ONCE', 2)
    drawn = gibbs_samples(rbm.stack_of, trained, GibbsChains(5, 2, 1, begin))
    first, second, last = (part for part, _ in drawn)
    assert [len(part) for part in (first, second, last)] == [2, 2, 1]
    assert not np.array_equal(first[0], second[0])


def test_the_command(folders, tmp_path, capsys):
    archive, drawn = tmp_path / 'dreams.tar', tmp_path / 'dreams.png'
    dbn, rbm = (f'--model_dir={folders / name}' for name in ('dbn', 'rbm'))
    assert invoke(dream, dbn, '--count=7', '--steps=1', f'--out={archive}') == 0
    with tarfile.open(archive) as tar:
        assert tar.getnames()[:2] == ['samples/000000.png', 'samples/000001.png'] and len(tar.getnames()) == 7
    assert invoke(dream, rbm, '--count=9', '--steps=2', f'--out={drawn}') == 0
    assert Image.open(drawn).size[1] > 96  # two rows of eight
    assert capsys.readouterr().err == ''
    assert invoke(dream, rbm, '--label=n0') == 2
    assert '--label=n0 needs a model with classes: --model=dbn.' in capsys.readouterr().err
    assert invoke(dream, dbn, '--label=n9') == 2
    assert '--label=n9 is unknown to the model' in capsys.readouterr().err
    assert invoke(dream, dbn, '--label=n1', '--count=2', '--steps=10', f'--out={archive}') == 0
    assert ', n1, after 10 Gibbs steps' in capsys.readouterr().out
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ['n1/000000.png', 'n1/000001.png']
    assert invoke(dream, rbm, '--count=4097', f'--out={drawn}') == 2
    assert '--count=4097 is more than the 4096 samples of one picture' in capsys.readouterr().err


def test_chains_of_a_class_are_chosen_by_its_probability(folders, tmp_path):
    """The machine copies what it sees, so that only the choice can change the chains."""
    trained, begin = copier(machine(folders / 'rbm'), tmp_path), black_and_white(12)

    def weigh(images):
        return -np.abs(images - begin[7]).sum(axis=(1, 2, 3))

    drawn = gibbs_samples(rbm.stack_of, trained, GibbsChains(130, 20, 1, begin, weigh))
    chosen = [batch for batch, _ in drawn]
    assert [len(batch) for batch in chosen] == [128, 2]
    assert chosen[0] == pytest.approx(np.broadcast_to(begin[7], (128, 6, 6, 1)), abs=1e-6)


def test_a_class_of_a_belief_network_is_sampled_or_an_image_is_changed_towards_it(folders):
    run = Run.open(folders / 'dbn')
    found = run.sample(3, label=run.labels[1], steps=10)
    assert found.images.shape == (3, 6, 6, 1) and found.labels == [run.labels[1]] * 3
    assert len(found) == 3 and 'data:image/png' in found._repr_html_()
    with pytest.raises(FlagError, match='truncation has no meaning for samples of model=dbn'):
        run.sample(3, truncation=0.5)
    with pytest.raises(FlagError, match='label=x is unknown to the model'):
        run.sample(3, label='x')
    assert run.dream(label=run.labels[0], layer='logits', steps=2).size == (6, 6)
