"""Trees from the command line's point of view: trained, resumed, predicted, inspected; and bad input."""

import csv
import gzip
import json
import shutil

import numpy as np
import pytest

from estimator_lab import evaluate, inspect, predict
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.demo_sets.listops import write_listops
from estimator_lab.data.trees.parse import MAX_NODES
from estimator_lab.inference import inspection
from estimator_lab.inference.exporting import export
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.models.recursive import model as recursive
from estimator_lab.runs.trained import Trained
from estimator_lab.training.settings import TrainSettings
from tests.support.archive_files import encoded, picture, small_archive
from tests.support.commands import invoke
from tests.support.exports import assert_same, of_saved_model
from tests.support.small_runs import cnn_settings, opened, stopped_at, summaries_in, trained, values_in

pytestmark = pytest.mark.trains

# The rate of a schedule would depend on where a run is to end.
SMALL = 'units=6,embedding_units=5,learning_rate_schedule=constant'
STEPS = 6


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The files of a small ListOps, and a tar of the first of them."""
    folder = tmp_path_factory.mktemp('trees')
    return write_listops(folder, train=60, test=20)


def settings(trees, model_dir, **changes):
    given = {'model': 'recursive', 'hparams': SMALL, 'image_size': TrainSettings.image_size, 'batch_size': 8}
    steps = {'max_steps': STEPS, 'save_checkpoints_steps': 3}
    return cnn_settings(
        trees.train, model_dir, **{**given, **steps, 'eval_data': [str(trees.test)], **changes}
    )


@pytest.fixture(scope='module')
def model_dir(data, tmp_path_factory):
    """The model_dir of six steps."""
    folder = tmp_path_factory.mktemp('trained') / 'model'
    result, said = trained(settings(data, folder))
    assert any(line.startswith('evaluated at step 3: ') and line.endswith('over 20 trees') for line in said)
    assert result.step == STEPS and 0 <= result.metrics['accuracy'] <= 1
    return folder


@pytest.mark.slow
def test_a_folder_holds_its_tokens_and_opens_again(model_dir):
    tokens = (model_dir / 'tokens.txt').read_text().split()
    assert {'[MAX', '[MIN', '[MED', '[SM', ']', *'0123456789'} == set(tokens)
    found = Trained.open(model_dir)
    assert found.record.kind == 'tree' and found.params.tokens == tuple(tokens)
    assert not {'tokens', 'vocabulary'} & set(found.record.hparams)


@pytest.mark.slow
def test_a_run_that_stopped_goes_on_exactly(data, model_dir, tmp_path):
    """From a text, shuffled, with dropout: the run that did not stop."""
    parts = stopped_at(3, model_dir, tmp_path / 'parts')
    trained(settings(data, parts))
    one, other = values_in(model_dir), values_in(parts)
    assert one.keys() == other.keys()
    for name in one:  # sums of several threads may differ in their last bits
        assert np.allclose(one[name], other[name], rtol=1e-4, atol=1e-6), name


def test_what_tensorboard_shows(model_dir):
    assert 'images/tree_1/image' in summaries_in(model_dir / 'eval')
    assert (model_dir / 'eval' / 'tokens.tsv').exists()
    assert (model_dir / 'eval' / 'tokens_metadata.tsv').read_text().splitlines()[0] == '<unknown>'


def test_predict_gives_a_row_a_tree(model_dir, tmp_path, capsys):
    path = tmp_path / 'new.txt'
    path.write_bytes(b'( ( ( [MAX 2 ) 9 ) ] )\n\n( ( broken\n5\n( \xff )\n')
    status = invoke(predict, f'--model_dir={model_dir}', '--format=jsonl', str(path))
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and '2 of 4 trees could not be decoded' in err
    assert [row['key'].rpartition(':')[2] for row in rows] == [f'line_{n}.tree' for n in (1, 3, 4, 5)]
    assert ['problem' in row for row in rows] == [False, True, False, True]
    assert rows[0]['label'] in '0123456789' and 0 < rows[0]['probability'] <= 1


@pytest.mark.slow
def test_evaluate_and_inspect(model_dir, data, tmp_path, capsys):
    copy = shutil.copytree(model_dir, tmp_path / 'model')
    assert invoke(evaluate, f'--model_dir={copy}', f'--data={data.test}', f'--out={tmp_path / "out"}') == 0
    assert 'on 20 trees after 6 steps' in capsys.readouterr().out
    assert (tmp_path / 'out' / 'worst.csv').exists() and not (tmp_path / 'out' / 'worst.png').exists()
    assert invoke(inspect, f'--model_dir={copy}', '--tree=( ( ( [MAX 2 ) 9 ) ] )') == 0
    out = capsys.readouterr().out
    assert 'tree.png' in out and list((copy / 'inspect').rglob('tree.png'))


def test_inspect_draws_the_words_that_the_network_does_not_know(model_dir, monkeypatch):
    monkeypatch.setattr(recursive, 'tree_picture', lambda tokens, *_: tokens)
    _, pictures = inspection.inspect_tree(Trained.open(model_dir), b'( ( [max zzz ) 9 )')
    assert list(pictures['tree']) == ['[max', 'zzz', '', '9', '']


def test_images_in_the_place_of_trees(model_dir, tmp_path, capsys):
    (tmp_path / 'a.png').write_bytes(encoded(picture(1)))
    assert invoke(predict, f'--model_dir={model_dir}', str(tmp_path / 'a.png')) == 1
    assert 'holds images, but --model_dir=' in (err := capsys.readouterr().err) and 'accepts trees' in err


def test_an_export_accepts_the_numbers_of_tokens(model_dir, tmp_path):
    trained = Trained.open(model_dir)
    saved = export(trained, ExportSettings(out=tmp_path))
    name = 'numbers:serving_default'
    trees = {
        'token': [[1, 2, -1, 3, -1], [2, 0, -1, -1, -1]],
        'left': [[-1, -1, 0, -1, 2], [-1, -1, 0, -1, -1]],
        'level': [[0, 0, 1, 0, 2], [0, 0, 1, -1, -1]],
    }
    given = {key: np.array(rows, np.int32) for key, rows in trees.items()}
    wanted = of_saved_model(saved, name, given)
    assert np.ptp(wanted['probabilities'], axis=0).max() > 1e-4
    tokens = (model_dir / 'tokens.txt').read_text().split()
    texts = [['' if n < 0 else tokens[n - 1] if n else '?' for n in row] for row in trees['token']]
    assert_same(of_saved_model(saved, 'serving_default', {**given, 'token': np.array(texts, object)}), wanted)


def test_images_become_quadtrees(tmp_path):
    given = {'model': 'recursive', 'hparams': SMALL}
    plan, _ = opened(cnn_settings(small_archive(tmp_path), tmp_path / 'model', **given))
    assert plan.stages[-1].record.kind == 'image' and not plan.params.tokens and not plan.companions


def doubled(tree, times):
    return tree if not times else doubled(b'( %b %b )' % (tree, tree), times - 1)


BAD = {
    b'1\t' + doubled(b'a', 19): f'it has more than the {MAX_NODES} nodes allowed for one tree',  # 1,048,575
    b'1\t( ( [MAX 2 )': "1 ')' missing at the end: brackets do not match",
    b'1\t( a b ) ( a b )': "the tree ends before '(': brackets do not match",
    b'1\t( )': 'it has an empty tree: nothing between a bracket and the next',
    b'1\t( \xff 2 )': 'it is not UTF-8 at its byte 4',
    b'1\t' + b'( ' * 10_001 + b'a' + b' b )' * 10_001: 'it is deeper than the 10000 levels allowed',
}


@pytest.mark.slow
def test_bad_lines_are_counted_listed_and_skipped(data, tmp_path):
    path, folder = tmp_path / 'some.tsv.gz', tmp_path / 'model'
    good = data.train.read_bytes().splitlines()[:20]
    path.write_bytes(gzip.compress(b'\n'.join([*good, *BAD])))
    broken = settings(data, folder, data=[str(path)], max_steps=4, batch_size=7, max_bad_fraction=0.5)
    result, said = trained(broken)
    assert result.step == 4 and result.bad_images >= len(BAD)
    assert any(f"Skipped a bad tree: {str(path)!r}: member '1/line_2" in line for line in said)
    with (folder / 'bad_members.csv').open(newline='') as file:
        rows = {row['member']: row for row in csv.DictReader(file)}
    for number, reason in enumerate(BAD.values(), 21):
        row = rows.pop(f'1/line_{number}.tree')
        assert (row['archive'], row['reason']) == (str(path), reason) and int(row['offset']) > 0
    assert not rows


def test_data_of_another_kind_or_without_labels(data, tmp_path):
    archive, one, plain = str(small_archive(tmp_path)), tmp_path / 'one.tsv', tmp_path / 'plain.txt'
    one.write_text('1\t( ( [MAX 2 ) 3\n' * 9)
    plain.write_text('( a b )\n( b a )\n')
    trees, only_images = [str(data.train)], {'data': [archive], 'eval_data': []}
    for kind, words, changes in (
        (DataError, 'trees, but model=cnn takes images', {'model': 'cnn', 'data': trees, 'hparams': ''}),
        (DataError, 'holds images, but model=recursive takes trees', {'eval_data': [archive]}),
        (FlagError, 'image_size is for images, but model=recursive takes trees', {'image_size': 32}),
        (FlagError, 'tokens is for trees, but model=recursive', {**only_images, 'tokens': 'tokens.txt'}),
        (DataError, "'line_1.tree' at byte 0 has no label: its line has none", {'data': [str(plain)]}),
        (DataError, "one class only, '1': .* A tree's label is at its root, or in f", {'data': [str(one)]}),
    ):
        with pytest.raises(kind, match=words):
            opened(settings(data, tmp_path / 'model', **changes))


def test_a_folder_keeps_its_kind_and_its_tokens(data, model_dir, tmp_path, capsys):
    copy = shutil.copytree(model_dir, tmp_path / 'model')
    archive = str(small_archive(tmp_path))
    with pytest.raises(FlagError, match='was trained on trees, but data holds images'):
        opened(settings(data, copy, data=[archive], eval_data=[], split='0.5'))
    (copy / 'tokens.txt').write_text('a\na\n')
    with pytest.raises(DataError, match=r"tokens.txt cannot be read as a vocabulary .* holds 'a' twice"):
        Trained.open(copy)
    (copy / 'tokens.txt').write_text('a\nb\n')
    capsys.readouterr()
    assert invoke(inspect, f'--model_dir={copy}', '--tree=( a b )') == 1
    assert 'do not match: tree/embedding is' in capsys.readouterr().err


@pytest.mark.slow
def test_a_warm_start_takes_vectors_of_the_same_tokens_only(data, model_dir, tmp_path):
    def beginning(**changes):
        run = settings(data, tmp_path / 'model', warm_start=model_dir, **changes)
        return opened(run)[0].warm_start

    assert 'tree/embedding' in beginning().taken and not beginning().new
    tokens = tmp_path / 'tokens.txt'
    tokens.write_text(''.join(sorted((model_dir / 'tokens.txt').read_text().splitlines(keepends=True))))
    other = beginning(tokens=tokens)
    assert other.new == ('tree/embedding',) and 'tree/node/kernel' in other.taken
