"""A run's verdict as the last line of its note, below what people have written there."""

from typing import Final

from drs_provider.rules.run.controls import LONGEST_NOTE
from drs_provider.rules.run.handover import WrittenReport

MARK: Final = "Verdict: "
"""How the line begins; there is never more than one."""

_WORTH_SAYING = 60


def with_verdict(note: str | None, report: WrittenReport) -> str:
    """Add the verdict to a note, in place of an older one; it is cut where the note has no room, people's lines never.

    :param note: the run's note as it is
    :param report: what the report task returned
    """
    kept = without_verdict(note)
    room = LONGEST_NOTE - len(kept) - bool(kept)
    what = f"{MARK}{report.verdict.replace('_', ' ')}. {report.reason}"
    where = f" Report: {report.where}"
    line = what + where if len(what + where) <= room else what if len(what) <= room else f"{what[: room - 1]}…"
    return "\n".join([*([kept] if kept else []), line]) if room >= _WORTH_SAYING else kept


def without_verdict(note: str | None) -> str:
    """Return what people have written into a note."""
    return "\n".join(line for line in (note or "").splitlines() if not line.startswith(MARK))
