"""The people of the showcase: who answers what, and that its plan asks only people whom the demo has."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.run_view import PendingQuestion
from drs_provider.services.airflow_api import AirflowError

from demo import people
from demo.run import DEMO_PLANS, plans_with
from demo.stack import PROJECT

PASSWORDS = {name: f"of-{name}" for name in people.ROLES}
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def question(task, *asked, options=("Approve", "Reject")):
    return PendingQuestion(task, f"subject of {task}", options, NOW, asked)


def a_run(*questions, kept=None):
    return SimpleNamespace(run_id="r", questions=questions, kept=kept)


class Control:
    """``RunControl`` of one user, which remembers what was asked of it."""

    def __init__(self, name, log, refusal):
        self.name, self.log, self.refusal = name, log, refusal

    def answer(self, plan, run_id, decision):
        if self.refusal:
            raise self.refusal.pop()
        self.log.append((self.name, plan, run_id, decision.task, decision.option))

    def end_kept(self, plan, run_id):
        self.log.append((self.name, plan, run_id, "end"))


def answers(refusal=None):
    log, said = [], []
    found = people.Answers(None, "showcase", PASSWORDS, said.append)
    found._controls.update({name: Control(name, log, refusal) for name in people.ROLES})
    return found, log, said


def test_the_two_approvals_of_a_step_are_given_by_two_people_one_at_a_look():
    answered, log, said = answers()
    asked = a_run(question("before_waves.go-ahead", "ann", "ben"))

    for _ in range(3):
        answered.answer(asked)

    assert [entry[0] for entry in log] == ["ann", "ben"]
    assert said == [
        "       ann answers subject of before_waves.go-ahead: Approve",
        "       ben answers subject of before_waves.go-ahead: Approve",
    ]


def test_a_pause_is_continued_and_a_kept_drill_is_ended():
    answered, log, _ = answers()

    answered.answer(a_run(question("web.pause", "olga", options=("Continue", "Stop"))))
    answered.answer(
        a_run(question("finish.keep", options=("End", "Extend by 1h")), kept=SimpleNamespace(ended_at=None))
    )

    assert log == [("olga", "showcase", "r", "web.pause", "Continue"), ("olga", "showcase", "r", "end")]


def test_an_answer_that_comes_too_early_is_given_again():
    answered, log, said = answers(refusal=[AirflowError("nobody is asked yet")])
    asked = a_run(question("before_waves.go-ahead", "ann"))

    answered.answer(asked)
    assert (log, said) == ([], [])
    answered.answer(asked)
    assert [entry[0] for entry in log] == ["ann"]


def test_a_question_to_strangers_and_one_without_a_yes_are_left_alone():
    answered, log, _ = answers()

    answered.answer(a_run(question("a.b", "cto"), question("c.d", options=("Wave 1", "Wave 2"))))

    assert log == []


def test_the_showcase_asks_only_people_of_the_demo_and_shows_what_it_promises():
    library = read_folder(DEMO_PLANS)
    plan = library.plans["showcase"].plan
    waves = {wave.name: wave for wave in plan.waves}
    asked = {*plan.before[0].approvers, *plan.recovery.approval.approvers, *waves["web"].pause_before.approvers}

    assert list(library.problems) == []
    assert asked <= {name for name, role in people.ROLES.items() if role != "viewer"}
    assert {
        step.kind for step in (*plan.before, *(step for wave in plan.waves for step in (*wave.before, *wave.after)))
    } == {
        "approval",
        "ssm_command",
        "tcp",
        "wait",
        "http",
    }
    assert plan.drill.keep_for
    assert plan.check is not None
    assert any(not server.critical for group in library.plans["showcase"].groups.values() for server in group.servers)


@pytest.mark.parametrize(("plan", "folder"), [("showcase", DEMO_PLANS), ("web-shop", "plans"), ("nobody", "plans")])
def test_the_folder_of_the_demo_is_taken_where_only_it_has_the_plan(plan, folder):
    assert plans_with(plan, PROJECT / "plans") == (PROJECT / Path(folder))


def test_people_are_introduced_with_their_passwords_and_told_what_to_click():
    lines = people.what_next("http://127.0.0.1:8080", "drs.showcase", "manual__1+0", PASSWORDS, answers=False)

    assert "  olga   of-olga   operator: starts runs and answers the pause" in lines
    assert "  1. sign in as olga and open the board: http://127.0.0.1:8080/drs/runs/drs.showcase/manual__1%2B0" in lines
    assert people.what_next("x", "d", "r", PASSWORDS, answers=True)[-2:] == ["The demo answers as they would.", ""]
