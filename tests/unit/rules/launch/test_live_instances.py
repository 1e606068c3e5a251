"""Whose the live instances of a server are, and whether a run may replace them."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.rules.launch.live_instances import (
    InstanceOrigin,
    Replacing,
    ensure_may_replace,
    origins_of,
    others_drills,
)
from drs_provider.rules.launch.tags import EXPIRES, MODE, PLAN, RUN, RUN_ID, Mark
from drs_provider.rules.purpose import DRILL, PURPOSES, RECOVERY

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON, BEFORE = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


def an_instance(job_id="drsjob-1", *, is_drill=True, state="RUNNING", **more):
    return {
        "recoveryInstanceID": "i-1",
        "sourceServerID": "s-1",
        "jobID": job_id,
        "isDrill": is_drill,
        "ec2InstanceState": state,
        **more,
    }


def a_job(created="2026-01-01T10:00:00.000000+00:00", **tags):
    return {"jobID": "drsjob-1", "creationDateTime": created, "tags": tags}


@pytest.mark.parametrize(
    ("mark", "owner"),
    [
        (None, "stranger"),
        (Mark("mine", "drill", SOON, "drs.other"), "this_run"),
        (Mark("other", "drill", SOON, "drs.shop"), "this_plan"),
        (Mark("other", "recovery", None, "drs.shop"), "this_plan"),
        (Mark("other", "drill", BEFORE, "drs.crm"), "expired_drill"),
        (Mark("other", "drill", NOW, "drs.crm"), "expired_drill"),
        (Mark("other", "drill", SOON, "drs.crm"), "other_drill"),
        (Mark("other", "drill", None, "drs.crm"), "stranger"),
        (Mark("other", "recovery", None, "drs.crm"), "stranger"),
        (Mark("other", "", None, "some_dag"), "stranger"),
    ],
)
def test_an_instance_is_whose_job_says_so(mark, owner):
    origin = InstanceOrigin("drsjob-1", BEFORE, mark)

    assert origin.owner(own_runs={"mine"}, own_plan="drs.shop", now=NOW) == owner
    is_others = owner in ("stranger", "other_drill")
    found = others_drills([an_instance()], {"i-1": origin}, own_runs={"mine"}, own_plan="drs.shop", now=NOW)
    assert list(found) == (["i-1"] if is_others else [])


@pytest.mark.parametrize("gone", [{"state": "TERMINATED"}, {"state": "NOT_FOUND"}, {"is_drill": False}])
def test_what_is_gone_or_recovered_is_no_drill_of_others(gone):
    assert others_drills([an_instance(**gone)], {}, own_runs=(), own_plan="", now=NOW) == {}


def test_the_tags_of_the_job_count_and_not_those_that_drs_copied_from_the_server():
    ours = {RUN: "r", MODE: "drill", EXPIRES: "2026-01-01T11:00:00Z", PLAN: "drs.shop", RUN_ID: "manual__1"}
    copied = an_instance(tags=ours)

    assert origins_of([copied], [a_job()])["i-1"].mark is None
    assert origins_of([an_instance()], [a_job(**ours)])["i-1"].mark == Mark(
        "r", "drill", BEFORE, "drs.shop", "manual__1"
    )


def test_the_age_is_known_from_the_job_or_from_the_servers_last_launch():
    last = {"initiated": {"jobID": "drsjob-1", "apiCallDateTime": "2026-01-01T09:00:00+00:00", "type": "DRILL"}}
    source = {"sourceServerID": "s-1", "lifeCycle": {"lastLaunch": last}}

    assert origins_of([an_instance()], [a_job()])["i-1"].words(NOW) == "launched 2h ago by job drsjob-1"
    assert origins_of([an_instance()], [], [source])["i-1"].words(NOW) == "launched 3h ago by job drsjob-1"
    assert origins_of([an_instance("drsjob-2")], [], [source])["i-1"].words(NOW) == "launched by job drsjob-2"
    assert origins_of([an_instance("")], [])["i-1"].words(NOW) == "launched by a job that DRS does not name"


@pytest.mark.parametrize(("ago", "is_recent"), [(0, True), (23.9, True), (24, False)])
def test_a_day_long_a_recovered_instance_is_new(ago, is_recent):
    assert InstanceOrigin("j", NOW - timedelta(hours=ago)).is_recent(NOW) is is_recent


def test_of_which_nothing_is_known_is_a_strangers_and_not_new():
    unknown = Replacing(own_plan="drs.shop").origin(an_instance())

    assert (unknown, unknown.is_recent(NOW)) == (InstanceOrigin("drsjob-1"), False)
    assert Replacing(own_plan="drs.shop").owner(an_instance(), NOW) == "stranger"


def test_only_a_recovery_may_ever_replace_what_is_recovered():
    ensure_may_replace(RECOVERY, replace_live_instances=True)
    ensure_may_replace(DRILL, replace_live_instances=False)
    with pytest.raises(RunRefused):
        ensure_may_replace("drill", replace_live_instances=True)
    assert not [purpose for purpose in PURPOSES if purpose.may_replace_recovered and purpose.is_drill]
    assert not [purpose for purpose in PURPOSES if purpose.may_replace_recovered and not purpose.needs_reason]
    assert not [purpose for purpose in PURPOSES if purpose.may_replace_recovered and not purpose.asks_for_approval]
