"""What the trigger form may say, and what it is told when it may not."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import PreflightRefused
from drs_provider.rules.purpose import RECOVERY
from drs_provider.rules.run.request import LATEST_TICK, RunRequest, lateness, read_request

WAVES = ("database", "application", "web")


NOW = datetime(2026, 1, 31, 15, 0, 0, tzinfo=UTC)


def read(*, run_type="manual", late=None, has_launch_ahead=False, **params):
    form = {"mode": "drill", **params}
    return read_request(
        form,
        plan="web-shop",
        waves=WAVES,
        run_type=run_type,
        now=NOW,
        late=late,
        has_launch_ahead=has_launch_ahead,
    )


def test_an_empty_form_is_a_drill_of_everything():
    assert read() == RunRequest(
        mode="drill",
        point_in_time="latest",
        waves=WAVES,
        exclude_servers=(),
        replace_live_instances=False,
        reason="",
    )


@pytest.mark.parametrize(
    ("has_launch_ahead", "params", "chosen"),
    [
        (False, {}, "in_waves"),
        (False, {"launch": "in_waves"}, "in_waves"),
        (True, {}, "ahead"),
        (True, {"launch": "ahead"}, "ahead"),
        (True, {"launch": "in_waves"}, "in_waves"),
    ],
)
def test_servers_are_launched_when_the_plan_says_unless_the_form_says_in_waves(has_launch_ahead, params, chosen):
    assert read(has_launch_ahead=has_launch_ahead, **params).launch == chosen


@pytest.mark.parametrize(
    ("has_launch_ahead", "launch", "said"),
    [
        (False, "ahead", "launch is ahead, and the plan launches nothing ahead: write launch: ahead into the plan"),
        (True, "Ahead", "launch is 'Ahead': it must be in_waves or ahead"),
        (True, None, "launch is None: it must be in_waves or ahead"),
        (True, True, "launch is True: it must be in_waves or ahead"),
    ],
)
def test_what_is_no_time_to_launch_is_refused(has_launch_ahead, launch, said):
    with pytest.raises(PreflightRefused, match=re.escape(f"  - {said}") + "$"):
        read(has_launch_ahead=has_launch_ahead, launch=launch)


def test_a_recovery_needs_the_plans_name_and_a_reason():
    request = read(mode="recovery", confirm="web-shop", reason=" the region is dark ")

    assert (request.mode, request.purpose, request.reason) == ("recovery", RECOVERY, "the region is dark")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (None, "latest"),
        ("", "latest"),
        (" Latest", "latest"),
        ("2026-01-31T14:05:00Z", "2026-01-31T14:05:00+00:00"),
        ("2026-01-31T15:05:00.9+01:00", "2026-01-31T14:05:00+00:00"),
        ("2026-01-31 14:05Z", "2026-01-31T14:05:00+00:00"),
    ],
)
def test_a_point_in_time_is_kept_in_utc_to_the_second(written, kept):
    request = read(point_in_time=written)

    assert request.point_in_time == kept
    assert request.as_of == (None if kept == "latest" else datetime.fromisoformat(kept))


def test_a_recovery_may_replace_what_is_live_and_a_drill_what_others_drills_left():
    go = {"mode": "recovery", "confirm": "web-shop", "reason": "fire"}

    assert read(**go, replace_live_instances=True).replace_live_instances is True
    assert read(replace_drills=True).replace_drills is True
    assert read(replace_drills=None).replace_drills is False


@pytest.mark.parametrize("run_type", ["manual", "scheduled", "operator_triggered", "asset_triggered"])
def test_a_check_is_started_by_whoever_may_start_a_drill(run_type):
    assert read(mode="check", run_type=run_type).mode == "check"


def test_chosen_waves_keep_the_order_of_the_plan():
    assert read(waves=["web", "database"]).waves == ("database", "web")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        pytest.param(
            {"mode": "Drill"},
            ["mode 'Drill' is neither 'drill' nor 'recovery' nor 'migration' nor 'check'"],
            id="mode in capitals",
        ),
        pytest.param(
            {"mode": True},
            ["mode True is neither 'drill' nor 'recovery' nor 'migration' nor 'check'"],
            id="mode as a bool",
        ),
        pytest.param(
            {"mode": None}, ["mode None is neither 'drill' nor 'recovery' nor 'migration' nor 'check'"], id="no mode"
        ),
        pytest.param(
            {"mode": "recovery"},
            [
                "mode is recovery: type the plan's name, web-shop, into 'confirm'",
                "mode is recovery: write into 'reason' why production is recovered; it is in the report",
            ],
            id="recovery without the typed name",
        ),
        pytest.param(
            {"mode": "recovery", "confirm": "web-shop", "reason": "fire", "run_type": "scheduled"},
            [
                (
                    "only drills and checks are started by a schedule: a recovery needs a person, and this run is "
                    "scheduled"
                )
            ],
            id="recovery by schedule",
        ),
        pytest.param(
            {"mode": "recovery", "confirm": "web-shop", "reason": "fire", "run_type": "operator_triggered"},
            [
                (
                    "only drills and checks are started by another DAG: a recovery needs a person, and this run is "
                    "operator_triggered"
                )
            ],
            id="recovery by another DAG",
        ),
        pytest.param(
            {"mode": "recovery", "confirm": "web-shop", "reason": "fire", "run_type": "asset_triggered"},
            [
                (
                    "only drills and checks are started by an asset event: a recovery needs a person, and this run is "
                    "asset_triggered"
                )
            ],
            id="recovery by an asset event",
        ),
        pytest.param(
            {"mode": "check", "continue_run": "0" * 32},
            ["continue_run: a check launches nothing, so it continues no run: leave the field empty"],
            id="a check that continues a run",
        ),
        pytest.param(
            {"mode": "check", "run_type": "backfill"},
            ["a run of a plan is started by a person, a schedule or another DAG, and this one is backfill"],
            id="a check by backfill",
        ),
        pytest.param(
            {"run_type": "backfill"},
            ["a run of a plan is started by a person, a schedule or another DAG, and this one is backfill"],
            id="a backfill",
        ),
        pytest.param(
            {"run_type": "scheduled", "late": timedelta(hours=15)},
            [
                (
                    "this drill was due 15h ago by the plan's schedule, and what is missed is not caught up: wait for "
                    "the next one, or start one now (drs run start web-shop)"
                )
            ],
            id="a schedule's tick that was missed",
        ),
        pytest.param(
            {"point_in_time": "yesterday"},
            ["point_in_time: 'yesterday' is neither 'latest' nor an instant such as 2026-01-31T14:05:00Z"],
            id="no instant",
        ),
        pytest.param(
            {"point_in_time": "2026-01-31T16:30:00+01:00"},
            ["point_in_time: 2026-01-31 15:30:00 UTC is in the future; it is now 2026-01-31 15:00:00 UTC"],
            id="an instant to come",
        ),
        pytest.param(
            {"point_in_time": "2026-01-31 14:05"},
            [
                (
                    "point_in_time: '2026-01-31 14:05' does not say in which time zone: write 2026-01-31T14:05:00Z for "
                    "UTC, or the offset, for example 2026-01-31T14:05:00+02:00"
                )
            ],
            id="an instant without an offset",
        ),
        pytest.param(
            {"waves": []},
            ["waves: none is chosen; choose some of database, application, web, or leave the field out for all"],
            id="no wave chosen",
        ),
        pytest.param(
            {"replace_live_instances": "False"},
            ["replace_live_instances is 'False': it must be true or false"],
            id="a flag as text",
        ),
        pytest.param(
            {"replace_drills": 1},
            ["replace_drills is 1: it must be true or false"],
            id="a flag as a number",
        ),
        pytest.param(
            {"replace_live_instances": True},
            [
                (
                    "replace_live_instances is for recoveries: a drill never terminates a live recovered "
                    "instance. Switch it "
                    "off, and leave out the servers that have one (exclude_servers)"
                )
            ],
            id="a drill that is to replace production",
        ),
        pytest.param(
            {"waves": ["databse", "mail"]},
            [
                "waves: no wave called 'databse' (did you mean 'database'?)",
                "waves: no wave called 'mail' (the plan has database, application, web)",
            ],
            id="unknown waves",
        ),
        pytest.param(
            {"mode": "test", "waves": ["wbe"]},
            [
                "mode 'test' is neither 'drill' nor 'recovery' nor 'migration' nor 'check'",
                "waves: no wave called 'wbe' (did you mean 'web'?)",
            ],
            id="everything at once",
        ),
    ],
)
def test_a_form_that_may_not_run_is_told_everything_that_is_wrong(params, said):
    with pytest.raises(PreflightRefused) as refused:
        read(**params)

    assert list(refused.value.findings) == said


@pytest.mark.parametrize("run_type", ["manual", "scheduled", "operator_triggered", "asset_triggered"])
def test_a_drill_may_be_started_by_everybody_and_everything_but_a_backfill(run_type):
    assert read(run_type=run_type).mode == "drill"


@pytest.mark.parametrize(
    ("behind", "late"),
    [
        (timedelta(0), None),
        (timedelta(minutes=-1), None),
        (LATEST_TICK, None),
        (LATEST_TICK + timedelta(seconds=1), LATEST_TICK + timedelta(seconds=1)),
        (timedelta(hours=15), timedelta(hours=15)),
    ],
)
def test_a_tick_is_late_after_some_minutes(behind, late):
    assert lateness(NOW - behind, NOW) == late
