"""A change of a plan file as a patch, which shows nothing of the documents beside the one that is changed."""

import difflib
import re
from itertools import takewhile
from typing import Final

from drs_provider.plan.yaml_source import document_parts

_PLACE: Final = re.compile(r"@@ -(\d+)((?:,\d+)?) \+(\d+)((?:,\d+)?) @@")
_BARE: Final = re.compile(r"---[ \t]*\r?\n?\Z")
"""A line between two documents that says nothing of either."""
_MARK: Final = "\0"
"""Behind that line while it is compared: it is not taken for the one before the documents that are changed."""


def patch_of(file: str, before: bytes | None, after: bytes | None) -> str:
    """Word a change as a patch for ``git apply`` or ``patch -p1`` in the plans folder.

    Its context ends where the documents end that are changed: those beside them may be of groups and plans that who
    changes this one may not read. The bare ``---`` behind them is shown, so that ``git apply`` finds the place.
    """
    old, new = (_documents(content) for content in (before, after))
    above = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    old, new = old[above:], new[above:]
    shared = zip(reversed(old), reversed(new), strict=False)
    below = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], shared))
    skipped = sum(len(document) for document in _documents(before)[:above])
    behind = old[len(old) - below][:1] if below else []
    behind = [f"{line}{_MARK}" for line in behind if _BARE.match(line)]
    left = [line for document in old[: len(old) - below] for line in document] + behind
    right = [line for document in new[: len(new) - below] for line in document] + behind
    names = (f"a/{file}" if before is not None else "/dev/null", f"b/{file}" if after is not None else "/dev/null")
    lines = [_moved(line, skipped).removesuffix(_MARK) for line in difflib.unified_diff(left, right, *names)]
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _documents(content: bytes | None) -> list[list[str]]:
    """Return the lines of every document of a file."""
    text = (content or b"").decode("utf-8", "replace")
    return [part.splitlines(keepends=True) for _, part in document_parts(text) if part]


def _moved(line: str, by: int) -> str:
    """Count the lines of a hunk from the beginning of the file."""
    place = _PLACE.match(line)
    if place is None:
        return line
    return f"@@ -{int(place[1]) + by}{place[2]} +{int(place[3]) + by}{place[4]} @@{line[place.end() :]}"
