"""``drs run`` steers real runs: one Airflow and one simulator, in processes of their own, for the whole module."""

import json
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from demo.ports import any_port
from demo.stack import PROJECT, Settings, Stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks for processes in /proc"),
]

PLANS = ("cancelled", "skipping", "mended", "paused")
PAST = "past"
"""The plan that is recovered, not drilled: past a wave that fails."""
WAVES = ("one", "two", "three")
HOSTS = {(plan, wave): f"box{3 * p + w + 1}" for p, plan in enumerate((*PLANS, PAST)) for w, wave in enumerate(WAVES)}

FLEET = """\
accounts:
  - id: "111122223333"
    regions:
      - name: us-west-2
        network: {vpc: 10.20.0.0/16, subnets: {prod: 10.20.0.0/22}}
        servers:
          - {count: 15, id: "s-000ctrl{n:010d}", hostname: "box{n}", lag: 2s, launch: {subnet: prod}}
"""
SLOW, FAST = 5, 120
"""How many times faster than in reality DRS works: a job takes 108 s while orders are given, which a busy machine may
need for them, and 4.5 s afterwards."""

ASKS = """\
from airflow.sdk import DAG, TaskGroup
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator

with DAG("drs.asks", schedule=None, tags=["drs"], max_active_runs=1):
    with TaskGroup("one"):
        asks = ApprovalOperator(task_id="pause", subject="May wave one start?", fail_on_reject=True)
        asks >> EmptyOperator(task_id="start_recovery") >> EmptyOperator(task_id="recovery_job")
"""


def plan_text(plan):
    """Three waves, one after the other, of one server each."""
    documents, waves = [], []
    for wave in WAVES:
        number = HOSTS[plan, wave].removeprefix("box")
        documents.append(
            f"kind: ProtectionGroup\nname: {plan}-{wave}\nregion: us-west-2\nservers: [s-000ctrl{int(number):010d}]\n"
        )
        waves.append(f"  - {{name: {wave}, groups: [{plan}-{wave}]}}\n")
    head = f"kind: RecoveryPlan\nname: {plan}\ndrill: {{network: shared}}\nwaves:\n"
    return "---\n".join([*documents, head + "".join(waves)])


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steering")
    for name in ("plans", "dags", "state"):
        (folder / name).mkdir()
    for plan in (*PLANS, PAST):
        (folder / "plans" / f"{plan}.yaml").write_text(plan_text(plan))
    (folder / "dags" / "asks.py").write_text(ASKS)
    (folder / "fleet.yaml").write_text(FLEET)
    for made in (PROJECT / ".demo").glob("empty-airflow-*.db"):
        shutil.copy(made, folder / "state")
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [
        {"name": name, "classpath": local, "kwargs": {"path": str(path)}}
        for name, path in (("plans", PROJECT / "dags"), ("asking", folder / "dags"))
    ]
    settings = Settings(
        state=folder / "state",
        plans=folder / "plans",
        fleets=(folder / "fleet.yaml",),
        speed=SLOW,
        port=any_port(),
        airflow={
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,vera:viewer",
            "PYTHONPATH": str(PROJECT / "plugins"),
        },
    )
    with Stack(settings) as running:
        running.places.passwords.write_text(json.dumps({"admin": running.password, "vera": "only-looks"}))
        for dag in (*PLANS, PAST, "asks"):
            running.await_dag(f"drs.{dag}")
        yield running


class Shell:
    """The command as a person runs it."""

    def __init__(self, stack):
        self.stack = stack

    def environ(self, user="admin", password=None):
        return {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(PROJECT / "plugins"),
            "DRS_AIRFLOW_URL": self.stack.airflow.address,
            "DRS_AIRFLOW_USER": user,
            "DRS_AIRFLOW_PASSWORD": password or self.stack.password,
        }

    def __call__(self, *arguments, code=0, **login):
        command = [sys.executable, "-m", "drs_provider.cli", "run", *arguments]
        ended = subprocess.run(command, env=self.environ(**login), text=True, capture_output=True, check=False)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def look(self, plan):
        return json.loads(self("status", plan, "--format", "json"))["run"]

    def waves(self, plan):
        return {wave["name"]: wave["status"] for wave in self.look(plan)["waves"]}

    def until(self, plan, wave, *states):
        give_up = time.monotonic() + 90
        while self.waves(plan)[wave] not in states:
            assert time.monotonic() < give_up, self("status", plan)
            self.stack.check(wait=0.3)


