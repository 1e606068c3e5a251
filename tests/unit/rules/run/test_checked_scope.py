"""The record of preflight is about the run as it was started, or it is refused."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.run.checked_scope import deviations
from drs_provider.rules.run.handover import PreflightResult

NOW = datetime(2026, 1, 31, 14, tzinfo=UTC)
DB, WEB = ({"server_id": f"s-{name}", "hostname": name} for name in ("db1", "web1"))
ASKED = {
    "mode": "drill",
    "waves": None,
    "exclude_servers": [],
    "point_in_time": "latest",
    "replace_live_instances": False,
    "replace_drills": False,
    "continue_run": None,
}


def found(*, selected=("database", "web"), **more):
    waves = {
        name: {"selected": name in selected, "targets": [{"aws_conn_id": "a", "region": "r", "servers": [server]}]}
        for name, server in (("database", DB), ("web", WEB))
    }
    facts = {"plan": "shop", "digest": "d", "passed": True, "mode": "drill", "checked_at": NOW, "needs_approval": False}
    return PreflightResult.model_validate({**facts, "waves": waves, **more})


@pytest.mark.parametrize(
    ("checked", "asked"),
    [
        ({}, {}),
        ({}, {"waves": ["web", "database"]}),
        ({"selected": ("web",)}, {"waves": ["web"]}),
        ({"continue_run": None}, {"continue_run": ""}),
        ({"excluded": [{**DB, "hostname": "db9"}]}, {"exclude_servers": ["db9"]}),
        ({"point_in_time": "2026-01-31T13:00:00+00:00"}, {"point_in_time": "2026-01-31T14:00:00.7+01:00"}),
        ({"replace_drills": True}, {"replace_drills": True}),
        ({"launch": "ahead"}, {"launch": "ahead"}),
        ({"launch": "in_waves"}, {"launch": "in_waves"}),
    ],
)
def test_what_was_asked_for_deviates_in_nothing(checked, asked):
    assert list(deviations(found(**checked), {**ASKED, **asked})) == []


@pytest.mark.parametrize(
    ("checked", "asked", "said"),
    [
        ({"mode": "recovery"}, {}, "says mode 'recovery', and this run was started with 'drill'"),
        ({}, {"mode": None}, "says mode 'drill', and this run was started with None"),
        ({"launch": "ahead"}, {"launch": "in_waves"}, "says launch 'ahead', and this run was started with 'in_waves'"),
        ({}, {"launch": "ahead"}, "says launch 'in_waves', and this run was started with 'ahead'"),
        ({"continue_run": "k"}, {}, "says continue_run 'k', and this run was started with None"),
        (
            {"replace_live_instances": True}, {},
            "says replace_live_instances True, and this run was started with False",
        ),
        ({"replace_drills": True}, {"replace_drills": "true"},
         "says replace_drills True, and this run was started with 'true'"),
        ({}, {"waves": ["web"]}, "says waves database and web, and this run was started with web"),
        ({"selected": ()}, {}, "says waves none, and this run was started with all"),
        ({"selected": ("web",)}, {}, "says waves web, and this run was started with all"),
        (
            {}, {"exclude_servers": ["db1"]},
            "says that db1 is launched, and this run was started with exclude_servers db1",
        ),
        (
            {}, {"exclude_servers": ["s-web1"]},
            "says that web1 is launched, and this run was started with exclude_servers s-web1",
        ),
        (
            {"excluded": [{**DB, "hostname": "db9", "server_id": "s-9"}]}, {},
            "says that db9 is left out, and this run was started with exclude_servers none",
        ),
        (
            {"point_in_time": "2026-01-31T13:00:00+00:00"}, {},
            "says point_in_time 2026-01-31T13:00:00+00:00, and this run was started with latest",
        ),
        (
            {}, {"point_in_time": "2026-01-31T13:00:00Z"},
            "says point_in_time latest, and this run was started with 2026-01-31T13:00:00Z",
        ),
        ({}, {"point_in_time": "soon"}, "says point_in_time latest, and this run was started with 'soon'"),
    ],
)  # fmt: skip
def test_every_other_record_is_named(checked, asked, said):
    assert [str(deviation) for deviation in deviations(found(**checked), {**ASKED, **asked})] == [said]


def test_a_field_that_a_run_of_an_older_form_has_not_is_not_compared():
    assert list(deviations(found(mode="recovery", replace_live_instances=True), {})) == []
