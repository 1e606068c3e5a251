"""Runs over the API, through Airflow's real API server: it asks Airflow's own API with the login that it came with."""

import json
from pathlib import Path

import pytest
from kit.failback_plans import SHOP

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[3]
RUNS = "/drs/api/v1/runs"
DRILL = {"mode": "drill", "reason": "over the API"}


@pytest.fixture
def hello(going_on):
    """The plan hello without runs that are not over, and not paused."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete, update

    def clean():
        with create_session() as session:
            session.execute(delete(DagRun).where(DagRun.dag_id == "drs.hello", DagRun.run_id != "ended"))
            session.execute(update(DagModel).where(DagModel.dag_id == "drs.hello").values(is_paused=False))

    clean()
    yield "drs.hello"
    clean()


def lines_of(event):
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(Log).where(Log.event == event).order_by(Log.id))
        return [(line.owner, line.dag_id, line.run_id, json.loads(line.extra or "{}")) for line in found]


def test_a_run_is_started_in_the_name_of_who_asks_as_by_the_form(api, hello, sign_in):
    """Preflight's gate for recovery managers, and four eyes, go by this name."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    answer = api.post(f"{RUNS}/{hello}", headers=sign_in("mallory"), json=DRILL)

    assert answer.status_code == 201, answer.text
    run_id = answer.json()["run"]["run_id"]
    assert answer.json()["run"]["triggered_by"] == "mallory"
    with create_session() as session:
        run = session.scalar(select(DagRun).where(DagRun.dag_id == hello, DagRun.run_id == run_id))
        assert (
            run.triggering_user_name,
            *(getattr(word, "value", word) for word in (run.triggered_by, run.run_type)),
        ) == (
            "mallory",
            "rest_api",
            "manual",
        )
        assert run.conf == DRILL
        assert run.logical_date is not None
    assert ("mallory", hello, run_id) in [line[:3] for line in lines_of("drs_run_started")]
    assert "mallory" in [line[0] for line in lines_of("trigger_dag_run")]
    again = api.post(f"{RUNS}/{hello}", headers=sign_in("mallory"), json=DRILL)
    assert (again.status_code, again.json()["detail"][:34]) == (409, "hello has a run that is not over, "[:34])


def test_a_viewer_reads_and_steers_nothing(api, hello, sign_in):
    run = api.post(f"{RUNS}/{hello}", headers=sign_in("adam"), json=DRILL).json()["run"]
    here = f"{RUNS}/{hello}/{run['short_id']}"
    body = {"wave": "second", "reason": "r", "option": "Approve", "by": "1h"}

    assert api.get(here, headers=sign_in("vera")).json()["status"] == "queued"
    assert api.get(f"{here}/wait?seconds=0", headers=sign_in("vera")).json()["is_over"] is False
    paths = [f"{here}/{verb}" for verb in ("pause", "cancel", "skip", "retry", "continue", "answer", "end", "extend")]
    for path in (*paths, f"{RUNS}/{hello}", f"{RUNS}/{hello}/resume"):
        refused = api.post(path, headers=sign_in("vera"), json=body)
        assert (path, refused.status_code) == (path, 403)
        assert refused.headers["content-type"] == "application/problem+json"
    assert api.get(here, headers=sign_in("vera")).json() | {"note": None} == run | {"note": None}
    refused = [line for line in lines_of("drs_refused") if line[0] == "vera"]
    assert any(line[3]["path"].endswith("/cancel") for line in refused)


def test_an_order_is_kept_signed_and_told_with_before_and_after(api, hello, sign_in):
    run = api.post(f"{RUNS}/{hello}", headers=sign_in("adam"), json=DRILL).json()["run"]
    here = f"{RUNS}/{hello}/{run['short_id']}"

    paused = api.post(f"{here}/pause", headers=sign_in("otto"))
    skipped = api.post(f"{here}/skip", headers=sign_in("otto"), json={"wave": "second", "reason": "not today"})
    resumed = api.post(f"{RUNS}/{hello}/resume", headers=sign_in("otto"))

    assert (paused.status_code, paused.json()["run"]["is_paused"]) == (200, True), paused.text
    assert (skipped.status_code, resumed.status_code) == (200, 200), skipped.text
    assert "wave second skipped by otto: not today" in skipped.json()["run"]["note"]
    (owner, dag_id, run_id, extra) = lines_of("drs_run_paused")[-1]
    assert (owner, dag_id, run_id) == ("otto", hello, run["run_id"])
    assert (extra["before"]["is_paused"], extra["after"]["is_paused"]) == (False, True)
    ordered = [line for line in lines_of("drs_order") if line[2] == run["run_id"]]
    assert {line[0] for line in ordered} == {"otto"}
    assert all("signature" in json.dumps(line[3]) for line in ordered)


