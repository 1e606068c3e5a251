"""Which source servers a plan's ``select`` means."""

import re
from collections.abc import Mapping
from typing import Any


def matches(tags: Mapping[str, str], selection: Mapping[str, Any]) -> bool:
    """Tell whether a server with these tags is selected.

    :param tags: the source server's tags
    :param selection: ``{"tags": {key: value | [values]}, "not": {"tags": {...}}}`` as in a plan: every key must match,
        a list means any of, ``*`` stands for any run of characters (and nothing else is special); letters count. A
        server that ``not`` matches as a whole is out. A selection without tags selects nothing.
    """
    wanted = selection.get("tags") or {}
    unwanted = (selection.get("not") or {}).get("tags") or {}
    return _all_match(tags, wanted) and not _all_match(tags, unwanted)


def _all_match(tags: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    return bool(wanted) and all(key in tags and _any_of(tags[key], values) for key, values in wanted.items())


def _any_of(value: str, patterns: Any) -> bool:
    choices = (patterns,) if isinstance(patterns, str) else patterns
    return any(_wildcard(str(pattern)).fullmatch(value) for pattern in choices)


def _wildcard(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