@pytest.fixture(scope="module")
def drs(stack):
    return Shell(stack)


@pytest.fixture(scope="module")
def started(drs, stack):
    """A drill of every plan, side by side: they wait for the same DRS, not for each other."""
    host = HOSTS["mended", "two"]
    fault = {"service": "drs", "hostname": host, "do": "fail_at", "event": "CONVERSION_START", "count": 1}
    stack.simulator.add_faults([{**fault, "error": "InsufficientInstanceCapacity"}])
    for plan in PLANS:
        drs("start", plan, "--reason", "rehearsal")
    for plan in PLANS:
        drs.until(plan, "one", "launching")
    drs("pause", "paused")
    drs("cancel", "cancelled", "--reason", "wrong network")
    drs("skip", "skipping", "two", "--reason", "not needed")
    httpx.post(f"{stack.simulator.address}/_simulator/clock", json={"speed": FAST}, trust_env=False)
    return PLANS


def launches(stack, plan):
    """The hostnames of a plan's servers that StartRecovery was called for, in order."""
    by_id = {f"s-000ctrl{int(host.removeprefix('box')):010d}": wave for (of, wave), host in HOSTS.items() if of == plan}
    asked = [
        server["sourceServerID"]
        for call in stack.simulator.calls()
        if call["operation"] == "StartRecovery" and call["committed"]
        for server in call["request"]["sourceServers"]
    ]
    return [by_id[server] for server in asked if server in by_id]


def test_a_cancelled_run_starts_nothing_more_watches_what_runs_and_ends_red(drs, stack, started):
    said = drs("wait", "cancelled", code=1)

    assert drs.waves("cancelled") == {"one": "launched", "two": "not_started", "three": "not_started"}
    assert launches(stack, "cancelled") == ["one"]
    run = drs.look("cancelled")
    order, verdict = run["note"].splitlines()
    assert (run["airflow_state"], order) == ("failed", "cancelled by admin: wrong network")
    assert verdict.startswith(f"Verdict: {run['report']['verdict']}. ")
    assert run["report"]["verdict"] not in ("passed", "completed_with_exceptions"), said
    report = json.loads(Path(run["report"]["json"].removeprefix("file://")).read_text())
    assert [(wave["wave"]) for wave in report["not_started"]] == ["two", "three"]
    assert {"task": "two.start_recovery", "message": "cancelled by admin: wrong network"} in report["errors"]
    assert report["cleanup"]["state"] == "completed"


def test_a_paused_run_starts_nothing(drs, stack, started):
    assert launches(stack, "paused") == ["one"]
    assert drs.look("paused")["is_paused"]
    assert "paused is paused, so a run would not begin" in drs("start", "paused", code=1)
    assert drs("resume", "paused") == "paused is resumed\n"


def test_a_skipped_wave_is_left_out_in_its_turn_and_those_after_it_go_on(drs, stack, started):
    drs("wait", "skipping")

    assert drs.waves("skipping") == {"one": "launched", "two": "skipped", "three": "launched"}
    assert launches(stack, "skipping") == ["one", "three"]
    run = drs.look("skipping")
    assert run["report"]["verdict"] == "completed_with_exceptions"
    report = json.loads(Path(run["report"]["json"].removeprefix("file://")).read_text())
    assert report["not_started"] == [{"wave": "two", "servers": 1, "because": "wave two skipped by admin: not needed"}]


