"""The vocabulary of tokens, and their numbers in a network."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import read_regular, whole_file

FILE = 'tokens.txt'
"""Name of the file of tokens in a model_dir."""
NUMBERS = 'numbers'
"""Receiver of an export whose tokens are numbers."""
UNKNOWN = 0
"""Number of all tokens that are not in the vocabulary."""
MOST = 1_000_000
"""Limit for the tokens of a vocabulary."""

_MOST_BYTES = 2**26
_RARE = 1  # occurrences of a token that is replaced by the unknown one
_NO_TOKEN = frozenset('()')


class Tokens:
    """A vocabulary.

    Args:
      texts: the tokens in the order of their numbers, which are 1, 2, ...
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The numbers by token."""
        return {text: number for number, text in enumerate(self.texts, 1)}

    def number(self, text: str) -> int:
        """Returns the number of a token, or else of its lower-case form, or else UNKNOWN."""
        return self.ids.get(text) or self.ids.get(text.lower(), UNKNOWN)


def frequent_tokens(trees: Iterable[Sequence[str]], most: int) -> Tokens:
    """Returns the most frequent tokens, without tokens that occur only once, if others occur more often."""
    counts: Counter[str] = Counter()
    for tokens in trees:
        counts.update(tokens)
        if len(counts) > 4 * MOST:  # limits the memory if a file has only new ones
            counts = Counter(dict(counts.most_common(MOST)))
    often = {token: count for token, count in counts.items() if count > _RARE} or dict(counts)
    ranked = sorted(often, key=lambda token: (-often[token], token))
    return Tokens(ranked[:most])


def read_tokens(path: Path, flag: str = '') -> Tokens:
    """Reads a text file of one token a line.

    Raises:
      DataError: it can't be read, or is not a vocabulary.
    """
    place = f'{flag}={path}' if flag else str(path)
    try:
        texts = read_regular(path, _MOST_BYTES).decode('utf-8-sig').split('\n')
        texts = [text.removesuffix('\r') for text in texts]
        texts = texts[:-1] if texts and not texts[-1] else texts
        _check(texts)
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise DataError(f'{place} cannot be read as a vocabulary of tokens: {reason}.') from error
    return Tokens(texts)


def write_tokens(path: Path, tokens: Tokens) -> None:
    """Writes tokens to a file, which is replaced whole or not at all.

    Raises:
      OSError: it can't be written.
    """
    with whole_file(path) as file:
        file.writelines(f'{text}\n'.encode() for text in tokens.texts)


def _check(texts: Sequence[str]) -> None:
    """Raises ValueError if texts are not tokens as a training run writes them."""
    if not texts:
        raise ValueError('it is empty')
    if len(texts) > MOST:
        raise ValueError(f'it holds {len(texts):,} tokens, {MOST:,} are allowed')
    for number, text in enumerate(texts, 1):
        if not text or text.split() != [text] or _NO_TOKEN.intersection(text):
            raise ValueError(f'its line {number} is {text[:80]!r}, which is not a token')
    if len(set(texts)) < len(texts):
        twice = next(text for text, count in Counter(texts).items() if count > 1)
        raise ValueError(f'it holds {twice[:80]!r} twice')
