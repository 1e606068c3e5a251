"""What a recovery has launched and no task has seen through: found by its jobs, protected, and named."""

from datetime import timedelta

import pytest
from drs_provider.rules.run.handover import FoundLaunch, FoundLaunches
from drs_provider.services.launch.unwatched import UnwatchedSearch, find_unwatched
from kit.fake_drs import NOW, FakeDrs

SERVERS = {"s-1": {}, "s-2": {}}


class Drs(FakeDrs):
    """The fake with what is asked about EC2 instances."""

    def __init__(self):
        super().__init__()
        self.protected: list[str] = []

    def ec2_instances(self, instance_ids):
        return {name: {"InstanceId": name, "State": {"Name": self.ec2[name]}} for name in instance_ids}

    def protect(self, instance_ids):
        self.protected += instance_ids
        return dict.fromkeys(instance_ids)


def found(drs, jobs, *, settled=(), known=None):
    return find_unwatched(drs, jobs, UnwatchedSearch(SERVERS, settled, known or {}))


def test_an_instance_of_a_job_that_nobody_watched_is_protected_and_named():
    drs = Drs()
    job = drs.add_job(["s-1"])
    drs.end(job)
    name = drs.add_instance("s-1", job["jobID"], is_drill=False)

    seen = found(drs, [job])

    launch = FoundLaunch(job_id=job["jobID"], instance_id=name, instance_state="RUNNING", protected=True)
    assert seen == FoundLaunches(servers={"s-1": launch}, ended_at=NOW - timedelta(hours=1))
    assert drs.protected == [name]
    assert launch.words == (
        f"its instance {name} of {job['jobID']} is RUNNING, protected from termination; no task waited for it"
    )


@pytest.mark.parametrize("is_drill", [True, False])
def test_what_a_task_has_seen_through_and_what_other_jobs_made_is_left_alone(is_drill):
    drs = Drs()
    job = drs.add_job(["s-1"])
    drs.end(job)
    drs.add_instance("s-1", job["jobID"], is_drill=is_drill)
    drs.add_instance("s-2", "drsjob-of-others", is_drill=is_drill)

    assert found(drs, [job], settled=["s-1"]) == FoundLaunches()
    assert drs.protected == []


def test_a_job_that_was_deleted_is_known_from_what_the_tasks_remember():
    drs = Drs()
    name = drs.add_instance("s-1", "drsjob-deleted", is_drill=False)

    seen = found(drs, [], known={"drsjob-deleted": ["s-1", "s-2"]})

    assert (seen.servers["s-1"].instance_id, seen.servers["s-1"].protected) == (name, True)
    assert seen.servers["s-2"].words == (
        "whether drsjob-deleted launched it is unknown: DRS shows no recovery instance of that job"
    )


def test_a_job_that_still_runs_is_said_so_that_it_is_waited_for():
    drs = Drs()
    job = drs.add_job(["s-1"])

    seen = found(drs, [job])

    assert seen.running == (job["jobID"],)
    assert seen.servers["s-1"].words == f"its job {job['jobID']} still runs, and nobody waits for it"


@pytest.mark.parametrize(
    ("minutes", "state", "expected"), [(1, "PENDING", True), (1, "RUNNING", False), (3, "PENDING", False)]
)
def test_what_drs_may_show_later_is_looked_at_again_for_a_while(minutes, state, expected):
    launch = FoundLaunch(job_id="drsjob-1", instance_id="i-1", instance_state=state)

    assert FoundLaunches(servers={"s-1": launch}, ended_at=NOW).may_change(NOW + timedelta(minutes=minutes)) is expected
