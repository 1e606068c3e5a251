"""What a run waits for people with, and what a person has ordered, as its board shows it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel

from drs_provider.ui.read_model import RunData

ASKED_KEY, ORDER_KEY, POINTS = "asked", "drs_order", "points"
"""XCom keys of a question, and of an order that a wave's start obeyed; where a launch keeps its pinned points."""

_WAITING = frozenset({"awaiting_input", "deferred", "running", "queued", "up_for_retry", "restarting", "scheduled"})


_PAUSES = frozenset({"pause", "keep"})
_NO_WAVES = frozenset({"preflight", "finish", "before_waves", "after_waves"})


class BoardQuestion(BaseModel):
    """One question that nobody has answered yet.

    ``path`` is the page of Airflow where it is answered, ``otherwise`` what happens without an answer.
    """

    kind: Literal["approval", "pause"]
    task: str
    wave: str | None
    subject: str
    text: str | None = None
    options: list[str] = []
    otherwise: str | None = None
    people: list[str]
    agreed: list[str] = []
    since: datetime
    until: datetime
    path: str


class BoardPoints(BaseModel):
    """The recovery points that a wave's servers are pinned to: how many, the oldest and the newest."""

    servers: int
    oldest: datetime
    newest: datetime


def questions_of(run: RunData) -> list[BoardQuestion]:
    """Return what people are asked right now, in the order in which it was asked."""
    if run.state in ("success", "failed"):
        return []
    return sorted(_questions(run), key=lambda one: one.since)


def _questions(run: RunData) -> Iterator[BoardQuestion]:
    for (task, key), value in run.left.items():
        if key != ASKED_KEY or not isinstance(value, dict) or task not in run.tasks:
            continue
        since, until = _instant(value.get("at")), _instant(value.get("until"))
        if since is None or until is None or run.tasks[task].state not in _WAITING:
            continue
        group, _, name = task.rpartition(".")
        is_pause = name in _PAUSES
        yield BoardQuestion(
            kind="pause" if is_pause else "approval",
            task=task,
            wave=None if group in _NO_WAVES else group,
            text=_words(value.get("text")),
            options=[str(one) for one in value.get("options") or ()],
            otherwise=_words(value.get("otherwise")),
            subject=str(value.get("subject") or ("A pause" if is_pause else "The recovery waits for an approval")),
            people=[str(name) for name in value.get("people") or ()],
            agreed=[str(name) for name in value.get("agreed") or ()],
            since=since,
            until=until,
            path=f"/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}/tasks/{quote(task, safe='')}"
            "/required_actions",
        )


def orders_of(run: RunData) -> list[str]:
    """Return the words of every order that waves have obeyed: the run was cancelled, a wave was left out."""
    return sorted({str(value) for (_, key), value in run.left.items() if key == ORDER_KEY and value})


def points_of(servers: list[dict[str, Any]], launched: dict[str, Any]) -> BoardPoints | None:
    """Return what a wave is pinned to: what its launches named, and before them what preflight found; None: nothing.

    :param servers: the wave's members as preflight left them
    :param launched: recovery points by server id, as the starts left them
    """
    found = {str(one.get("server_id")): one["point"] for one in servers if isinstance(one.get("point"), dict)}
    found |= {name: point for name, point in launched.items() if isinstance(point, dict)}
    instants = [at for point in found.values() if (at := _instant(point.get("at")))]
    if not instants:
        return None
    return BoardPoints(servers=len(instants), oldest=min(instants), newest=max(instants))


def _words(value: Any) -> str | None:
    return str(value) if value else None


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
