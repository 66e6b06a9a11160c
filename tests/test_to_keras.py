"""The command that writes Keras models: its arguments; tests/porting/canned has the models."""

import pytest

from estimator_lab import to_keras


@pytest.mark.parametrize(
    ('arguments', 'status', 'sentence'),
    [
        ([], 2, 'MODEL OUT.keras is missing'),
        (['model'], 2, 'Two arguments are needed'),
        (['model', 'out.h5'], 2, 'out.h5 is not a name for a Keras model: end it in .keras.'),
        (['FOLDER/none', 'out.keras'], 1, 'is neither a SavedModel nor a checkpoint'),
        (['FOLDER/damaged', 'out.keras'], 1, 'cannot be read'),
        (['FOLDER/text', 'out.keras'], 1, 'is neither a SavedModel nor a checkpoint'),
        (['FOLDER/bare.index', 'out.keras'], 1, 'graph.pbtxt is missing'),
    ],
)
@pytest.mark.once
def test_mistakes_are_one_sentence(tmp_path, run_command, arguments, status, sentence):
    pytest.importorskip('keras', minversion='3')
    (tmp_path / 'damaged').mkdir()
    (tmp_path / 'damaged' / 'saved_model.pb').write_bytes(b'\xff' * 40)
    (tmp_path / 'text').write_text('hello')
    for name in ('bare.index', 'bare.data-00000-of-00001'):
        (tmp_path / name).write_bytes(b'')
    found, _, err = run_command(to_keras, *(each.replace('FOLDER', str(tmp_path)) for each in arguments))
    last = err.splitlines()[-1]
    assert found == status and last.startswith('error: ') and sentence in last
