"""Kinds of examples for tests of what reads archives."""

from estimator_lab.data.examples.kind import Kind


class AnyFile(Kind):
    name = 'file'
    noun = 'files'

    def accepts(self, name):
        return True


class TextFile(Kind):
    name = 'text'
    noun = 'texts'
    settings = frozenset({'epochs'})

    def accepts(self, name):
        return name.endswith('.txt')
