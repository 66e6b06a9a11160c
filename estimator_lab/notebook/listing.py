"""Names with what they mean, as a table. No TensorFlow, unless a notebook shows it."""

from collections.abc import Mapping

from estimator_lab.base.settings import Setting


class Listing(dict[str, str]):
    """Names and what they mean; in a notebook a table.

    Examples:
        >>> Listing({'a': 'first', 'bcd': 'second'})
        a    first
        bcd  second
    """

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        return '\n'.join(f'{name:<{width}}  {text}' for name, text in self.items())

    def _repr_html_(self) -> str:
        from estimator_lab.notebook.views import framed_table

        return framed_table(self)


def settings_listing(declared: Mapping[str, Setting]) -> Listing:
    """Returns declared settings by name: their default, and what they mean."""
    return Listing({name: f'{one.default!r}: {one.help}' for name, one in declared.items()})
