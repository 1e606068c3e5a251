"""What the page of a run offers is what the verbs accept, and nothing else; and what it says has happened, in order."""

from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import RunRefused, UsageError
from drs_provider.rules.run import names
from drs_provider.services.run_control import Decision, RunControl
from drs_provider.ui.board import board_of
from drs_provider.ui.read_model import RunData
from kit.in_memory_airflow import InMemoryAirflow
from kit.recorded_runs import recorded, recorded_names

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


def board(run):
    return board_of(
        RunData(
            dag_id=run.dag_id,
            run_id=run.run_id,
            state=run.state,
            started_at=datetime.fromisoformat(run.started_at),
            ended_at=datetime.fromisoformat(run.ended_at) if run.ended_at else None,
            mode=run.conf["mode"],
            tasks=run.for_the_pages().tasks,
            upstream={task: frozenset(above) for task, above in run.upstream.items()},
            classes=run.classes,
            left=run.documents,
        ),
        NOW,
    )


def do(run, verb, wave=None, **more):
    control = RunControl(InMemoryAirflow.of(run))
    plan, run_id = names.name_of_runs(run.dag_id), run.run_id
    match verb:
        case "pause":
            return control.pause(plan, run_id)
        case "cancel":
            return control.cancel(plan, run_id, "why", **more)
        case "skip":
            return control.skip(plan, wave, run_id, "why")
        case "retry":
            return control.retry(plan, wave, run_id, "why")
        case "continue":
            return control.go_on(plan, wave, run_id, "why")


@pytest.mark.parametrize("name", recorded_names())
def test_what_is_offered_is_accepted_and_what_is_not_is_refused(name):
    run = recorded(name)
    drawn = board(run)
    offered = {(offer.verb, offer.wave) for offer in drawn.offers if offer.verb != "answer"}
    waves = [wave.name for wave in drawn.waves]
    possible = [
        ("pause", None),
        ("cancel", None),
        *((verb, wave) for verb in ("skip", "retry", "continue") for wave in waves),
    ]

    accepted = set()
    for verb, wave in possible:
        try:
            do(run, verb, wave)
        except (RunRefused, UsageError):
            continue
        accepted.add((verb, wave))

    assert offered == accepted


@pytest.mark.parametrize("name", recorded_names())
def test_every_open_question_is_offered_with_its_options(name):
    run = recorded(name)
    drawn = board(run)
    asked = {(question.task, option) for question in drawn.questions for option in question.options}

    offered = [offer for offer in drawn.offers if offer.verb == "answer"]
    assert {(offer.task, offer.option) for offer in offered} == asked
    control = RunControl(InMemoryAirflow.of(run))
    for offer in offered:
        if offer.option in ("Approve", "Reject"):
            decision = Decision(offer.option, offer.task)
            assert control.answer(names.name_of_runs(run.dag_id), run.run_id, decision).message == (
                f"{offer.task}: {offer.option}"
            )


@pytest.mark.parametrize("name", recorded_names())
def test_what_has_happened_stands_in_the_order_of_time_and_begins_with_the_run(name):
    run = recorded(name)
    events = board(run).events

    assert [event.at for event in events] == sorted(event.at for event in events)
    before = [event.what for event in events if event.at < events[0].at or "this run goes on with it" in event.what]
    assert next(event.what for event in events if event.what not in before) == "the run began"
    assert (events[-1].what.startswith("the run ended: ")) is (run.ended_at is not None)


def test_each_button_says_what_it_means():
    run = recorded("launching")
    found = {offer.title: (offer.effect, offer.right, offer.reason) for offer in board(run).offers}

    paused = (
        "shop is paused: nothing new starts, no wave, no clean-up, no scheduled drill. DRS jobs of database "
        "continue and are judged after the resume; Airflow pauses plans, not runs: another run of it waits too. "
        "To continue: drs run resume shop."
    )
    cancelled = (
        f"{run.run_id} of shop is cancelled, and will end as failed in Airflow; web: will not start; database: no "
        "further job is started; DRS cannot cancel a job, so what runs is watched to its end; then a drill is "
        "cleaned up, and the report is written."
    )
    assert found == {
        "Skip wave web": ("Wave web is skipped when its turn comes.", "order", "may"),
        "Pause the plan": (paused, "pause", "none"),
        "Cancel the run": (cancelled, "order", "may"),
    }
