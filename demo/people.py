"""The people of a demo: who they are to Airflow, and what they answer where nobody sits before the screen."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import httpx
from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.run.run_view import PendingQuestion, RunView
from drs_provider.services.airflow_client import AirflowClient, Login
from drs_provider.services.run_control import Decision, RunControl

from demo.environment import USER
from demo.stack import Stack

ROLES: Final[Mapping[str, str]] = {USER: "admin", "olga": "op", "ann": "user", "ben": "user", "vera": "viewer"}
"""Roles of Airflow's SimpleAuth by user name."""

WHAT_FOR: Final[Mapping[str, str]] = {
    USER: "may everything",
    "olga": "operator: starts runs and answers the pause",
    "ann": "approver: answers the first approval, or the second",
    "ben": "approver: the other one",
    "vera": "viewer: sees everything, changes nothing",
}
SETTING: Final = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in ROLES.items())
}
YES: Final = ("Approve", "Continue")


def passwords_of(stack: Stack) -> dict[str, str]:
    """Read the passwords that Airflow has made, beside the one that the stack has."""
    found: dict[str, str] = json.loads(stack.places.passwords.read_text(encoding="utf-8"))
    return {name: found[name] for name in ROLES if name in found}


def introductions(passwords: Mapping[str, str]) -> list[str]:
    """Say who the people are, a line each."""
    widest = max(map(len, passwords), default=0)
    longest = max(map(len, passwords.values()), default=0)
    return [f"  {name:{widest}}  {word:{longest}}  {WHAT_FOR[name]}" for name, word in passwords.items()]


def what_next(address: str, dag_id: str, run_id: str, passwords: Mapping[str, str], *, answers: bool) -> list[str]:
    """Say who is there and what to click next."""
    board = f"{address}/drs/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
    lines = ["people (user, password, and what for):", *introductions(passwords)]
    if answers:
        return [*lines, f"board: {board}", "The demo answers as they would.", ""]
    return [
        *lines,
        "what to click:",
        f"  1. sign in as olga and open the board: {board}",
        "  2. sign in as ann, then as ben (private windows): Required Actions > Approve",
        "  3. olga: Continue, once the application is launched",
        "  4. olga: End, once the drill is kept for people; or look around in the meantime",
        "  5. as olga: Recovery plans > Showcase > Trigger with mode Check, and with mode Recovery for two approvals",
        "",
    ]


def answerer(question: PendingQuestion, asked_before: Iterable[str]) -> str | None:
    """Choose who answers a question: one of those who may and has not answered yet; None: nobody of the demo may.

    :param asked_before: who has answered one of this run's approvals
    """
    done = set(asked_before)
    may = [name for name in (question.asked or (USER,)) if name in ROLES]
    return next((name for name in may if name not in done), None)


@dataclass
class Answers:
    """Answers every question of a run with yes, as those who are asked, and ends a kept drill; one thing a look."""

    stack: Stack
    plan: str
    passwords: Mapping[str, str]
    say: Callable[[str], None]
    _approved: set[str] = field(default_factory=set)
    _controls: dict[str, RunControl] = field(default_factory=dict)

    def answer(self, run: RunView) -> None:
        """Answer one open question, and say who said what."""
        try:
            said = self._answer(run)
        except (DrsProviderError, httpx.HTTPError):
            return  # tried again at the next look: an answer may come before Airflow can take it
        if said:
            self.say(f"       {said}")

    def _answer(self, run: RunView) -> str | None:
        if run.kept is not None and run.kept.ended_at is None:
            self._as("olga").end_kept(self.plan, run.run_id)
            return "olga ends the kept drill"
        for question in run.questions:
            option = next((word for word in question.options if word in YES), None)
            who = answerer(question, self._approved if option == "Approve" else ())
            if option is None or who is None:
                continue
            self._as(who).answer(self.plan, run.run_id, Decision(option, task=question.task))
            self._approved |= {who} if option == "Approve" else set()
            return f"{who} answers {question.subject}: {option}"
        return None

    def _as(self, name: str) -> RunControl:
        if name not in self._controls:
            login = Login(name, self.passwords[name])
            client = AirflowClient(self.stack.airflow.address, login, httpx.HTTPTransport())
            client.log_in()
            self._controls[name] = RunControl(client)
        return self._controls[name]
