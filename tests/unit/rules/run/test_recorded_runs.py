"""Runs that took place in Airflow: their states, as the pages, the command line and a task of the run fill them."""

import pytest
from drs_provider.rules.run.state.run_state import RunState, state_of
from drs_provider.rules.run.state.snapshot import RunSnapshot
from kit.recorded_runs import recorded, recorded_names

IN_WORDS = {
    "passed": ("passed", "passed", {"database": "launched", "web": "launched"}, "completed"),
    "two-accounts": ("passed", "passed", {"everything": "launched"}, "completed"),
    "retried": ("passed", "passed", {"database": "launched", "web": "launched"}, "completed"),
    "taken-over": ("passed", "passed", {"database": "launched", "web": "launched"}, "completed"),
    "tolerated": (
        "completed_with_exceptions",
        "passed",
        {"database": "completed_with_exceptions", "web": "launched"},
        "completed",
    ),
    "one-wave": ("completed_with_exceptions", "passed", {"database": "skipped", "web": "launched"}, "completed"),
    "failed": ("failed", "passed", {"database": "failed", "web": "not_started"}, "completed"),
    "steps-failed": (
        "failed",
        "passed",
        {"checks": "completed_with_exceptions", "database": "failed", "web": "not_started"},
        "completed",
    ),
    "refused": ("refused", "refused", {"database": "not_started", "web": "not_started"}, "nothing_to_do"),
    "rejected": ("cancelled", "refused", {"database": "not_started", "web": "not_started"}, "not_run"),
    "stopped": ("cancelled", "passed", {"database": "launched", "web": "not_started"}, "not_run"),
    "cancelled-at-once": ("cancelled", "passed", {"database": "not_started", "web": "not_started"}, "nothing_to_do"),
    "cancelled-on-the-way": ("cancelled", "passed", {"database": "cancelled", "web": "not_started"}, "completed"),
    "superseded": ("superseded", "passed", {"database": "launched", "web": "not_started"}, "completed"),
    "launching": ("running", "passed", {"database": "launching", "web": "waiting"}, "waiting"),
    "waiting-for-approval": (
        "waiting_for_answer",
        "waiting_for_answer",
        {"database": "waiting", "web": "waiting"},
        "waiting",
    ),
    "waiting-in-a-pause": (
        "waiting_for_answer",
        "passed",
        {"database": "launched", "web": "waiting_for_answer"},
        "waiting",
    ),
}
"""By recording: the run, its preflight, its waves, its clean-up."""

ENDED = [name for name, words in IN_WORDS.items() if words[0] not in ("running", "waiting_for_answer")]


def in_words(state: RunState) -> tuple[str, str, dict[str, str], str]:
    waves = {wave.name: wave.status.value for wave in state.waves}
    return (state.status, state.preflight.status, waves, state.cleanup.status)


def test_every_recording_has_its_words():
    assert recorded_names() == sorted(IN_WORDS)


@pytest.mark.parametrize("name", IN_WORDS)
def test_a_recorded_run_has_the_same_state_whoever_looks(name, tmp_path):
    run = recorded(name)
    looks: list[RunSnapshot] = [run.for_the_pages(), run.for_the_command_line(), run.in_a_task(tmp_path)]

    assert [in_words(state_of(look)) for look in looks] == [IN_WORDS[name]] * 3


@pytest.mark.parametrize("name", ENDED)
def test_all_who_look_at_a_recorded_run_see_the_same_servers_steps_and_reasons(name, tmp_path):
    run = recorded(name)
    pages, in_a_task = state_of(run.for_the_pages()), state_of(run.in_a_task(tmp_path))

    assert [_timeless(wave) for wave in pages.waves] == sorted(
        [_timeless(wave) for wave in in_a_task.waves],
        key=lambda wave: [wave.name for wave in pages.waves].index(wave[0]),
    )
    assert (pages.cancelled, pages.superseded) == (in_a_task.cancelled, in_a_task.superseded)


@pytest.mark.parametrize("name", ENDED)
def test_the_report_of_a_recorded_run_agrees(name, tmp_path):
    run = recorded(name)
    state = state_of(run.in_a_task(tmp_path, is_last_look=True))
    reported = run.reported

    assert state.status == reported["verdict"]
    waves = {wave.name: IN_REPORTS.get(wave.status, wave.status.value) for wave in state.waves}
    assert waves == reported["waves"]
    steps = (*state.before, *state.after, *(step for wave in state.waves for step in wave.steps))
    assert {step.task: IN_REPORTS.get(step.status, step.status.value) for step in steps} == reported["steps"]
    servers = {server.server_id: server.status.value.upper() for wave in state.waves for server in wave.servers or ()}
    servers |= {server.server_id: "EXCLUDED" for server in state.excluded}
    assert servers == reported["servers"]
    assert IN_REPORTS.get(state.cleanup.status, state.cleanup.status.value) == reported["cleanup"]


IN_REPORTS = {"cancelled": "failed", "tolerated": "failed", "completed": "done", "not_run": "not_run"}
"""What the recorded reports called it."""


def _timeless(wave):
    steps = [(step.task, step.status, step.reason) for step in wave.steps]
    servers = [(server.server_id, server.status, server.reason, server.job_id) for server in wave.servers or ()]
    return (wave.name, wave.depends_on, wave.status, wave.cause, wave.reason, wave.jobs, steps, servers)
