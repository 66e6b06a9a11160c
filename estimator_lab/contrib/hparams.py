"""``tf.contrib.training.HParams``: hyper-parameters as attributes that text can change."""

import json
import numbers
import re
from collections.abc import Mapping
from typing import Any

_ASSIGNMENT = re.compile(
    r"""(?P<name>[a-zA-Z][\w.]*) \s* = \s*
        ((?P<value>[^,\[]*) | \[(?P<values>[^\]]*)\])
        ($|,\s*)""",
    re.VERBOSE,
)
_BOOLEANS = {'true': True, 'True': True, 'false': False, 'False': False}


def parse_values(values: str, type_map: Mapping[str, type]) -> dict[str, Any]:
    """Returns {name: value} or {name: [values]} for 'name=1,name=[1,2]'.

    Raises:
      ValueError: on a name without a type, a value that is not of its type, or two of one name.
    """
    found: dict[str, Any] = {}
    position = 0
    while position < len(values):
        match = _ASSIGNMENT.match(values, position)
        if not match:
            raise ValueError(f'Malformed hyperparameter value: {values[position:]}')
        position = match.end()
        name = match['name']
        if name not in type_map:
            raise ValueError(f'Unknown hyperparameter type for {name}')
        if name in found:
            raise ValueError(f'Multiple assignments to variable {name!r} in {values}')
        if match['values'] is None:
            found[name] = _parsed(name, match['value'], type_map[name], values)
        else:
            parts = filter(None, re.split(r'[ ,]', match['values']))
            found[name] = [_parsed(name, part, type_map[name], values) for part in parts]
    return found


def _parsed(name: str, text: str, kind: type, values: str) -> Any:
    try:
        if kind is bool:
            return _BOOLEANS[text] if text in _BOOLEANS else bool(int(text))
        return kind(text)
    except (ValueError, TypeError):
        raise ValueError(
            f'Could not parse hparam {name} of type {kind.__name__!r} from value {text!r} in {values}'
        ) from None


class HParams:
    """Named hyper-parameters; each is an attribute that keeps the type of its first value, or list of it.

    Raises:
      ValueError: if a name is an attribute of this class, or a list is empty.
    """

    def __init__(self, hparam_def: None = None, model_structure: Any = None, **kwargs: Any) -> None:
        if hparam_def is not None:
            raise NotImplementedError('HParams does not support hparam_def: give the values by name.')
        self._hparam_types: dict[str, tuple[type, bool]] = {}
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds a hyper-parameter; the value, or a list's first element, decides its type."""
        if getattr(self, name, None) is not None:
            raise ValueError(f'Hyperparameter name is reserved: {name}')
        is_list = isinstance(value, list | tuple)
        if is_list and not value:
            raise ValueError(f'Multi-valued hyperparameters cannot be empty: {name}')
        self._hparam_types[name] = (type(value[0] if is_list else value), is_list)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Changes a hyper-parameter; raises KeyError for unknown ones, ValueError for another type."""
        setattr(self, name, self._checked(name, value))

    def _checked(self, name: str, value: Any) -> Any:
        """Returns a value, or a list of values, as the hyper-parameter's type."""
        kind, is_list = self._hparam_types[name]
        if isinstance(value, list) != is_list:
            word = 'Must pass a list for multi' if is_list else 'Must not pass a list for single'
            raise ValueError(f'{word}-valued parameter: {name}.')
        return [_cast(name, kind, each) for each in value] if is_list else _cast(name, kind, value)

    def del_hparam(self, name: str) -> None:
        """Removes a hyper-parameter if it exists."""
        if hasattr(self, name):
            delattr(self, name)
            del self._hparam_types[name]

    def parse(self, values: str) -> 'HParams':
        """Changes hyper-parameters by text such as 'rate=0.1,units=[8,4]'; returns itself.

        Elements of a list, as in 'units[0]=16', cannot be changed, as in 1.15.
        """
        kinds = {name: kind for name, (kind, _) in self._hparam_types.items()}
        return self.override_from_dict(parse_values(values, kinds))

    def override_from_dict(self, values_dict: Mapping[str, Any]) -> 'HParams':
        """Changes the hyper-parameters in the mapping; returns itself."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> 'HParams':
        """Changes the hyper-parameters in a JSON object; returns itself."""
        return self.override_from_dict(json.loads(values_json))

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """Returns a JSON object of all values except functions."""
        kept = {name: value for name, value in self.values().items() if not callable(value)}
        return json.dumps(kept, indent=indent, separators=separators, sort_keys=sort_keys)

    def values(self) -> dict[str, Any]:
        """Returns {name: value}."""
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key: str, default: Any = None) -> Any:
        """Returns the value of `key`, or `default`, which must have its type, if it is unknown."""
        if key not in self._hparam_types:
            return default
        if default is not None:
            self._checked(key, default)
        return getattr(self, key)

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return ','.join(f'{name}={value}' for name, value in self.values().items())

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self})'


def _cast(name: str, kind: type, value: Any) -> Any:
    """Returns the value as `kind`; the only conversion between kinds is from int to float."""
    if kind is type(None):
        return value
    groups: list[Any] = [numbers.Integral, numbers.Number, (str, bytes)]
    is_other = any(issubclass(kind, group) and not isinstance(value, group) for group in groups)
    if is_other or issubclass(kind, bool) != isinstance(value, bool):
        raise ValueError(f'Could not cast hparam {name!r} of type {kind!r} from value {value!r}')
    return kind(value)
