"""A plan as a step of another plan: what its step does, and who may say that a run is such a part."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.rules.launch.tags import short_run_id
from drs_provider.rules.preflight.parts import part_findings
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.purpose import RECOVERY as REAL_RECOVERY
from drs_provider.rules.run.handover import KeptReport, PlanRunStart, WrittenReport
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.shape import compile_shape
from drs_provider.services.signed import keys
from kit.dag_runs import SHOP, calls
from kit.signatures import signed
from kit.step_world import GROUPS, steps_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[3]
MAIL = """\
---
kind: RecoveryPlan
name: mail
drill: {network: shared}
waves: [{name: web, groups: [web]}]
"""
ALL = f"""\
{GROUPS}kind: RecoveryPlan
name: shop
drill: {{network: shared}}
waves:
  - name: first
    after: [{{kind: plan, name: run-mail, plan: mail, timeout: 1m}}]
  - {{name: second, groups: [db]}}
{MAIL}"""

ENDS = {
    "passed": ("success", "passed", "All 1 servers in 1 waves were launched."),
    "exceptions": ("success", "completed_with_exceptions", "Step tell failed: nobody answered."),
    "failed": ("failed", "failed", "Wave web failed: web1: no capacity. Add capacity. Then start the drill again."),
    "another mode": ("success", "completed", "All 1 servers in 1 waves were launched."),
    "nothing": ("failed", None, ""),
}


@pytest.fixture
def mail_runs(plans, airflow_db):
    """End every run of the plan mail as a test wants: nothing schedules them here."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState

    over, seen = threading.Event(), []
    how = {"end": "passed"}

    def begin(end):
        how["end"] = end
        (plans / "shop.yaml").write_text(ALL)
        DagBundlesManager().sync_bundles_to_db()
        bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"), bundle_name="recovery-plans")
        sync_bag_to_db(bag, "recovery-plans", None)
        with create_session() as session:
            session.get(DagModel, "drs.mail").is_paused = False

    def end_runs():
        while not over.wait(0.2):
            with create_session() as session:
                for run in session.query(DagRun).filter(DagRun.dag_id == "drs.mail", DagRun.run_id.like("drs%")):
                    if run.state == DagRunState.QUEUED:
                        state, verdict, reason = ENDS[how["end"]]
                        seen.append((run.run_id, dict(run.conf)))
                        if verdict:
                            leave(session, run, verdict, reason)
                        run.state = DagRunState(state)

    def leave(session, run, verdict, reason):
        mode = "recovery" if verdict == "completed" else "drill"
        counts = {"servers": 1, "launched": int(verdict != "failed")}
        written = WrittenReport(json_path="/r/report.json", html_path="/r/report.html", verdict=verdict, reason=reason)
        kept = KeptReport(verdict=verdict, reason=reason, report={"counts": counts, "run": {"mode": mode}})
        for document in (written, kept):
            value = signed(document.to_json(), run.dag_id, run.run_id, "finish.report", key=document.KEY)
            XComModel.set(
                key=document.KEY,
                value=value,
                dag_id=run.dag_id,
                run_id=run.run_id,
                task_id="finish.report",
                serialize=False,
                session=session,
            )

    thread = threading.Thread(target=end_runs)
    thread.start()
    seen_by = type("MailRuns", (), {"begin": staticmethod(begin), "seen": seen})
    yield seen_by
    over.set()
    thread.join()


@pytest.mark.parametrize(
    ("end", "state", "verdict", "said"),
    [
        (
            "passed",
            "succeeded",
            "passed",
            "plan mail passed: All 1 servers in 1 waves were launched. Run RUN, report: /r/report.html",
        ),
        (
            "exceptions",
            "succeeded",
            "completed_with_exceptions",
            "plan mail completed with exceptions: Step tell failed: nobody answered. Run RUN, report: /r/report.html",
        ),
        (
            "failed",
            "failed",
            "failed",
            (
                "plan mail ended as failed: Wave web failed: web1: no capacity. Add capacity. Then start the "
                "drill again. "
                "Run RUN, report: /r/report.html. Once its cause is mended, clear this task: that run goes on, "
                "and what it "
                "has launched is kept; drs run status mail SHORT"
            ),
        ),
        (
            "another mode",
            "failed",
            "failed",
            (
                "run RUN of plan mail is no drill but a recovery: somebody else has started it under the id of this "
                "step's run. Start the drill by itself: drs run start mail"
            ),
        ),
        (
            "nothing",
            "failed",
            "failed",
            "run RUN of plan mail ended as failed in Airflow and left no report: drs run status mail SHORT",
        ),
    ],
)
def test_a_plan_is_run_once_with_what_it_inherits_and_its_end_is_the_step_s(  # noqa: PLR0917  (a row of a table)
    run, simulator, mail_runs, end, state, verdict, said
):
    mail_runs.begin(end)

    ended = run(ALL, reason="a quarterly drill")

    ((run_id, conf),) = mail_runs.seen
    step = steps_of(ended)["run-mail"]
    short = short_run_id("drs.mail", run_id)
    assert (step["state"], step["summary"]) == (state, said.replace("RUN", run_id).replace("SHORT", short))
    assert ended.report["verdict"] == verdict
    assert (step["part"]["plan"], step["part"]["run_id"]) == ("mail", run_id)
    proof = conf.pop("started_by")
    assert conf == {"mode": "drill", "reason": "a quarterly drill", "point_in_time": "latest"}
    place = Origin("drs.shop", ended.dag_run.run_id, "first.run-mail", PlanRunStart.KEY)
    assert keys().problem(proof, place) is None
    assert len(calls(simulator, "StartRecovery")) == (verdict != "failed")


