"""What the last look of a recovery leaves where part of it cannot be done, and when a first refusal is believed."""

from types import SimpleNamespace

import pytest
from drs_provider.dag import left_alone
from drs_provider.dag.factory import build_dag
from drs_provider.dag.finish import leftovers
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.handover import FoundLaunch, FoundLaunches, RefusedAtFirst
from drs_provider.rules.run.names import PREFLIGHT_TASK
from kit.dag_runs import SHOP
from kit.signatures import signed

pytestmark = pytest.mark.airflow


@pytest.fixture
def look_over(tmp_path):
    (tmp_path / "shop.yaml").write_text(SHOP)
    return build_dag(read_folder(tmp_path).plans["shop"], tmp_path).task_dict["finish.look_over"]


def breaks(*_args, **_kwargs):
    raise KeyError("no such thing")


def test_what_was_found_stays_where_nobody_knows_what_is_lost(look_over, monkeypatch):
    found = FoundLaunches(servers={"s-1": FoundLaunch(job_id="drsjob-1", instance_id="i-1")})
    preflight = SimpleNamespace(servers=lambda _: [SimpleNamespace(server_id="s-1", settings={})])
    monkeypatch.setattr(
        "drs_provider.rules.run.state.LeftDocuments", lambda _: SimpleNamespace(preflight=lambda: preflight)
    )
    monkeypatch.setattr("drs_provider.services.launch.unwatched.find_unwatched", lambda *_: found)
    monkeypatch.setattr("drs_provider.services.launch.lost.find_lost", breaks)
    for name in ("snapshot_of", "was_refused_at_first"):
        monkeypatch.setattr(leftovers, name, lambda _: None)
    monkeypatch.setattr(leftovers, "jobs_of_run", lambda *_: [])
    monkeypatch.setattr(type(look_over), "_launched_here", lambda *_: ([], {}))
    monkeypatch.setattr(type(look_over), "hook", None)

    assert look_over._unwatched({}) == found.model_copy(update={"problem": "'no such thing'"})


def test_a_last_look_fails_no_recovery(look_over, monkeypatch):
    monkeypatch.setattr(type(look_over), "_find_outside_changes", breaks)

    look_over._leave_outside_changes({"params": {"mode": "recovery"}})
    with pytest.raises(KeyError):
        look_over._leave_outside_changes({"params": {"mode": "drill"}})


@pytest.mark.parametrize(
    ("clear_number", "newest", "believed"), [(0, None, True), (1, 1, True), (1, 2, False), (1, None, False)]
)
def test_a_first_refusal_counts_only_while_preflight_has_had_no_other_try(monkeypatch, clear_number, newest, believed):
    word = signed(RefusedAtFirst(), "drs.shop", "r", PREFLIGHT_TASK)
    ti = SimpleNamespace(
        dag_id="drs.shop",
        run_id="r",
        xcom_pull=lambda key, **_: word if key == RefusedAtFirst.KEY else None,
        get_task_states=lambda **_: {"r": {PREFLIGHT_TASK: "failed"}},
    )
    monkeypatch.setattr(left_alone, "newest_try_of", lambda *_: newest)
    run = SimpleNamespace(run_id="r", clear_number=clear_number)

    assert left_alone.was_refused_at_first({"ti": ti, "dag_run": run}) is believed
