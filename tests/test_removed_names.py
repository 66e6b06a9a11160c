"""The tool that lists what a newer TensorFlow lacks, on made-up packages."""

import pytest

from tests.places import ROOT, load_script


def site(folder, modules, names):
    for module in modules:
        path = folder / 'tensorflow' / (module.replace('.', '/') + '.py')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')
    api = folder / 'tensorflow' / '_api' / 'v2' / 'train'
    api.mkdir(parents=True)
    (api / '__init__.py').write_text(
        ''.join(f'from tensorflow.python import x as {name}\n' for name in names)
    )
    return str(folder)


def test_what_is_missing_and_what_we_give_for_it(tmp_path, capsys):
    gone = ['python.training.training_ops', 'python.estimator.canned.dnn', 'python.new_loss', 'lite.aside']
    old = site(tmp_path / 'old', ['python.kept', 'keras.layers', *gone], ['Saver', 'Gone'])
    new = site(tmp_path / 'new', ['python.kept', 'python.added'], ['Saver', 'Added'])
    assert load_script(ROOT / 'tools/removed_names.py').main([old, new]) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        [
            'module',
            'tensorflow.python.estimator.canned.dnn',
            'tensorflow_estimator.python.estimator.canned.dnn',
        ],
        ['module', 'tensorflow.python.new_loss', 'MISSING'],
        ['module', 'tensorflow.python.training.training_ops', 'tensorflow.python.ops.gen_training_ops'],
        ['name', 'tf.train.Gone', 'MISSING'],
        ['2', 'missing'],
    ]
    assert load_script(ROOT / 'tools/removed_names.py').main([old, old]) == 0


def test_a_folder_without_tensorflow_is_refused(tmp_path):
    with pytest.raises(SystemExit, match='has no folder tensorflow'):
        load_script(ROOT / 'tools/removed_names.py').main([str(tmp_path), str(tmp_path)])