def test_a_failed_wave_runs_again_without_those_that_are_up(drs, stack, started):
    drs("wait", "mended", code=1)
    assert drs.waves("mended") == {"one": "launched", "two": "failed", "three": "not_started"}
    began = drs.look("mended")["asked_for_at"]
    assert "wave three has not failed, it was not started: retry two instead" in drs("retry", "mended", "three", code=1)

    drs("retry", "mended", "two", "--reason", "capacity is back")

    drs("wait", "mended")
    assert set(drs.waves("mended").values()) == {"launched"}
    assert launches(stack, "mended") == ["one", "two", "two", "three"]
    run = drs.look("mended")
    report = json.loads(Path(run["report"]["json"].removeprefix("file://")).read_text())
    assert report["run"]["started_at"][:19] == began[:19], "the recovery time counts from the first start"


def test_a_person_goes_on_past_a_failed_wave_of_a_recovery(drs, stack, started):
    fault = {"service": "drs", "hostname": HOSTS[PAST, "two"], "do": "fail_at", "event": "CONVERSION_START"}
    stack.simulator.add_faults([{**fault, "error": "no capacity"}])
    drs("start", PAST, "--mode", "recovery", "--confirm", PAST, "--reason", "us-east-1 is dark")
    drs("wait", PAST, code=1)
    assert drs.waves(PAST) == {"one": "launched", "two": "failed", "three": "not_started"}
    assert "continue past two instead" in drs("continue", PAST, "--wave", "three", "--reason", "why", code=1)

    said = drs("continue", PAST, "--wave", "two", "--reason", "three does not need it")

    assert said.endswith("wave two is left as it is, 0 of 1 servers launched; then three\n")
    drs("wait", PAST)
    assert drs.waves(PAST) == {"one": "launched", "two": "completed_with_exceptions", "three": "launched"}
    assert launches(stack, PAST) == ["one", "two", "three"]
    run = drs.look(PAST)
    assert run["report"]["verdict"] == "completed_with_exceptions"
    report = json.loads(Path(run["report"]["json"].removeprefix("file://")).read_text())
    passed = "continued past failed wave two by admin: three does not need it"
    assert report["verdict_reason"].startswith(f"C{passed[1:]}; wave two: {HOSTS[PAST, 'two']} not launched")
    assert passed in run["note"].splitlines()


def test_a_run_that_was_started_here_has_a_logical_date_that_is_past(stack, started):
    """With it a task can tell what an earlier try left, docs/security.md; with one to come no task would begin."""
    for plan in PLANS:
        (run,) = stack.airflow.get(f"/dags/drs.{plan}/dagRuns")["dag_runs"]
        late = datetime.fromisoformat(run["run_after"]) - datetime.fromisoformat(run["logical_date"])
        assert timedelta(0) <= late < timedelta(minutes=1)


def test_a_resumed_run_goes_on_to_its_end(drs, stack, started):
    drs("wait", "paused")

    assert launches(stack, "paused") == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("answer", "code", "wave"), [("approve", 0, "unproven"), ("reject", 1, "not_started")], ids=["approved", "rejected"]
)
def test_a_question_is_answered(drs, answer, code, wave):
    drs("start", "asks")
    drs.until("asks", "one", "waiting_for_answer")
    assert "waiting for an answer: one.pause: May wave one start?" in drs("status", "asks")
    assert "user vera may not answer questions of a run" in drs(
        answer, "asks", code=1, user="vera", password="only-looks"
    )

    drs(answer, "asks", "--wave", "one", "--comment", "seen")

    drs("wait", "asks", code=code)
    assert drs.waves("asks") == {"one": wave}
    assert f"one.pause answered {answer.title()} by admin: seen" in drs.look("asks")["note"]


def test_who_may_only_look_is_told_which_right_is_missing(drs):
    assert "user vera may not start runs of the plan: it takes POST on DAG runs" in drs(
        "start", "asks", code=1, user="vera", password="only-looks"
    )
    assert re.search(r"refused the login of 'vera'", drs("list", code=1, user="vera", password="wrong"))
