"""What a recovery has launched and that is no more at its end, and what others have done to its jobs and tags."""

import pytest
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.handover import LostInstance
from drs_provider.services.launch.lost import find_lost
from drs_provider.services.launch.outside_changes import find_outside_changes
from kit.fake_drs import FakeDrs


def result(instance="i-9", *, job="drsjob-1", state="RUNNING"):
    return ServerResult("s-1", "db1", True, "launched", instance_id=instance, instance_state=state, job_id=job)


def world(drs_state, ec2_state, *, named=True):
    """A server that was launched, with what DRS and EC2 say of its instance now; None: they do not know it."""
    drs = FakeDrs()
    job = drs.add_job(["s-1"])
    drs.end(job)
    name = drs.add_instance("s-1", job["jobID"], state=drs_state or "RUNNING", is_drill=False)
    if drs_state is None:
        drs.instances.clear()
    del drs.ec2[name]
    drs.ec2 |= {name: ec2_state} if ec2_state else {}
    return drs, name, result(name if named else None, job=job["jobID"])


@pytest.mark.parametrize(
    ("drs_state", "ec2_state", "state"),
    [
        ("RUNNING", "running", None),
        ("RUNNING", "pending", None),
        ("RUNNING", "terminated", "terminated"),
        ("NOT_FOUND", "terminated", "terminated"),
        ("RUNNING", "shutting-down", "shutting-down"),
        ("STOPPED", "stopped", "stopped"),
        ("NOT_FOUND", None, "not known to EC2"),
        (None, None, "not known to EC2"),
        (None, "running", None),
        ("RUNNING", None, None),
    ],
)
def test_ec2_says_whether_what_was_launched_is_still_there(drs_state, ec2_state, state):
    drs, name, launched = world(drs_state, ec2_state)

    assert find_lost(drs, [launched]) == ({"s-1": LostInstance(instance_id=name, state=state)} if state else {})


def test_what_is_stopped_on_purpose_is_there():
    drs, name, _ = world("STOPPED", "stopped")
    assert find_lost(drs, [result(name, job=drs.all_jobs[0]["jobID"], state="STOPPED")]) == {}


def test_what_nobody_has_seen_is_looked_up_in_the_log_of_its_job():
    drs, name, launched = world(None, "running", named=False)
    assert find_lost(drs, [launched]) == {"s-1": LostInstance()}

    drs.targets["s-1"] = name
    assert find_lost(drs, [launched]) == {}


def test_the_words_say_who_may_have_done_it_and_where_to_look():
    assert LostInstance(instance_id="i-9", state="terminated").words == (
        "it was launched, and at the end of the run its instance i-9 is terminated: somebody, or EC2 itself, has ended "
        "it since"
    )
    assert LostInstance(instance_id="i-9", state="stopped").words == (
        "it was launched, and at the end of the run its instance i-9 is stopped: somebody has stopped it since; start "
        "it in EC2 if it shall run"
    )
    assert LostInstance().words == (
        "DRS said that it was launched, and neither DRS nor EC2 shows an instance of it: look in EC2"
    )


def test_nothing_is_asked_for_nothing():
    assert find_lost(object(), []) == {}


def test_a_job_that_is_deleted_and_one_without_tags_are_told_apart():
    drs = FakeDrs()
    there = drs.add_job(["s-1"])["jobID"]

    assert find_outside_changes(drs, known=["drsjob-9", there, "drsjob-8"], tagged=["drsjob-8"]) == {
        "drsjob-9": "DRS no longer knows it: somebody has deleted it",
        there: "its tag drs-orchestrator:run was taken away",
    }


def test_an_instance_without_the_tag_that_keeps_it_is_named():
    drs = FakeDrs()
    drs.ec2 |= {"i-1": "running", "i-2": "running"}
    drs.tags = {"i-1": {"drs-orchestrator:mode": "recovery"}, "i-2": {"Name": "db2"}}

    assert find_outside_changes(drs, known=[], tagged=[], instances=["i-1", "i-2"]) == {
        "i-2": "its tag drs-orchestrator:mode was taken away in EC2: policies that keep recovered instances by it do "
        "not hold any more"
    }