def forged(run_id="drs__all__run-shop__1", **changes):
    """A proof that nobody has signed."""
    start = PlanRunStart(
        plan="shop",
        dag_id="drs.shop",
        run_id=run_id,
        parent_plan="all",
        parent_dag_id="drs.all",
        parent_run_id="manual__1",
        parent_task_id="before_waves.run-shop",
        mode="recovery",
        reason="us-east-1 is dark",
        **changes,
    )
    return start.to_json()


RECOVERY = {"mode": "recovery", "reason": "us-east-1 is dark"}
SAID = (
    "the run of shop is refused, 1 reason; nothing was launched:\n  - started_by: this run says that a step of another "
    "plan has started it, and cannot prove it: {}. Only such a step writes started_by: start the plan without it"
)


@pytest.mark.parametrize(
    ("proof", "why"),
    [
        (forged(), "it has no signature, so it was not written by this run's own tasks"),
        (
            {**forged(), "signature": {"key": "x", "try": 1, "hmac": "00"}},
            (
                "it is signed with a key that this machine does not have (its id is 'x'): every machine of this "
                "Airflow needs the same [drs] signing_key, and a replaced key stays behind the new one until the runs "
                "of its time are over"
            ),
        ),
        (
            signed(forged(), "drs.all", "manual__2", "before_waves.run-shop", key=PlanRunStart.KEY),
            "it is not what was written: somebody has edited it, or brought it here from elsewhere",
        ),
        (
            signed(forged(), "drs.all", "manual__1", "before_waves.run-shop", key=PlanRunStart.KEY),
            (
                "the proof is of step before_waves.run-shop of plan all, run manual__1, and a person has started "
                "this run"
            ),
        ),
        ("yes", "it is text, not a mapping"),
    ],
    ids=["not signed", "signed with another key", "signed in another run", "copied by a person", "no proof at all"],
)
def test_a_person_who_may_only_trigger_recovers_nothing_with_a_forged_part(run, simulator, proof, why):
    ended = run(SHOP, **RECOVERY, started_by=proof)

    assert (ended.state, ended.said("preflight.check")) == ("failed", SAID.format(why))
    assert [call for call in simulator.calls() if call["service"] == "drs"] == []


def test_a_typed_name_and_approvals_do_not_make_a_forged_part_a_recovery(run, simulator):
    approval = {"dag_id": "drs.all", "run_id": "r", "task_id": "a", "by": "ann", "at": datetime.now(UTC).isoformat()}
    policy = "recovery: {approval: {approvers: [ann]}}\n"

    text = SHOP.replace("waves:", policy + "waves:")
    ended = run(text, **RECOVERY, confirm="shop", started_by=forged(approvals=[approval]))

    assert ended.state == "failed"
    assert calls(simulator, "StartRecovery") == []


def test_a_drill_is_refused_where_a_part_of_it_has_problems(plans):
    (plans / "mail.yaml").write_text(MAIL.replace("groups: [web]", "groups: [mails]"))
    (plans / "shop.yaml").write_text(ALL.replace(MAIL, ""))
    library = read_folder(plans)
    shape = compile_shape(library.plans["shop"])

    what = f"plan mail has problems of its own and cannot run: {plans / 'mail.yaml'}:5"
    found = {purpose.name: part_findings(shape, purpose, library) for purpose in (DRILL, REAL_RECOVERY)}
    assert {name: [(finding.severity, finding.what) for finding in findings] for name, findings in found.items()} == {
        "drill": [("refusal", what)],
        "recovery": [("warning", what)],
    }
