"""``tf.contrib.learn.preprocessing``: texts to rows of word ids, with 1.15's vocabularies and files."""

import collections
import io
import pickle
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.tf1 import tf

_TOKENS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|['\w\-]+")
_Tokenizer = Callable[[Iterable[str]], Iterable[Iterable[Any]]]


def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """Yields the words of each text; an acronym and the parts of CamelCase are words of their own."""
    for text in iterator:
        yield _TOKENS.findall(text)


class CategoricalVocabulary:
    """Ids of categories, which are words or integers; 0 is the unknown category.

    Programs read `_mapping`, {category: id}, and `_reverse_mapping`, the list of categories, as 1.15 has no
    public name for them; files of 1.15 have these attributes too.
    """

    def __init__(self, unknown_token: str = '<UNK>', support_reverse: bool = True) -> None:
        self._unknown_token = unknown_token
        self._support_reverse = support_reverse
        self._freq: dict[Any, int] = collections.defaultdict(int)
        self._freeze = False
        self._clear()

    def _clear(self) -> None:
        self._mapping: dict[Any, int] = {}
        self._reverse_mapping: list[Any] = []
        self._append(self._unknown_token)

    def _append(self, category: Any) -> None:
        self._mapping[category] = len(self._mapping)
        if self._support_reverse:
            self._reverse_mapping.append(category)

    def __len__(self) -> int:
        """The number of categories, with the unknown one."""
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """Makes new categories unknown from now on; or no longer."""
        self._freeze = freeze

    def get(self, category: Any) -> int:
        """Returns the id of a category; a new one gets the next id, or 0 after `freeze`."""
        if category not in self._mapping:
            if self._freeze:
                return 0
            self._append(category)
        return self._mapping[category]

    def add(self, category: Any, count: int = 1) -> None:
        """Counts a category, and gives it an id."""
        if self.get(category):
            self._freq[category] += count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Keeps categories counted more than `min_frequency` times, and renews ids: the most frequent first.

        Equally frequent ones are ordered by alphabet. A positive `max_frequency` removes categories
        counted at least that often.
        """
        by_name = sorted(self._freq.items(), key=lambda item: (isinstance(item[0], str), item[0]))
        ordered = sorted(by_name, key=lambda item: item[1], reverse=True)
        self._clear()
        for category, count in ordered:
            if count > min_frequency and not 0 < max_frequency <= count:
                self._append(category)
        # As in 1.15: the counts of the most frequent, some of which `max_frequency` may have left out.
        self._freq = dict(ordered[: len(self._mapping) - 1])

    def reverse(self, class_id: int) -> Any:
        """Returns the category with an id.

        Raises:
          ValueError: if the vocabulary was made with `support_reverse=False`.
        """
        if not self._support_reverse:
            raise ValueError(
                "This vocabulary wasn't initialized with support_reverse to support reverse() function."
            )
        return self._reverse_mapping[class_id]


class VocabularyProcessor:
    """Turns texts into rows of word ids, cut at, or filled with zeros up to, `max_document_length`.

    `fit` keeps words that occur more than `min_frequency` times in its `vocabulary_`.
    """

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: CategoricalVocabulary | None = None,
        tokenizer_fn: _Tokenizer | None = None,
    ) -> None:
        self.max_document_length = max_document_length
        self.min_frequency = min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents: Iterable[str], unused_y: Any = None) -> 'VocabularyProcessor':
        """Learns the vocabulary of texts and freezes it; returns this object."""
        for tokens in self._tokenizer(raw_documents):
            for token in tokens:
                self.vocabulary_.add(token)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents: Iterable[str], unused_y: Any = None) -> Iterator[np.ndarray]:
        """Learns the vocabulary of texts; returns an iterator over their rows."""
        return self.fit(raw_documents).transform(raw_documents)

    def transform(self, raw_documents: Iterable[str]) -> Iterator[np.ndarray]:
        """Yields the row of each text, int64 [max_document_length]."""
        for tokens in self._tokenizer(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for place, token in zip(range(self.max_document_length), tokens, strict=False):
                row[place] = self.vocabulary_.get(token)
            yield row

    def reverse(self, documents: Iterable[Iterable[int]]) -> Iterator[str]:
        """Yields the text of each row, its words separated by spaces; the zeros at its end too."""
        for row in documents:
            yield ' '.join(self.vocabulary_.reverse(class_id) for class_id in row)

    def save(self, filename: str) -> None:
        """Writes this object to a file, as 1.15 does by `pickle`."""
        with tf.io.gfile.GFile(filename, 'wb') as file:
            file.write(pickle.dumps(self))

    @classmethod
    def restore(cls, filename: str) -> 'VocabularyProcessor':
        """Returns the object in a file of `save`, or of 1.15's; its tokenizer may be the main program's.

        Raises:
          ValueError: if the file has anything else.
        """
        with tf.io.gfile.GFile(filename, 'rb') as file:
            found = _Unpickler(file.read(), filename).load()
        if not isinstance(found, cls):
            raise ValueError(f'{filename} has no VocabularyProcessor.')
        if isinstance(found._tokenizer, _OfProgram):
            found._tokenizer = found._tokenizer.function()
        return found


class _OfProgram(NamedTuple):
    """The name of a function of the main program; not callable, so that no file can call it."""

    name: str

    def function(self) -> _Tokenizer:
        function = vars(sys.modules['__main__']).get(self.name)
        if not isinstance(function, FunctionType):
            raise ValueError(f'The tokenizer {self.name} is not a function of the program.')
        return function


_MODULE_OF_1 = 'tensorflow.contrib.learn.python.learn.preprocessing'
_RESTORED = {
    **{('collections', 'defaultdict'): collections.defaultdict, ('builtins', 'int'): int},
    **{(__name__, each.__name__): each for each in (tokenizer, CategoricalVocabulary, VocabularyProcessor)},
    (f'{_MODULE_OF_1}.text', 'tokenizer'): tokenizer,
    (f'{_MODULE_OF_1}.text', 'VocabularyProcessor'): VocabularyProcessor,
    (f'{_MODULE_OF_1}.categorical_vocabulary', 'CategoricalVocabulary'): CategoricalVocabulary,
}


class _Unpickler(pickle.Unpickler):
    """Reads vocabularies only, as a file could otherwise run any code."""

    def __init__(self, content: bytes, filename: str) -> None:
        super().__init__(io.BytesIO(content))
        self._filename = filename

    def find_class(self, module: str, name: str) -> Any:
        if found := _RESTORED.get((module, name)):
            return found
        if module == '__main__':
            return _OfProgram(name)
        raise ValueError(
            f'{self._filename} contains {module}.{name}, which is not part of a vocabulary. If you trust the '
            'file, read it with pickle.load.'
        )
