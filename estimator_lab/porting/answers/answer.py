"""What an answer to an error message is."""

from typing import NamedTuple


class Answer(NamedTuple):
    """An error message, its cause and its remedy. Texts are Markdown, one line a paragraph.

    Attributes:
      page: name of its page in docs/messages, without '.md'.
      messages: the message as Python prints it, then other messages with the same answer; '...' stands for
        any text.
      cause: why it appears.
      remedy: what to do.
      raises: a program that raises the message on TensorFlow 2.21 alone; '' if that takes more than
        TensorFlow.
      works: the program after the remedy; '' if the remedy is not a program.
      needs: words, one of which must be in the pasted text, of an answer that is for a part of the programs
        that raise the message.
    """

    page: str
    messages: tuple[str, ...]
    cause: str
    remedy: str
    raises: str = ''
    works: str = ''
    needs: tuple[str, ...] = ()
