"""Plans as DAGs: what Airflow sees of them, always the same, and without asking anybody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from kit.drawn_dags import as_text

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).parents[3]
DAG_FILE = ROOT / "dags" / "recovery_plans.py"
GOLDEN = ROOT / "tests" / "golden"


def bag_of(folder, monkeypatch):
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(folder))
    return DagBag(str(DAG_FILE))


@pytest.mark.parametrize("plan", ["hello", "ledger", "web-shop"])
def test_the_dag_of_a_plan_is_the_golden_one(plan, monkeypatch):
    bag = bag_of(ROOT / "plans", monkeypatch)
    golden = GOLDEN / f"{plan}.dag.txt"
    drawn = as_text(bag.dags[f"drs.{plan}"])
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(drawn)

    assert bag.import_errors == {}
    assert drawn == golden.read_text(), "REWRITE_GOLDEN=1 writes it afresh; read the difference before you commit it"


def test_the_dag_of_a_plan_that_migrates_is_the_golden_one(tmp_path, monkeypatch):
    (tmp_path / "shop.yaml").write_text((GOLDEN / "migration.yaml").read_text())
    bag = bag_of(tmp_path, monkeypatch)
    golden = GOLDEN / "migration.dag.txt"
    drawn = as_text(bag.dags["drs.shop"])
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(drawn)

    assert bag.import_errors == {}
    assert drawn == golden.read_text(), "REWRITE_GOLDEN=1 writes it afresh; read the difference before you commit it"


COMMIT = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: mail
region: eu-central-1
aws_conn_id: aws_there
launch: {copy_tags: true}
select: {tags: {Tier: mail}}
---
kind: RecoveryPlan
name: commit
drill: {network: isolated, keep_for: 1h}
recovery:
  approval: {approvers: [ann]}
  commit: {within: 12h, on_timeout: roll_back, approvers: [ann, bob]}
waves:
  - {name: database, groups: [db]}
  - {name: mail, groups: [mail], depends_on: []}
"""


def test_the_dag_of_a_plan_that_ends_with_a_question_is_the_golden_one(tmp_path, monkeypatch):
    (tmp_path / "commit.yaml").write_text(COMMIT)
    bag = bag_of(tmp_path, monkeypatch)
    golden = GOLDEN / "commit.dag.txt"
    drawn = as_text(bag.dags["drs.commit"])
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(drawn)

    assert bag.import_errors == {}
    assert drawn == golden.read_text(), "REWRITE_GOLDEN=1 writes it afresh; read the difference before you commit it"


def test_the_same_plan_gives_the_same_dag_in_every_process():
    code = (
        "import json, sys; from airflow.dag_processing.dagbag import DagBag;"
        "from airflow.serialization.serialized_objects import DagSerialization;"
        f"bag = DagBag({str(DAG_FILE)!r});"
        "print(json.dumps({k: DagSerialization.to_dict(d) for k, d in sorted(bag.dags.items())}))"
    )
    texts = set()
    for seed in ("0", "1"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "plugins")}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        dags = json.loads(done.stdout.splitlines()[-1])
        texts.add(json.dumps(_without_times(dags), sort_keys=True))

    assert len(texts) == 1


def _without_times(value):
    """Drop what Airflow itself fills with the present (last_loaded)."""
    if isinstance(value, dict):
        return {key: _without_times(element) for key, element in value.items() if key != "last_loaded"}
    return [_without_times(element) for element in value] if isinstance(value, list) else value


def test_parsing_asks_no_network_and_imports_no_boto3():
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a socket was opened while parsing')\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        f"bag = DagBag({str(DAG_FILE)!r})\n"
        "assert bag.import_errors == {}, bag.import_errors\n"
        "assert set(bag.dags) == {'drs.hello', 'drs.ledger', 'drs.web-shop', 'drs.sweeper'}, bag.dags\n"
        "assert not {'boto3', 'botocore', 'aiobotocore'} & set(sys.modules), 'boto3 came in with the DAG file'\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "plugins"), "DRS_PLANS_FOLDER": str(ROOT / "plans")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]


