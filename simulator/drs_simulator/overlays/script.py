"""A tiny shell for simulated instances: it says what a script would print and how it would end, and runs nothing.

Known words: ``echo`` (also ``>&2``), ``exit``, ``sleep``, ``true``, ``false``, ``hostname``, ``set -e``. Every other
line takes a second, prints nothing and succeeds: what a real program would do cannot be known here.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

UNKNOWN_TAKES = 1.0


@dataclass(frozen=True)
class Outcome:
    """How a script ended; `seconds` are simulated."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    seconds: float = 0.0


def outcome_of(lines: Iterable[str], hostname: str) -> Outcome:
    """Return how a script ends on a host. As in sh, the last line's exit code is the script's."""
    out, err, seconds, code, stops = [], [], 0.0, 0, False
    for line in (one.strip() for text in lines for one in text.splitlines()):
        words = _words(line)
        match words:
            case []:
                continue
            case ["echo", *said]:
                target = err if ">&2" in said or "1>&2" in said else out
                target.append(" ".join(word for word in said if word not in {">&2", "1>&2"}))
                code = 0
            case ["hostname"]:
                out.append(hostname)
                code = 0
            case ["exit", *rest]:
                code = int(rest[0]) % 256 if rest and rest[0].isdigit() else code
                break
            case ["sleep", length] if _is_number(length):
                seconds += float(length)
                code = 0
            case ["set", option]:
                stops = "e" in option
            case ["false"]:
                code = 1
            case ["true"]:
                code = 0
            case _:
                seconds += UNKNOWN_TAKES
                code = 0
        if code and stops:
            break
    return Outcome("".join(f"{line}\n" for line in out), "".join(f"{line}\n" for line in err), code, seconds)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return [line]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
