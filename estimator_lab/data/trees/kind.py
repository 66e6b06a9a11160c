"""Trees as a kind of example: lines of a text."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.progress import Progress
from estimator_lab.data.examples.kind import Kind, ReaderOptions
from estimator_lab.data.examples.member import Member
from estimator_lab.data.trees.parse import line_name, parse_tree, tokens_of
from estimator_lab.data.trees.tokens import FILE, Tokens, frequent_tokens, read_tokens, write_tokens

if TYPE_CHECKING:
    from estimator_lab.data.trees.reader import TreeReader

_TOKENS = 'tokens'
_MOST_TOKENS = 50_000  # the most frequent ones are used


class TreeKind(Kind):
    """Bracketed texts."""

    name = 'tree'
    noun = 'trees'
    settings = frozenset({'tokens'})
    has_lines = True
    label_help = "A tree's label is at its root, or in front of it in its line, followed by a tab."
    dimensions = ('nodes', 'height')

    def line_name(self, number: int, line: bytes) -> str:
        """Returns the name of a line as a member; see `parse.line_name`."""
        return line_name(number, line)

    def examine(self, data: bytes) -> tuple[int, ...]:
        """Parses a tree; returns the number of its nodes, and the height of its root."""
        tree = parse_tree(data)
        return len(tree.level), tree.level[-1]

    def reader(self, options: ReaderOptions) -> 'TreeReader':
        """Returns how trees become arrays."""
        from estimator_lab.data.trees.reader import TreeReader

        return TreeReader(Tokens(options.tokens), options.vocabulary)

    def data_params(self, settings: Any, examples: Iterable[Member], total: int | None) -> dict[str, Any]:
        """Returns the tokens of --tokens, or else the most frequent ones of the training data."""
        if settings.tokens:
            return {_TOKENS: read_tokens(settings.tokens, option.tokens).texts}
        if total is None:
            raise FlagError(
                f'{option.data}={",".join(settings.data)} can be read only once, so that its tokens cannot '
                f'be counted up front: give {option.tokens}, a text file of one token a line.'
            )
        counted: Iterable[list[str]] = _counted(examples, total)
        return {_TOKENS: frequent_tokens(counted, _MOST_TOKENS).texts}

    def record(self, folder: Path, params: Mapping[str, Any]) -> None:
        """Writes the tokens into a model_dir."""
        write_tokens(folder / FILE, Tokens(params[_TOKENS]))

    def restore(self, folder: Path) -> dict[str, Any]:
        """Returns the tokens of a model_dir."""
        return {_TOKENS: read_tokens(folder / FILE).texts}


def _counted(examples: Iterable[Member], total: int) -> Iterator[list[str]]:
    """Yields the tokens of each tree, with a progress bar."""
    with closing(Progress('Counting tokens')) as progress:
        for number, member in enumerate(examples):
            progress(f'{number:,} trees', number / (total or 1))
            yield tokens_of(member.read().data)


TREES = TreeKind()
"""The kind of example that recursive networks are trained on."""