def test_the_start_of_a_task_reads_nothing_that_only_a_running_task_needs():
    code = (
        "import sys\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag({str(DAG_FILE)!r})\n"
        "assert set(bag.dags) == {'drs.web-shop'}, bag.import_errors\n"
        "print(*(name for name in sys.modules if name.startswith('drs_provider.')))\n"
    )
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "plugins"),
        "DRS_PLANS_FOLDER": str(ROOT / "plans"),
        "_AIRFLOW_PARSING_CONTEXT_DAG_ID": "drs.web-shop",
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    read = done.stdout.splitlines()[-1].split()
    assert [name for name in read if name.startswith(ONLY_WHEN_RUNNING) and name not in READS_WHEN_RUNNING] == []
    assert [name for name in read if name.startswith(("drs_provider.hooks", "drs_provider.triggers."))] == []


ONLY_WHEN_RUNNING = tuple(
    f"drs_provider.{name}"
    for name in (
        "services",
        "rules.run.handover",
        "rules.run.state",
        "rules.run.request",
        "rules.settings.values",
        "rules.launch.jobs",
        "rules.launch.results",
        "rules.launch.readiness",
        "rules.launch.conflicts",
        "rules.launch.takeover",
        "rules.isolation.proof",
        "rules.cleanup.leftovers",
        "plan.messages",
        "dag.check_schedule",
        "dag.finish.sweeper",
        "report",
    )
)

READS_WHEN_RUNNING = ("drs_provider.services", "drs_provider.services.signed")
"""What every task names, and what itself reads the documents only when it runs."""


BROKEN = """\
kind: RecoveryPlan
name: broken
drill: {network: shared}
waves:
  - {name: database, gruops: [shop-db]}
"""


@pytest.fixture
def plans(tmp_path):
    folder = tmp_path / "plans"
    (folder / "groups").mkdir(parents=True)
    for name in ("hello.yaml", "groups/hello.yaml"):
        (folder / name).write_text((ROOT / "plans" / name).read_text())
    return folder


def test_a_broken_plan_is_an_import_error_of_its_own_file_and_takes_no_other_along(plans, monkeypatch):
    (plans / "broken.yaml").write_text(BROKEN)

    bag = bag_of(plans, monkeypatch)

    assert set(bag.dags) == {"drs.hello", "drs.sweeper"}
    (error,) = bag.import_errors.items()
    assert error[0].endswith("plans/broken.yaml")
    assert f"{plans}/broken.yaml:5:" in error[1]
    assert "unknown key 'gruops' (did you mean 'groups'?)" in error[1]


def test_a_mended_plan_has_its_dag_again_and_no_error(plans, monkeypatch):
    (plans / "broken.yaml").write_text(BROKEN)
    bag_of(plans, monkeypatch)
    (plans / "broken.yaml").unlink()

    assert bag_of(plans, monkeypatch).import_errors == {}


def test_a_task_start_reads_its_own_plan_only(plans, monkeypatch):
    (plans / "broken.yaml").write_text(BROKEN)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "drs.hello")

    bag = bag_of(plans, monkeypatch)

    assert (set(bag.dags), bag.import_errors) == ({"drs.hello"}, {})


@pytest.mark.parametrize("dag_id", ["drs.nobody", "another_dag"])
def test_a_task_of_a_dag_that_is_not_ours_parses_to_nothing(plans, monkeypatch, dag_id):
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)

    assert bag_of(plans, monkeypatch).dags == {}


def test_a_plan_of_a_hundred_servers_stays_small_when_serialized(monkeypatch):
    dag = bag_of(ROOT / "plans", monkeypatch).dags["drs.web-shop"]

    assert len(json.dumps(DagSerialization.to_dict(dag))) < 33_500


def test_the_form_marks_only_the_mode_as_required_and_has_no_inline_code(monkeypatch):
    params = bag_of(ROOT / "plans", monkeypatch).dags["drs.web-shop"].params
    schemas = {name: params.get_param(name).schema for name in params}

    assert [name for name, schema in schemas.items() if "null" not in schema["type"]] == ["mode"]
    texts = [params.get_param(name).description or schema.get("description_md", "") for name, schema in schemas.items()]
    assert all(text for text in texts)
    assert [text for text in texts if "`" in text or "*" in text] == []
    # It is made when the file is read, and cannot know.
    assert "see Recovery plans in the menu, or the command drs verified web-shop" in texts[0]


