"""One thing that is told about a run, and the three forms in which it is told."""

import hashlib
import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from pydantic import JsonValue

FORMAT_VERSION = 1
"""Raised when a field of the JSON is renamed or changes its meaning; new fields do not raise it."""

_LONGEST_SUBJECT = 100
"""As long as SNS allows."""
_LONGEST_LINE = 1000


@dataclass(frozen=True)
class RunSummary:
    """What every notice says about its run.

    :ivar airflow: the address of Airflow's pages without a slash at its end; empty: nobody configured one.
    :ivar triggered_by: None: the schedule did, or Airflow names nobody.
    """

    plan: str
    title: str
    mode: str
    dag_id: str
    run_id: str
    airflow: str = ""
    triggered_by: str | None = None
    reason: str | None = None

    @property
    def url(self) -> str | None:
        """The run's page in Airflow."""
        return f"{self.airflow}/dags/{quote(self.dag_id)}/runs/{quote(self.run_id, safe='')}" if self.airflow else None

    @property
    def report_url(self) -> str | None:
        """The run's report."""
        if not self.airflow:
            return None
        return f"{self.airflow}/drs/reports/{quote(self.dag_id)}/{quote(self.run_id, safe='')}/report.html"

    def question_url(self, task_id: str) -> str | None:
        """The page on which somebody who is signed in answers what a task asks."""
        return self.url and f"{self.url}/tasks/{quote(task_id)}/required_actions?map_index=-1"

    @property
    def started_by(self) -> str:
        """Who started the run, and why, as a person says it."""
        who = self.triggered_by or "the schedule"
        return f"{who}: {_line(self.reason)}" if self.reason else who


@dataclass(frozen=True)
class Question:
    """What people are asked."""

    task_id: str
    text: str
    people: tuple[str, ...]
    options: tuple[str, ...]
    until: str
    """ISO 8601."""
    otherwise: str
    """What happens without an answer."""


@dataclass(frozen=True)
class Notice:
    """What is told.

    :ivar headline: what happened, without plan and mode and without a full stop.
    :ivar facts: more of it, each with a name.
    :ivar next_step: what to do about it; None: nothing.
    :ivar occasion: tells notices of one kind in one run apart, such as two waves that failed.
    :ivar at: ISO 8601.
    :ivar answer_url: where one person answers without signing in; None: people sign in and answer in Airflow.
    """

    event: str
    run: RunSummary
    headline: str
    at: str
    facts: tuple[tuple[str, str], ...] = ()
    next_step: str | None = None
    wave: str | None = None
    occasion: str = ""
    question: Question | None = None
    has_report: bool = False
    answer_url: str | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The same for the same news: whoever gets it twice can see that."""
        parts = (self.run.dag_id, self.run.run_id, self.event, self.wave or "", self.occasion)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @property
    def subject(self) -> str:
        """One line of plain ASCII, at most a hundred characters."""
        text = f"DRS {self.run.mode} of {self.run.plan}: {_line(self.headline)}"
        plain = text.encode("ascii", "replace").decode()
        return plain if len(plain) <= _LONGEST_SUBJECT else f"{plain[: _LONGEST_SUBJECT - 3]}..."

    def for_person(self, answer_url: str) -> "Notice":
        """The same news with a link of one person's own."""
        return replace(self, answer_url=answer_url)


def as_text(notice: Notice) -> str:
    """Write a notice as plain text, for SNS and as the ``text`` of a webhook."""
    lines = [_sentence(notice), ""]
    lines += [f"{name}: {_line(value)}" for name, value in _rows(notice)]
    lines += [f"{name}: {url}" for name, url in _links(notice)]
    return "\n".join(lines) + "\n"


def as_html(notice: Notice) -> str:
    """Write a notice as the body of a mail. Every text of plans, tags and people is escaped."""
    rows = "".join(
        f"<tr><th align='left' valign='top'>{_html(name)}</th><td>{_html(_line(value))}</td></tr>"
        for name, value in _rows(notice)
    )
    links = "".join(f"<p><a href='{_html(url)}'>{_html(name)}</a></p>" for name, url in _links(notice))
    return f"<p><strong>{_html(_sentence(notice))}</strong></p><table cellpadding='4'>{rows}</table>{links}"


def as_json(notice: Notice) -> str:
    """Write a notice as the body of a webhook: docs/notifications.md describes every field."""
    question = notice.question
    body: dict[str, JsonValue] = {
        "version": FORMAT_VERSION,
        "id": notice.id,
        "event": notice.event,
        "at": notice.at,
        "plan": notice.run.plan,
        "title": notice.run.title,
        "mode": notice.run.mode,
        "dag_id": notice.run.dag_id,
        "run_id": notice.run.run_id,
        "run_url": notice.run.url,
        "report_url": notice.run.report_url if notice.has_report else None,
        "triggered_by": notice.run.triggered_by,
        "reason": notice.run.reason,
        "wave": notice.wave,
        "headline": notice.headline,
        "facts": {**dict(notice.facts)},
        "next_step": notice.next_step,
        "subject": notice.subject,
        "text": as_text(notice),
        "question": _question(notice, question) if question else None,
    }
    return json.dumps(body, ensure_ascii=False)


def _question(notice: Notice, question: Question) -> dict[str, JsonValue]:
    return {
        "task_id": question.task_id,
        "text": question.text,
        "people": [*question.people],
        "options": [*question.options],
        "until": question.until,
        "otherwise": question.otherwise,
        "url": notice.run.question_url(question.task_id),
    }


def _sentence(notice: Notice) -> str:
    return f"{notice.run.mode.capitalize()} of {_line(notice.run.title)}: {_line(notice.headline)}."


def _rows(notice: Notice) -> list[tuple[str, str]]:
    rows = list(notice.facts)
    if notice.next_step:
        rows.append(("What to do", notice.next_step))
    rows.append(("Started by", notice.run.started_by))
    return rows


def _links(notice: Notice) -> list[tuple[str, str]]:
    links: list[tuple[str, str | None]] = []
    if notice.answer_url:
        links.append(("Answer (this link is personal: do not share it)", notice.answer_url))
    if notice.question:
        links.append(("Answer in Airflow", notice.run.question_url(notice.question.task_id)))
    if notice.has_report:
        links.append(("Report", notice.run.report_url))
    links.append(("Run", notice.run.url))
    return [(name, url) for name, url in links if url]


def _line(text: str) -> str:
    """Text of people as one bounded line: a line break of theirs begins no line of ours."""
    flat = re.sub(r"\s+", " ", "".join(char if char.isprintable() or char.isspace() else "?" for char in text)).strip()
    return flat if len(flat) <= _LONGEST_LINE else f"{flat[:_LONGEST_LINE]} …"


def _html(text: str) -> str:
    return html.escape(text, quote=True)


Send = Callable[[Notice], None]
"""Sends a notice or raises; knows its connection already."""


class NotSent(Exception):
    """A notice was not sent; the text says why and holds no secret. ``is_final``: trying again is of no use."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final