@pytest.fixture
def way_back(airflow_db, going_on, tmp_path, monkeypatch):
    """The DAG of a plan's way back, without runs."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    (tmp_path / "shop.yaml").write_text(SHOP)
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(tmp_path))
    bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"), bundle_path=ROOT / "dags", bundle_name="way-back")
    assert bag.import_errors == {}
    with create_session() as session:
        session.merge(DagBundleModel(name="way-back"))
    with create_session() as session:
        sync_bag_to_db(bag, "way-back", None, session=session)
        session.execute(update(DagModel).where(DagModel.bundle_name == "way-back").values(is_paused=False))
    yield "drs.shop.failback"
    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.bundle_name == "way-back").values(is_stale=True))


def test_the_lines_of_a_way_back_are_of_its_own_runs(api, way_back, sign_in):
    started = api.post(f"{RUNS}/{way_back}", headers=sign_in("adam"), json={"mode": "reprotect", "confirm": "shop"})
    assert started.status_code == 201, started.text
    run = started.json()["run"]
    here = f"{RUNS}/{way_back}/{run['short_id']}"

    paused = api.post(f"{here}/pause", headers=sign_in("adam"))
    resumed = api.post(f"{RUNS}/{way_back}/resume", headers=sign_in("adam"))
    order = {"reason": "not today", "stop_failback": False}
    with_machines = api.post(f"{here}/cancel", headers=sign_in("adam"), json={**order, "stop_failback": True})
    cancelled = api.post(f"{here}/cancel", headers=sign_in("adam"), json=order)

    assert [answer.status_code for answer in (paused, resumed, cancelled)] == [200] * 3, cancelled.text
    assert (with_machines.status_code, "converts no machine of a data centre" in with_machines.text) == (409, True)
    for verb in ("started", "paused", "resumed", "cancelled"):
        owner, dag_id, run_id, _ = lines_of(f"drs_run_{verb}")[-1]
        of_run = None if verb == "resumed" else run["run_id"]  # a DAG is resumed, with all its runs
        assert (verb, owner, dag_id, run_id) == (verb, "adam", way_back, of_run)
    assert lines_of("drs_run_cancelled")[-1][3]["asked"] == order
    refused = api.post(f"{here}/cancel", headers=sign_in("vera"), json=order)
    assert refused.status_code == 403
    assert any(line[0] == "vera" and line[1] == way_back for line in lines_of("drs_refused"))


def test_airflows_cookie_steers_from_its_own_pages_only(api, hello, sign_in):
    cookie = {"Cookie": f"_token={sign_in('adam')['Authorization'].removeprefix('Bearer ')}"}

    elsewhere = api.post(f"{RUNS}/{hello}", headers={**cookie, "Sec-Fetch-Site": "cross-site"}, json=DRILL)
    own = api.post(f"{RUNS}/{hello}", headers={**cookie, "Sec-Fetch-Site": "same-origin"}, json=DRILL)

    assert (elsewhere.status_code, own.status_code) == (403, 201), own.text
    assert own.json()["run"]["triggered_by"] == "adam"


def test_what_is_real_must_be_confirmed(api, hello, sign_in):
    recovery = {"mode": "recovery", "reason": "the region is dark"}

    refused = api.post(f"{RUNS}/{hello}", headers=sign_in("adam"), json=recovery)
    started = api.post(f"{RUNS}/{hello}", headers=sign_in("adam"), json={**recovery, "confirm": "hello"})

    assert (refused.status_code, started.status_code) == (422, 201), started.text
    assert "confirm it with" in refused.json()["detail"]


def test_many_requests_at_once_do_not_wait_for_each_other_for_ever(api, hello, sign_in):
    """What a request asks Airflow for needs threads of the server, too."""
    from concurrent.futures import ThreadPoolExecutor

    headers = sign_in("vera")
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: api.get(f"{RUNS}/{hello}/ended", headers=headers).status_code, range(60)))

    assert answers == [200] * 60
