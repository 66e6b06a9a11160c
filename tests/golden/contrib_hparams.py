"""HParams: text, changes and errors. Part of remake_contrib.py."""

import re

from contrib_shared import tf

PARSED = """
rate=0.5 | units=[1,2] | units[1]=9 | name=new | flag=true | flag=0 | flag=False | rate=1,units=[3]
rate=x | units=3 | nothing=1 | rate | units=[1,x] | count=1.5 | flag=maybe | rate=1,rate=2
name=[a] | name=a b | tags=[x,y] | tags=[a b] | rates=[1,2.5] | rate=-1e-3 | units[0]=1,units[0]=2
units[5]=1 | count= 3 | name= | rate=1, count=2 | floats[0]=2.5 | a.b=1"""
PARSED = [text.strip() for text in re.split(r'[|\n]', PARSED.strip())]
SET = [
    ('rate', 1),
    ('rate', True),
    ('rate', 'x'),
    ('count', 2.0),
    ('count', True),
    ('flag', 1),
    ('name', 3),
    ('name', 'x'),
    ('units', 3),
    ('units', [1, 2, 3]),
    ('units', [1.5]),
    ('count', [1]),
    ('none', 'x'),
]


def made():
    return tf.contrib.training.HParams(
        rate=0.1, units=[8, 4], name='old', flag=False, count=3, tags=['a', 'b'], rates=[0.1], none=None
    )


def tried(work):
    """Returns what `work` gives, or the name of its error."""
    try:
        return work()
    except (ValueError, TypeError, KeyError) as error:
        return type(error).__name__


def changed(method, *arguments):
    """Returns the values after a call, or the name of its error."""
    params = made()
    return tried(lambda: [getattr(params, method)(*arguments), params.values()][1])


def got(*arguments):
    return tried(lambda: made().get(*arguments))


def hparams():
    return {
        'parsed': {text: changed('parse', text) for text in PARSED},
        'set': [[name, value, changed('set_hparam', name, value)] for name, value in SET],
        'text': str(made()),
        'json': made().to_json(sort_keys=True),
        'from_json': changed('parse_json', '{"rate": 2.0, "units": [1]}'),
        'gets': [got('rate'), got('no', 5), got('no'), got('rate', 'x'), got('units', [1]), got('units', 1)],
        'contains': ['rate' in made(), 'no' in made()],
        'deleted': changed('del_hparam', 'rate'),
        'added': [
            changed('add_hparam', name, value)
            for name, value in [('new', 1), ('rate', 1), ('empty', []), ('parse', 1)]
        ],
        'unknown': changed('set_hparam', 'no', 1),
    }
