"""Kinds of examples for tests of what reads archives."""

from dataclasses import dataclass

from estimator_lab.data.kind import Kind


@dataclass(frozen=True)
class AnyFile(Kind):
    name = 'file'
    noun = 'files'

    def accepts(self, name):
        return True


@dataclass(frozen=True)
class TextFile(Kind):
    name = 'text'
    noun = 'texts'
    settings = frozenset({'epochs'})

    def accepts(self, name):
        return name.endswith('.txt')
