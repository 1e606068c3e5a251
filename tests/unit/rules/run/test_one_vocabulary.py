"""Runs that took place in Airflow, shown everywhere: all use the same words."""

import pytest
from drs_provider.rules.run.state import ServerStatus, state_of
from kit.recorded_runs import recorded, recorded_names
from kit.surfaces import SURFACES, reported, words_of

ENDED = [name for name in recorded_names() if recorded(name).ended_at and recorded(name).reported]

EVERYTHING = {"run", "preflight", "cleanup", "wave", "server", "step"}
SHOWN = {
    "report": EVERYTHING - {"preflight"},
    "report page": {"wave"},
    "notice": {"wave"},
    "question": {"wave"},
    "board": EVERYTHING,
    "drs run status": {"run", "wave"},
    "drs run status --format json": EVERYTHING - {"server"},
    "drs run wait": {"run", "wave"},
    "drs run list": {"run"},
    "demo": {"wave"},
}
"""What every place words."""


def _cases():
    for place, surface in SURFACES.items():
        for name in ENDED if surface.is_for_the_end else recorded_names():
            yield pytest.param(place, name, id=f"{name}: {place}")


@pytest.mark.parametrize(("place", "name"), list(_cases()))
def test_a_recorded_run_is_said_in_the_same_words_everywhere(place, name, tmp_path):
    run = recorded(name)
    words = words_of(state_of(run.in_a_task(tmp_path)))

    said = SURFACES[place].says(run, tmp_path)

    assert said == {subject: words[subject] for subject in said}


@pytest.mark.parametrize("place", SURFACES)
def test_every_place_words_what_it_shows(place, tmp_path):
    said = SURFACES[place].says(recorded("steps-failed"), tmp_path)

    assert {subject.split()[0] for subject in said} == SHOWN[place]


@pytest.mark.parametrize("name", ENDED)
def test_the_report_of_a_recorded_run_has_the_state_of_every_server_and_step(name, tmp_path):
    run = recorded(name)
    state, report = state_of(run.in_a_task(tmp_path, is_last_look=True)), reported(run, tmp_path)

    assert (report.verdict, report.cleanup.state) == (run.reported["verdict"], state.cleanup.status)
    servers = {server.server_id: server.status for wave in state.waves for server in wave.servers or ()}
    servers |= dict.fromkeys((server.server_id for server in state.excluded), ServerStatus.EXCLUDED)
    assert {server.server_id: server.status for wave in report.waves for server in wave.servers} == servers
    steps = (*state.before, *state.after, *(step for wave in state.waves for step in wave.steps))
    of_waves = (step for wave in report.waves for step in wave.steps)
    assert {step.task: step.state for step in (*report.steps, *of_waves)} == {step.task: step.status for step in steps}


@pytest.mark.parametrize("name", ENDED)
def test_the_verdict_of_a_recorded_run_is_worded_as_it_was(name, tmp_path):
    run = recorded(name)

    # The first cause and the next step follow, see test_first_cause.
    sentence = reported(run, tmp_path).verdict_reason.partition(" First cause: ")[0].partition(" Next step: ")[0]
    assert sentence == run.reported["verdict_reason"]
