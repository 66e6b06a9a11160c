"""Files of VocabularyProcessor; the golden part `vocabularies` checks what it computes."""

import base64
import pickle

import pytest

from estimator_lab.contrib.preprocessing import CategoricalVocabulary, VocabularyProcessor

pytestmark = pytest.mark.both

# Written by TensorFlow 1.15.5 after `VocabularyProcessor(3, min_frequency=1).fit(['a b b', 'a b c'])`.
OF_TENSORFLOW_1 = base64.b64decode("""
gANjdGVuc29yZmxvdy5jb250cmliLmxlYXJuLnB5dGhvbi5sZWFybi5wcmVwcm9jZXNzaW5nLnRleHQKVm9jYWJ1bGFyeVBy
b2Nlc3NvcgpxACmBcQF9cQIoWBMAAABtYXhfZG9jdW1lbnRfbGVuZ3RocQNLA1gNAAAAbWluX2ZyZXF1ZW5jeXEESwFYCwAA
AHZvY2FidWxhcnlfcQVjdGVuc29yZmxvdy5jb250cmliLmxlYXJuLnB5dGhvbi5sZWFybi5wcmVwcm9jZXNzaW5nLmNhdGVn
b3JpY2FsX3ZvY2FidWxhcnkKQ2F0ZWdvcmljYWxWb2NhYnVsYXJ5CnEGKYFxB31xCChYDgAAAF91bmtub3duX3Rva2VucQlY
BQAAADxVTks+cQpYCAAAAF9tYXBwaW5ncQt9cQwoaApLAFgBAAAAYnENSwFYAQAAAGFxDksCdVgQAAAAX3N1cHBvcnRfcmV2
ZXJzZXEPiFgQAAAAX3JldmVyc2VfbWFwcGluZ3EQXXERKGgKaA1oDmVYBQAAAF9mcmVxcRJ9cRMoaA1LA2gOSwJ1WAcAAABf
ZnJlZXplcRSIdWJYCgAAAF90b2tlbml6ZXJxFWN0ZW5zb3JmbG93LmNvbnRyaWIubGVhcm4ucHl0aG9uLmxlYXJuLnByZXBy
b2Nlc3NpbmcudGV4dAp0b2tlbml6ZXIKcRZ1Yi4=
""")


def test_a_file_of_tensorflow_1_is_restored(tmp_path):
    (tmp_path / 'vocab').write_bytes(OF_TENSORFLOW_1)
    restored = VocabularyProcessor.restore(str(tmp_path / 'vocab'))
    assert [row.tolist() for row in restored.transform(['c b a', 'b'])] == [[0, 1, 2], [1, 0, 0]]
    assert list(restored.reverse([[2, 1]])) == ['a b'] and len(restored.vocabulary_) == 3


PROGRAM = """
import sys
from tensorflow.contrib import learn

def by_spaces(texts):
    return (text.split(' ') for text in texts)

processor = learn.preprocessing.VocabularyProcessor(3, tokenizer_fn=by_spaces)
processor.fit(['x-y z'])
processor.save(sys.argv[1])
again = learn.preprocessing.VocabularyProcessor.restore(sys.argv[1])
print([row.tolist() for row in again.transform(['z x-y'])])
del by_spaces
try:
    learn.preprocessing.VocabularyProcessor.restore(sys.argv[1])
except ValueError as error:
    print(error)
"""


def test_a_tokenizer_of_the_program(tmp_path, run_forked):
    (tmp_path / 'program.py').write_text(PROGRAM)
    done = run_forked('-m', 'estimator_lab.run', tmp_path / 'program.py', tmp_path / 'vocab')
    expected = ['[[2, 1, 0]]', 'The tokenizer by_spaces is not a function of the program.']
    assert done.stdout.splitlines() == expected, done.stderr


class Command:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def run_by_a_file(text):
    print(text)


run_by_a_file.__module__ = '__main__'


@pytest.mark.parametrize(
    ('content', 'error', 'message'),
    [
        (Command(print, 'run'), ValueError, 'contains builtins.print, which is not part of a vocabulary'),
        (CategoricalVocabulary(), ValueError, 'has no VocabularyProcessor'),
    ],
)
def test_other_files_are_refused_and_run_nothing(tmp_path, capsys, content, error, message):
    (tmp_path / 'vocab').write_bytes(pickle.dumps(content))
    with pytest.raises(error, match=message):
        VocabularyProcessor.restore(str(tmp_path / 'vocab'))
    assert not capsys.readouterr().out


def test_a_file_calls_no_function_of_the_program(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('__main__.run_by_a_file', run_by_a_file, raising=False)
    (tmp_path / 'vocab').write_bytes(pickle.dumps(Command(run_by_a_file, 'run')))
    with pytest.raises(TypeError, match='not callable'):
        VocabularyProcessor.restore(str(tmp_path / 'vocab'))
    assert not capsys.readouterr().out
