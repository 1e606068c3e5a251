"""Runs that took place in Airflow, shown everywhere: all use the same words."""

import pytest
from drs_provider.rules.run.state import ServerStatus, state_of
from kit.recorded_runs import recorded, recorded_names
from kit.surfaces import SURFACES, reported

ENDED = [name for name in recorded_names() if recorded(name).ended_at and recorded(name).reported]


def _cases():
    for place, surface in SURFACES.items():
        for name in ENDED if surface.is_for_the_end else recorded_names():
            yield pytest.param(place, name, id=f"{name}: {place}")


@pytest.mark.parametrize(("place", "name"), list(_cases()))
def test_a_recorded_run_is_said_in_the_same_words_everywhere(place, name, tmp_path):
    run = recorded(name)
    words = {wave.name: wave.status.words for wave in state_of(run.in_a_task(tmp_path)).waves}

    said = SURFACES[place].says(run, tmp_path)

    assert said == {wave: words[wave] for wave in said}


@pytest.mark.parametrize("place", SURFACES)
def test_every_place_says_something_of_a_run(place, tmp_path):
    assert SURFACES[place].says(recorded("failed"), tmp_path)


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

    assert reported(run, tmp_path).verdict_reason == run.reported["verdict_reason"]
