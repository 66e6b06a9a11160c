"""All answers; finds the one for a message, and writes it as a page."""

import re
import textwrap

from estimator_lab.porting.answers import estimators, names, packages
from estimator_lab.porting.answers.answer import Answer

ANSWERS: tuple[Answer, ...] = (*estimators.ANSWERS, *names.ANSWERS, *packages.ANSWERS)
_ANY = '...'
_QUOTES = re.compile('[`\'"\u2018\u2019\u201c\u201d]')
_TYPE = re.compile(r'^\w*error: ')
_WIDTH = 120


def find(text: str) -> Answer | None:
    """Returns the answer to a message; None if there is none.

    Examples:
        >>> find("AttributeError: module 'tensorflow' has no attribute 'estimator'").page
        'no_attribute_estimator'

    Args:
      text: the message, with or without the type of the error, quotes and path, or a whole traceback. Of
        several messages in it, the last one counts.
    """
    plain = _plain(text)
    best, found = (0, False, False, 0), None
    for answer in ANSWERS:
        if answer.needs and not any(word.lower() in plain for word in answer.needs):
            continue
        for message in answer.messages:
            ends = [match.end() for match in _pattern(message).finditer(plain)]
            if not ends:
                continue
            rank = (ends[-1], bool(answer.needs), _ANY not in message, len(message))
            if rank > best:
                best, found = rank, answer
    return found


def _plain(text: str) -> str:
    """Returns text in lower case and without quotes, in one line."""
    return ' '.join(_QUOTES.sub('', text).lower().split())


def _pattern(message: str) -> re.Pattern[str]:
    plain = _TYPE.sub('', _plain(message))
    parts = re.sub(r'(?<!\.)\.$', '', plain).split(_ANY)
    return re.compile(r'(?<![\w.])' + '.{0,200}?'.join(map(re.escape, parts)) + r'(?!\w)')


def written(answer: Answer) -> str:
    """Returns an answer as Markdown: messages, cause, remedy, and a program before and after it."""
    parts = [f'# {code(answer.messages[0])}']
    if others := [code(each) for each in answer.messages[1:] if _ANY not in each]:
        of = f', from a program with `{answer.needs[0]}`' if answer.needs else ''
        parts.append(
            '\n'.join([f'The same answer is for these messages{of}:', '', *(f'- {x}' for x in others)])
        )
    parts += ['## Cause', _filled(answer.cause), '## Remedy', _filled(answer.remedy)]
    if answer.raises:
        parts += ['A program that raises it:', _block(answer.raises)]
    if answer.works:
        parts += [
            'The same program after the remedy:' if answer.raises else 'For example:',
            _block(answer.works),
        ]
    return '\n\n'.join(parts)


def code(message: str) -> str:
    """Returns a message as inline code."""
    return f'`` {message} ``' if '`' in message else f'`{message}`'


def _block(program: str) -> str:
    return f'```python\n{program.rstrip()}\n```'


def _filled(paragraph: str) -> str:
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)
