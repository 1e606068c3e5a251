"""What DRS does with the servers of a wave is left where the board looks, while the wave is waited for."""

import pytest
from drs_provider.rules.launch.phases import WORDS
from drs_provider.rules.run.handover import LaunchPhases
from drs_provider.services.signed import opened, origin
from kit.dag_runs import SHOP, calls

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


@pytest.fixture
def watched(simulator):
    """The simulator, its jobs slow enough to be seen running on a busy machine: six seconds."""
    simulator.clock(speed=90)
    yield simulator
    simulator.clock(speed=600)


def phases_of(ended, task_id):
    task = next(task for task in ended.dag_run.get_task_instances() if task.task_id == task_id)
    return opened(task.xcom_pull(task_id, key=LaunchPhases.KEY), LaunchPhases, origin(task, LaunchPhases.KEY))


def test_the_phases_of_a_wave_are_left_signed_and_name_its_job_and_servers(run, watched):
    ended = run(SHOP)

    found = phases_of(ended, "database.recovery_job")
    asked = {call["request"]["jobID"] for call in calls(watched, "DescribeJobLogItems")}
    assert ended.state == "success"
    assert found is not None
    (job_id,) = found.jobs
    assert job_id in asked
    assert set(found.events(job_id)) == {f"s-{number:017d}" for number in (1, 2, 3)}
    assert set(found.events(job_id).values()) <= set(WORDS)


def test_a_run_that_may_not_read_job_logs_before_its_jobs_end_is_as_good_as_any(run, watched):
    watched.fault({"service": "drs", "operation": "DescribeJobLogItems", "do": "access_denied", "count": 1})

    ended = run(SHOP)

    assert (ended.state, set(ended.servers.values())) == ("success", {"launched"})
