"""What a person ordered while a run went on, as lines of the run's note.

The note is the one text of a run that a person may write through Airflow's API and that the run's own tasks can read
(``dag_run.note``, as it was when the task started). Its length is limited by Airflow.
"""

LONGEST_NOTE = 1000
"""Characters, by Airflow's API."""

_LONGEST_REASON = 300


def cancellation(who: str | None, reason: str | None) -> str:
    """Word the order to start nothing more in a run."""
    return _line("cancelled", who, reason)


def skip(wave: str, who: str | None, reason: str | None) -> str:
    """Word the order to leave out a wave that has not started."""
    return _line(f"wave {wave} skipped", who, reason)


def retry(wave: str, who: str | None, reason: str | None) -> str:
    """Word the order to run a failed wave again."""
    return _line(f"wave {wave} retried", who, reason)


def lifted(note: str | None, wave: str) -> str:
    """Take back the orders that would stop this wave again: they stay in the note, and no longer count."""
    stop = {read_cancellation(note), read_skip(note, wave)} - {None}
    while stop:
        note = "\n".join(f"no more: {line}" if line in stop else line for line in (note or "").splitlines())
        stop = {read_cancellation(note), read_skip(note, wave)} - {None}
    return (note or "")[-LONGEST_NOTE:]


def added(note: str | None, line: str) -> str:
    """Add a line to a note; where it would grow too long, the oldest lines go."""
    lines = [*(note or "").splitlines(), line]
    while len("\n".join(lines)) > LONGEST_NOTE:
        lines.pop(0)
    return "\n".join(lines)


def read_cancellation(note: str | None) -> str | None:
    """Give the newest line that cancels the run."""
    return _newest(note, "cancelled")


def read_skip(note: str | None, wave: str) -> str | None:
    """Give the newest line that leaves out this wave."""
    return _newest(note, f"wave {wave} skipped")


def _line(what: str, who: str | None, reason: str | None) -> str:
    by = f" by {who}" if who else ""
    why = " ".join((reason or "").split())[:_LONGEST_REASON]
    return f"{what}{by}" + (f": {why}" if why else "")


def _newest(note: str | None, beginning: str) -> str | None:
    found = [line for line in (note or "").splitlines() if line == beginning or line.startswith(_follows(beginning))]
    return found[-1] if found else None


def _follows(beginning: str) -> tuple[str, str]:
    return f"{beginning} by ", f"{beginning}: "