def test_a_scheduled_drill_takes_its_time_zone_and_is_not_caught_up(plans, monkeypatch):
    text = (plans / "hello.yaml").read_text()
    assert "network: shared" in text
    (plans / "hello.yaml").write_text(
        text.replace("network: shared", "network: shared\n  schedule: '0 5 * * SUN'\n  timezone: Europe/Berlin")
    )

    dag = bag_of(plans, monkeypatch).dags["drs.hello"]

    assert (dag.timetable.expression, str(dag.timetable.timezone), dag.catchup) == (
        "0 5 * * SUN",
        "Europe/Berlin",
        False,
    )
    assert dag.params["mode"] == "drill"


TELLING = """\
title: Hello
rto: 10m
notify:
  - {kind: webhook, http_conn_id: chat, on: [started, wave_failed, failed, rto_at_risk]}
"""


@pytest.mark.parametrize("plan", ["hello", "ledger", "web-shop"])
def test_a_killed_process_is_no_failure_of_a_run(plan, monkeypatch):
    dag = bag_of(ROOT / "plans", monkeypatch).dags[f"drs.{plan}"]

    # Also of a task that only shows or marks something: the state of a run is that of all its leaves.
    assert {task.task_id: task.retries for task in dag.tasks if not task.is_teardown and task.retries < 3} == {}


def test_what_tells_stands_beside_the_waves_and_decides_nothing(plans, monkeypatch):
    plain = bag_of(plans, monkeypatch).dags["drs.hello"]
    text = (plans / "hello.yaml").read_text()
    for line in ("title:", "rto:"):
        text = "\n".join(text_line for text_line in text.split("\n") if not text_line.startswith(line))
    (plans / "hello.yaml").write_text(text.replace("kind: RecoveryPlan\n", f"kind: RecoveryPlan\n{TELLING}"))

    dag = bag_of(plans, monkeypatch).dags["drs.hello"]

    added = {task.task_id: task for task in dag.tasks if task.task_id not in plain.task_ids}
    waves = [group for group in dag.task_group.children if group not in ("preflight", "beside_waves", "finish")]
    assert set(added) == {f"{group}.notifications" for group in ("preflight", *waves, "finish")}
    assert all(task.is_teardown and not task.on_failure_fail_dagrun for task in added.values())
    assert {name: sorted(task.downstream_task_ids) for name, task in added.items()} == {
        "preflight.notifications": ["finish.report"],
        **{f"{wave}.notifications": ["finish.report"] for wave in waves},
        "finish.notifications": [],
    }
    for task in plain.tasks:  # whatever a recovery waits for is what it waited for before
        extra = dag.get_task(task.task_id).upstream_task_ids - task.upstream_task_ids
        assert not extra or task.task_id == "finish.report"


def test_an_rto_is_a_deadline_and_an_earlier_one_where_somebody_asks(plans, monkeypatch):
    text = (plans / "hello.yaml").read_text()
    text = "\n".join(text_line for text_line in text.split("\n") if not text_line.startswith("rto:"))

    def alerts(more):
        (plans / "hello.yaml").write_text(text.replace("kind: RecoveryPlan\n", f"kind: RecoveryPlan\n{more}"))
        dag = bag_of(plans, monkeypatch).dags["drs.hello"]
        return [(deadline.name, deadline.interval.total_seconds()) for deadline in dag.deadline or ()]

    asking = "notify: [{kind: webhook, http_conn_id: chat, on: [rto_at_risk]}]\n"
    assert alerts("") == []
    assert alerts("rto: 10m\n") == [("RTO 10m", 600)]
    assert alerts(f"rto: 10m\n{asking}") == [("80 % of RTO 10m", 480), ("RTO 10m", 600)]
    assert alerts(asking) == []
