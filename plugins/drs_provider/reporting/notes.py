"""What stands beside a server in the report: what its launch changed, what failed before, what its instance is like."""

from collections.abc import Iterator

from pydantic import JsonValue

from drs_provider.reporting.result import ServerReport
from drs_provider.reporting.words import instant_words


def notes_of(server: ServerReport) -> Iterator[str]:
    """Yield one sentence for each thing that a person should see; the settings that were applied are not among them."""
    if server.order != 1:
        yield f"boot order {server.order}"
    if server.point:
        why = {"source_unreachable": ", source unreachable", "older_point": ", older than the one that failed"}
        yield f"pinned to {instant_words(server.point.at)}{why.get(server.point.why, '')}"
    for one in server.tries:
        how = ", ".join(f"{name} {shown(value)}" for name, value in one.settings.items())
        then = {"fallback": f"launched again with {how}", "older_point": "launched again from an older recovery point"}
        yield f"job {one.job_id} failed: {one.reason}; {then.get(one.how, 'launched again')}"
    for difference in server.differences:
        yield f"{difference.field} is {shown(difference.found)}, asked for was {shown(difference.wanted)}"
    if server.protected:
        yield "protected from termination"
    if server.not_protected:
        yield f"not protected from termination: {server.not_protected}; switch it on in EC2"


def settings_of(server: ServerReport) -> tuple[str, ...]:
    """Word the launch settings that were changed before the launch."""
    return tuple(f"{one.field} {shown(one.now)}, was {shown(one.was)}" for one in server.settings_changed)


def shown(value: JsonValue) -> str:
    """Word a setting's value as the plan writes it."""
    if value is None:
        return "none set"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list) else str(value)
