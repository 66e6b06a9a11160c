"""Functions of ``tf.contrib.framework`` that TensorFlow 2 lacks."""

import re
from collections.abc import Iterable
from typing import Any


def filter_variables(
    var_list: Iterable[Any],
    include_patterns: Iterable[str] | None = None,
    exclude_patterns: Iterable[str] | None = None,
    reg_search: bool = True,
) -> list[Any]:
    """Returns the variables whose names match one of `include_patterns` and none of `exclude_patterns`.

    Args:
      var_list: variables.
      include_patterns: regular expressions; None includes all.
      exclude_patterns: regular expressions; None excludes none.
      reg_search: whether an expression may match anywhere in the name, as opposed to at its start.
    """
    match = re.search if reg_search else re.match
    included = None if include_patterns is None else list(include_patterns)
    excluded = list(exclude_patterns or ())

    def matches(patterns: list[str], variable: Any) -> bool:
        return any(match(pattern, variable.name) for pattern in patterns)

    return [
        variable
        for variable in var_list
        if (included is None or matches(included, variable)) and not matches(excluded, variable)
    ]
