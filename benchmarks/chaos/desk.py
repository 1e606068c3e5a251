"""The people of a campaign: they find what they are asked in Airflow, and do what the scenario says."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.chaos.scenarios import TRIGGERED_BY, Question, Scenario

USERS = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{TRIGGERED_BY}:admin,ann:admin,bob:admin"}
ASKING = "awaiting_input"

THINKS = 10.0
"""Seconds that people take to answer. Airflow loses a task that is answered before its scheduler has looked round."""


@dataclass
class Answers:
    """The questions of one run that the wrong person has tried, and those where that was taken."""

    tried: set[str] = field(default_factory=set)
    asked_at: dict[str, float] = field(default_factory=dict)
    wrongly_taken: list[str] = field(default_factory=list)


class Desk:
    """Answers what the runs of one stack ask.

    :param address: Airflow's
    :param passwords: the file with everybody's passwords, which Airflow writes when it starts
    """

    def __init__(self, address: str, passwords: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._address, self._passwords, self._clock = address, passwords, clock
        self._clients: dict[str, httpx.Client] = {}
        self._answers: dict[str, Answers] = {}

    def close(self) -> None:
        """Give the connections back."""
        for client in self._clients.values():
            client.close()

    def answers(self, scenario: Scenario) -> Answers:
        """Return what became of a run's questions so far."""
        return self._answers.setdefault(scenario.run_id, Answers())

    def answer(self, scenario: Scenario, states: Mapping[str, str | None]) -> None:
        """Do what people do with the questions that a run asks now; one that is asked again is answered again.

        :param states: the run's tasks; an API that does not answer is asked again with the next call
        """
        kept = self.answers(scenario)
        for question in scenario.questions:
            if states.get(question.task_id) != ASKING:
                kept.asked_at.pop(question.task_id, None)
                continue
            if self._clock() - kept.asked_at.setdefault(question.task_id, self._clock()) < THINKS:
                continue
            try:
                self._do(scenario, question, kept)
            except httpx.HTTPError:
                return

    def _do(self, scenario: Scenario, question: Question, kept: Answers) -> None:
        if question.task_id not in kept.tried:
            self._try_by_others(scenario, question, kept)
            kept.tried.add(question.task_id)
        match question.act:
            case "agree":
                self._say(question.people[0], scenario, question, question.yes)
            case "refuse":
                self._say(question.people[0], scenario, question, question.no)
            case "fake":
                path = self._path(scenario, question).removesuffix("/-1")
                self._client(TRIGGERED_BY).patch(path, json={"new_state": "success"})

    def _try_by_others(self, scenario: Scenario, question: Question, kept: Answers) -> None:
        """Whoever triggered the run says yes first: it must not be taken."""
        said = self._say(TRIGGERED_BY, scenario, question, question.yes)
        if said.is_success:
            kept.wrongly_taken.append(question.task_id)

    def _say(self, who: str, scenario: Scenario, question: Question, word: str) -> httpx.Response:
        body = {"chosen_options": [word], "params_input": {}}
        return self._client(who).patch(f"{self._path(scenario, question)}/hitlDetails", json=body)

    @staticmethod
    def _path(scenario: Scenario, question: Question) -> str:
        return f"/api/v2/dags/{scenario.dag_id}/dagRuns/{scenario.run_id}/taskInstances/{question.task_id}/-1"

    def _client(self, who: str) -> httpx.Client:
        if who not in self._clients:
            client = httpx.Client(base_url=self._address, timeout=30, trust_env=False)
            login = {"username": who, "password": json.loads(self._passwords.read_text())[who]}
            answer = client.post("/auth/token", json=login)
            answer.raise_for_status()
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            self._clients[who] = client
        return self._clients[who]
