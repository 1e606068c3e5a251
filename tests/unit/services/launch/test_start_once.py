"""Starting a job exactly once although StartRecovery has no client token."""

import pytest
from drs_provider.exceptions import AccessDenied, Conflict, QuotaExceeded, ServiceUnavailable, Throttled
from drs_provider.rules.launch.tags import job_tags
from drs_provider.services.launch.start_once import (
    LOOKS_AFTER_A_CRASH,
    LOOKS_AFTER_A_LOST_ANSWER,
    MOST_THROTTLES,
    StartRequest,
    start_once,
)
from kit.fake_drs import NOW, FakeDrs

TAGS = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1)
LAUNCH = StartRequest(("s-1", "s-2"), is_drill=True, tags=TAGS, snapshot_ids={})


def refusal(kind, **more):
    return lambda: kind("StartRecovery", kind.__name__, "no", **more)


def started(drs, slept=None):
    return start_once(drs, LAUNCH, since=NOW, sleep=(slept if slept is not None else []).append)


def test_a_job_that_starts_is_not_looked_for():
    drs = FakeDrs()
    job, found = started(drs)

    assert (job["jobID"], found, len(drs.all_jobs)) == (drs.all_jobs[0]["jobID"], False, 1)


@pytest.mark.parametrize("kind", [Conflict, ServiceUnavailable])
def test_a_job_whose_answer_was_lost_is_found_by_its_tags(kind):
    drs = FakeDrs()

    def commit_then_drop():
        drs.add_job(("s-1", "s-2"), tags=TAGS)
        return refusal(kind)()

    drs.answers = [commit_then_drop]
    job, found = started(drs)

    assert (job, found) == (drs.all_jobs[0], True)
    assert drs.starts == [("s-1", "s-2")]


def test_a_job_that_becomes_visible_late_is_waited_for():
    drs, slept = FakeDrs(), []
    drs.answers = [refusal(ServiceUnavailable)]
    drs.before_look = lambda: len(slept) == 5 and drs.add_job(("s-1", "s-2"), tags=TAGS)

    job, found = started(drs, slept)

    assert (job, found) == (drs.all_jobs[0], True)
    assert slept == list(LOOKS_AFTER_A_LOST_ANSWER[:5])


@pytest.mark.parametrize(
    ("kind", "looks"), [(Conflict, LOOKS_AFTER_A_CRASH), (ServiceUnavailable, LOOKS_AFTER_A_LOST_ANSWER)]
)
def test_if_no_job_is_ours_the_refusal_is_raised_and_nothing_is_sent_again(kind, looks):
    drs, slept = FakeDrs(), []
    drs.add_job(("s-1",), tags={**TAGS, "drs-orchestrator:run": "another run"})
    drs.answers = [refusal(kind)]

    with pytest.raises(kind):
        started(drs, slept)

    assert slept == list(looks)
    assert len(drs.starts) == 1


def test_after_a_lost_answer_it_is_looked_for_over_a_whole_minute():
    assert sum(LOOKS_AFTER_A_LOST_ANSWER) >= 60


def test_being_throttled_has_no_effect_so_the_call_is_sent_again_after_retry_after():
    drs, slept = FakeDrs(), []
    drs.answers = [refusal(Throttled, retry_after_seconds=7), refusal(Throttled)]

    _job, found = started(drs, slept)

    assert (len(drs.starts), found, slept) == (3, False, [7, 2])


def test_being_throttled_for_ever_ends_in_the_refusal():
    drs, slept = FakeDrs(), []
    drs.answers = [refusal(Throttled) for _ in range(MOST_THROTTLES + 1)]

    with pytest.raises(Throttled):
        started(drs, slept)

    assert len(slept) == MOST_THROTTLES


@pytest.mark.parametrize("kind", [AccessDenied, QuotaExceeded])
def test_a_plain_refusal_is_raised_at_once(kind):
    drs, slept = FakeDrs(), []
    drs.answers = [refusal(kind)]

    with pytest.raises(kind):
        started(drs, slept)

    assert slept == []


def test_nobody_says_not_ours_while_the_looking_itself_fails():
    drs = FakeDrs()
    drs.answers = [refusal(Conflict)]

    def unanswered():
        raise ServiceUnavailable("DescribeJobs", "InternalServerException", "no")

    drs.before_look = unanswered

    with pytest.raises(ServiceUnavailable) as caught:
        started(drs)

    assert caught.value.operation == "DescribeJobs"
