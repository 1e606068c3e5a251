"""Preflight refuses what only recovery managers start, by whatever way a run was started."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from drs_provider.airflow_internals import auth_managers
from drs_provider.airflow_internals.auth_managers import RoleHolders, holders_of
from drs_provider.dag.factory import build_dag
from drs_provider.dag.people.managers import ensure_may_start, managers_left
from drs_provider.dag.people.starter_listener import MarkingStarters
from drs_provider.exceptions import PreflightRefused
from drs_provider.plan.loader import read_folder
from drs_provider.rules.purpose import DRILL, RECOVERY
from drs_provider.rules.roles.managers import EVERYBODY, Managers
from drs_provider.rules.run.handover import ManagersKnown, PlanRunStart
from kit.dag_runs import SHOP, calls
from kit.fake_drs import MemoryStore
from kit.signatures import signed

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("default"),  # starlette's, of its test client, which Airflow's auth manager imports
]

AT = datetime(2026, 11, 22, 5, tzinfo=UTC)
PLACE = ("drs.shop", "manual__1", "preflight.check")


class Ti:
    dag_id, run_id, task_id, map_index, try_number, max_tries = *PLACE, -1, 1, 0

    def __init__(self):
        self.left = {}

    def xcom_push(self, *, key, value):
        self.left[key] = value

    def xcom_pull(self, *, task_ids, key):
        return self.left.get(key)


def a_context(starter, known=None, *, is_signed=True):
    store = MemoryStore()
    if known is not None:
        value = signed(known, *PLACE, stored_in="task_state_store") if is_signed else known.to_json()
        store.set(known.KEY, value, retention=None)
    dag_run = SimpleNamespace(triggering_user_name=starter, dag_id=PLACE[0], run_id=PLACE[1], conf={}, clear_number=0)
    return {"ti": Ti(), "task_state_store": store, "dag_run": dag_run, "params": {}}


@pytest.fixture
def limited(monkeypatch):
    def limit(text):
        monkeypatch.setenv("DRS_RECOVERY_MANAGERS", text)

    return limit


def refused(context, purpose=RECOVERY, start=None):
    with pytest.raises(PreflightRefused) as found:
        ensure_may_start(context, "shop", purpose, start)
    return str(found.value)


def known(**changes):
    return ManagersKnown(**({"roles": ("op",), "people": ("carl",), "at": AT} | changes))


def test_without_the_setting_everybody_starts_everything(limited):
    limited("")

    ensure_may_start(a_context(None), "shop", RECOVERY, None)
    assert managers_left(a_context(None)) == EVERYBODY


def test_names_are_managers_by_themselves(limited):
    limited("ann")

    ensure_may_start(a_context("ann"), "shop", RECOVERY, None)
    ensure_may_start(a_context("mallory"), "shop", DRILL, None)
    assert "and mallory, who started this run, is none of them" in refused(a_context("mallory"))


def test_a_setting_that_cannot_be_read_starts_no_recovery_and_rolls_back_nothing(limited):
    limited("role:")

    ensure_may_start(a_context("ann"), "shop", DRILL, None)
    assert refused(a_context("ann")) == (
        "the run of shop is refused, 1 reason; nothing was launched:\n"
        "  - [drs] recovery_managers is 'role:', and 'role:' in it names no role: nothing that is real starts until it "
        "does"
    )
    assert managers_left(a_context("ann")).include("ann") is False
    assert managers_left(a_context("ann")).are_named


NOT_SAID = "Airflow's scheduler has not said who has it when the run began"


@pytest.mark.parametrize(
    ("left", "is_signed", "said"),
    [
        (known(), True, None),
        (known(people=("bob",)), True, "is none of them"),
        (known(roles=("admin",)), True, NOT_SAID),
        (known(problem="nobody signs in here"), True, "nobody signs in here"),
        (None, True, NOT_SAID),
        (known(), False, "it has no signature, so it was not written by this run's own tasks"),
    ],
)
def test_roles_are_those_that_the_scheduler_has_signed(limited, left, is_signed, said):
    limited("role:op")
    context = a_context("carl", left, is_signed=is_signed)

    if said is None:
        ensure_may_start(context, "shop", RECOVERY, None)
        assert managers_left(context) == Managers((), ("op",), ("carl",))
    else:
        assert said in refused(context)
        assert not managers_left(context).include("carl")


def test_a_part_is_judged_by_who_started_the_whole(limited):
    limited("ann")
    part = PlanRunStart(
        plan="shop",
        dag_id=PLACE[0],
        run_id=PLACE[1],
        parent_plan="all",
        parent_dag_id="drs.all",
        parent_run_id="r",
        parent_task_id="t",
        mode="recovery",
        triggered_by="ann",
    )

    ensure_may_start(a_context(None), "shop", RECOVERY, part)
    ensure_may_start(cleared(a_context(None)), "shop", RECOVERY, part)  # by the step, which is tried again
    assert "mallory, who started this run" in refused(
        a_context(None), start=part.model_copy(update={"triggered_by": "mallory"})
    )


def cleared(context):
    context["dag_run"].clear_number = 1
    return context


def test_a_clear_does_not_start_anew_what_a_manager_has_started(limited):
    """Bob clears the run that ann has started: Airflow still names ann."""
    limited("ann")

    assert refused(cleared(a_context("ann"))) == (
        "the run of shop is refused, 1 reason; nothing was launched:\n"
        "  - a recovery is started by recovery managers only (ann), and somebody has cleared this run, Airflow "
        "does not say who: let one of them start a new run"
    )
    ensure_may_start(cleared(a_context("ann")), "shop", DRILL, None)
    ensure_may_start(cleared(a_context("ann")), "shop", RECOVERY, None, is_resumed=True)
    assert "and mallory, who started this run" in refused(cleared(a_context("mallory")))
    limited("")
    ensure_may_start(cleared(a_context("mallory")), "shop", RECOVERY, None)


@pytest.mark.parametrize("leg", ["execute", "resume_check"])
def test_a_preflight_that_has_waited_is_not_taken_for_one_that_was_cleared(limited, tmp_path, monkeypatch, leg):
    limited("ann")
    (tmp_path / "shop.yaml").write_text(SHOP)
    check = build_dag(read_folder(tmp_path).plans["shop"], tmp_path).task_dict["preflight.check"]
    form = {name: param.value for name, param in check.dag.params.items()}
    form |= {"mode": "recovery", "confirm": "shop", "reason": "the site is down"}
    context = cleared(a_context("ann")) | {"params": form}
    vars(context["dag_run"]).update(run_type="manual", run_after=AT, start_date=AT, logical_date=None)

    class LooksError(Exception):
        """It was let through."""

    def look(*_):
        raise LooksError

    monkeypatch.setattr(type(check), "_ensure_readable", look)
    monkeypatch.setattr(type(check), "_ensure_not_over", lambda *_: None)

    if leg == "execute":
        with pytest.raises(AirflowFailException, match="somebody has cleared this run"):
            check.execute(context)
    else:
        with pytest.raises(LooksError):
            check.resume_check(context, None)


@pytest.mark.parametrize("purpose", ["recovery", "migration"])
def test_preflight_asks_before_it_looks_at_anything(limited, tmp_path, purpose):
    limited("ann")
    (tmp_path / "shop.yaml").write_text(SHOP)
    dag = build_dag(read_folder(tmp_path).plans["shop"], tmp_path)
    form = {name: param.value for name, param in dag.params.items()}
    form |= {"mode": purpose, "confirm": "shop", "reason": "the site is down"}
    context = a_context("mallory") | {"params": form}
    vars(context["dag_run"]).update(run_type="manual", run_after=AT, start_date=AT, logical_date=None)

    with pytest.raises(AirflowFailException) as failed:
        dag.task_dict["preflight.check"].execute(context)

    assert "is started by recovery managers only (ann), and mallory, who started this run" in str(failed.value)


def test_a_whole_run_that_no_manager_has_started_launches_nothing(limited, run, simulator):
    """Airflow calls whoever starts a run by ``dag.test`` so."""
    limited("ann")

    ended = run(SHOP, mode="recovery", confirm="shop", reason="the site is down")

    said = "a recovery is started by recovery managers only (ann), and dag_test, who started this run, is none of them"
    assert said in (ended.said("preflight.check") or "")
    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert said in ended.report["verdict_reason"]
    assert calls(simulator, "StartRecovery") == []


# -- the scheduler's side ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "roles", "found"),
    [
        ({"USERS": "ann:op,bob:user,carl:OP,dora:admin", "ALL_ADMINS": "False"}, {"op"}, RoleHolders(("ann", "carl"))),
        ({"USERS": "ann:op,bob:user", "ALL_ADMINS": "False"}, {"op", "User"}, RoleHolders(("ann", "bob"))),
        ({"USERS": "ann:op", "ALL_ADMINS": "False"}, {"DR lead"}, RoleHolders()),
        (
            {"USERS": "ann:op", "ALL_ADMINS": "True"},
            {"op"},
            RoleHolders(problem="nobody signs in here: [core] simple_auth_manager_all_admins is set"),
        ),
        (
            {"USERS": "ann", "ALL_ADMINS": "False"},
            {"op"},
            RoleHolders(problem="the auth manager cannot be asked: IndexError"),
        ),
    ],
)
def test_the_simple_auth_manager_s_roles_stand_in_its_configuration(monkeypatch, settings, roles, found):
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_{name}", value)

    assert holders_of(roles) == found


def test_an_auth_manager_that_cannot_be_asked_is_named(monkeypatch):
    monkeypatch.setattr(auth_managers, "_configured", lambda: ("MwaaAuthManager", object))

    assert holders_of(["op"]) == RoleHolders(problem="MwaaAuthManager cannot be asked for the roles of a user")


def test_what_the_scheduler_says_at_the_begin_of_a_run_is_what_preflight_reads(limited, monkeypatch, airflow_db):
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import delete, select

    limited("role:op")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "carl:op,bob:user")
    facts = {"dag_id": PLACE[0], "run_id": PLACE[1], "run_type": DagRunType.MANUAL, "run_after": AT}
    here = TaskStateStoreModel.run_id == PLACE[1]
    try:
        for people in ("carl:op", "carl:op,dora:op"):  # a cleared run begins again, and is told again
            monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", people)
            with create_session() as session:
                run = session.scalar(select(DagRun).where(DagRun.run_id == PLACE[1]))
                if run is None:
                    run = DagRun(**facts, triggered_by=DagRunTriggeredByType.REST_API, triggering_user_name="carl")
                    session.add(run)
                    session.flush()
                MarkingStarters().on_dag_run_running(run, "started")
            with create_session() as session:
                (entry,) = session.scalars(select(TaskStateStoreModel).where(here)).all()
                context = a_context("carl")
                context["task_state_store"].set(entry.key, json.loads(entry.value), retention=None)
            ensure_may_start(context, "shop", RECOVERY, None)
            assert managers_left(context).by_role == tuple(part.partition(":")[0] for part in people.split(","))
    finally:
        with create_session() as session:
            session.execute(delete(TaskStateStoreModel).where(here))
            session.execute(delete(DagRun).where(DagRun.run_id == PLACE[1]))
