"""A tiny shell for simulated instances: it says what a script would print and how it would end, and runs nothing.

Known words: ``echo`` (also ``>&2``), ``exit``, ``sleep``, ``true``, ``false``, ``hostname``, ``set -e``. Every other
line takes a second, prints nothing and succeeds: what a real program would do cannot be known here.

A script whose first line is ``: drs-check tcp HOST PORT`` or ``: drs-check http URL`` (``#`` for ``:`` in PowerShell)
asks another machine, and is answered by what the simulator knows of the network: ``drs-check open``, ``drs-check 200``,
or ``drs-check closed`` with a reason.
"""

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

UNKNOWN_TAKES = 1.0
TO_STDERR = frozenset({">&2", "1>&2"})


@dataclass(frozen=True)
class Outcome:
    """How a script ended; `seconds` are simulated."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    seconds: float = 0.0


Reaches = Callable[[str], bool]
"""Whether a host answers an instance."""

_CHECK = re.compile(r"[:#] drs-check (?:tcp (?P<host>\S+) \d+|http (?P<url>\S+))\s*")
_CHECK_TAKES, _CHECK_GIVES_UP = 1.0, 30.0


def _nobody(_: str) -> bool:
    return False


def outcome_of(lines: Iterable[str], hostname: str, reaches: Reaches = _nobody) -> Outcome:
    """Return how a script ends on a host. As in sh, the last line's exit code is the script's."""
    lines = list(lines)
    if lines and (asks := _CHECK.fullmatch(lines[0])):
        return _checked(asks, reaches)
    whole, stops = Outcome(), False
    for line in (line.strip() for text in lines for line in text.splitlines()):
        match _words(line):
            case []:
                continue
            case ["set", option]:
                stops = "e" in option
            case ["exit", *rest]:
                code = int(rest[0]) % 256 if rest and rest[0].isdigit() else whole.code
                return replace(whole, code=code)
            case words:
                did = _line(words, hostname)
                whole = Outcome(
                    whole.stdout + did.stdout, whole.stderr + did.stderr, did.code, whole.seconds + did.seconds
                )
        if whole.code and stops:
            break
    return whole


def _checked(asks: "re.Match[str]", reaches: Reaches) -> Outcome:
    text = (asks["host"] or asks["url"]).strip("'")
    host = urlsplit(text).hostname or "" if asks["url"] else text
    if not reaches(host):
        return Outcome("drs-check closed no answer in time\n", seconds=_CHECK_GIVES_UP)
    return Outcome("drs-check 200\n" if asks["url"] else "drs-check open\n", seconds=_CHECK_TAKES)


def _line(words: list[str], hostname: str) -> Outcome:
    match words:
        case ["echo", *said]:
            text = " ".join(word for word in said if word not in TO_STDERR) + "\n"
            return Outcome(stderr=text) if TO_STDERR & set(said) else Outcome(text)
        case ["hostname"]:
            return Outcome(f"{hostname}\n")
        case ["sleep", length] if _is_number(length):
            return Outcome(seconds=float(length))
        case ["false"]:
            return Outcome(code=1)
        case ["true"]:
            return Outcome()
    return Outcome(seconds=UNKNOWN_TAKES)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return [line]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
