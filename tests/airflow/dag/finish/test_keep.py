"""A drill that is kept for people, leg by leg: when it is, who ends it, what an extension moves."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from drs_provider.dag.finish import keep as keeping
from drs_provider.dag.finish.keep import KeepDrill
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.handover import RunOrder, ServerResults, Superseded
from drs_provider.rules.run.roster import Target
from kit.orders import order
from kit.signatures import signed_xcoms, unsigned

pytestmark = pytest.mark.airflow

DAG, RUN, START = "drs.shop", "r1", "database.start_recovery"
CHECKED = {
    "plan": "shop",
    "digest": "d",
    "passed": True,
    "mode": "drill",
    "checked_at": "2026-01-01T12:00:00Z",
    "needs_approval": False,
    "waves": {"database": {"selected": True, "targets": []}},
}
SERVERS = ServerResults(
    servers=(ServerResult(server_id="s-1", hostname="db1", critical=True, status="launched", instance_id="i-1"),)
).to_json()

CANCELLED = RunOrder(kind="cancel", message="cancelled by ann")


class Ti:
    dag_id, run_id, task_id, map_index = DAG, RUN, "finish.keep", -1
    id, try_number, max_tries = "ti-1", 1, 2

    def __init__(self, left):
        self.left = left

    def xcom_pull(self, task_ids, key="return_value"):
        return self.left.get((task_ids, key))

    def xcom_push(self, key, value):
        self.left[self.task_id, key] = value


class Store(dict):
    def set(self, key, value, *, retention=None):
        self[key] = value


class Hook:
    """The cloud: one job of this run and its instance."""

    def __init__(self):
        self.moved = {}
        self.expires = datetime.now(UTC) + timedelta(hours=1)
        self.run = None

    def tag_all(self, arns, tags):
        self.moved |= dict.fromkeys(arns, tags)
        return {}

    def jobs(self, ids):
        return [{"jobID": identifier, "participatingServers": [{"sourceServerID": "s-1"}]} for identifier in ids]

    def jobs_since(self, when):
        tags = {"drs-orchestrator:run": self.run, "drs-orchestrator:mode": "drill"}
        tags["drs-orchestrator:expires"] = self.expires.isoformat()
        return [{"jobID": "j1", "arn": "arn:j1", "tags": tags}]

    def recovery_instances(self, *, source_server_ids):
        return [{"recoveryInstanceID": "i-1", "arn": "arn:i-1", "jobID": "j1", "sourceServerID": "s-1"}]

    def mark(self, instances, tags):
        self.moved |= {instance["recoveryInstanceID"]: tags for instance in instances}
        return {}


@pytest.fixture
def hook(monkeypatch):
    found = Hook()
    monkeypatch.setattr(keeping, "traces_hook", lambda _: found)
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **_: None)
    return found


def a_task():
    place = SimpleNamespace(target=Target("aws_default", "us-west-2"), waves=("database",))
    kept = timedelta(hours=2)
    return KeepDrill(
        task_id="keep",
        plan="shop",
        keep_for=kept,
        places=[place],
        digest="d",
        start_task_ids=[START],
        watch_task_ids={"database": "database.recovery_job"},
    )


def a_context(**left):
    from drs_provider.rules.launch.tags import run_key

    xcoms = {
        ("preflight.check", "preflight"): CHECKED,
        (START, "launch"): {"jobs": []},
        ("database.recovery_job", "servers"): SERVERS,
    } | {tuple(name.rsplit("/", 1)): value for name, value in left.items()}
    ti = Ti(signed_xcoms(xcoms, DAG, RUN))
    now = datetime.now(UTC)
    run = SimpleNamespace(dag_id=DAG, run_id=RUN, run_after=now, start_date=now)
    context = {"ti": ti, "task_instance": ti, "dag_run": run, "task_state_store": Store()}
    return context, run_key(DAG, RUN)


def answer(option, who="ann", **more):
    return {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": who, "name": who},
        "timedout": False,
        **more,
    }


def ask(task, context):
    with pytest.raises(TaskAwaitingInput) as parked:
        task.execute(context)
    return parked.value


def test_people_are_asked_for_as_long_as_the_plan_says(hook):
    task, (context, _) = a_task(), a_context()

    parked = ask(task, context)

    assert timedelta(hours=1, minutes=59) < parked.timeout <= timedelta(hours=2)
    assert task.options == ["End now", "Extend by 30m", "Extend by 1h", "Extend by 4h", "Extend by 1d"]
    assert task.defaults == ["End now"]
    assert task.subject == "The drill of shop is up, and kept for people"
    assert "| db1 | database | launched | i-1 |" in task.body


@pytest.mark.parametrize(
    ("left", "why"),
    [
        ({"preflight.check/preflight": None}, "not a drill, so nothing is kept"),
        (
            {"preflight.check/preflight": {**CHECKED, "mode": "recovery"}},
            "not a drill, so nothing is kept",
        ),
        ({f"{START}/launch": None}, "nothing was launched, so there is nothing to look at"),
        (
            {f"{START}/superseded": Superseded.from_json("a recovery of db1 began")},
            "a recovery of db1 began: the drill is cleaned up at once",
        ),
        ({f"{START}/{RunOrder.KEY}": CANCELLED}, "the run was cancelled: the drill is cleaned up at once"),
    ],
)
def test_nothing_is_kept_where_nobody_can_or_wants_to_look(hook, left, why):
    with pytest.raises(AirflowSkipException) as skipped:
        a_task().execute(a_context(**left)[0])

    assert str(skipped.value) == why


def test_a_drill_is_not_kept_after_a_cancellation_that_nothing_else_had_to_obey(hook):
    task, (context, _) = a_task(), a_context()
    order(context, CANCELLED)

    with pytest.raises(AirflowSkipException) as skipped:
        task.execute(context)

    assert str(skipped.value) == "the run was cancelled: the drill is cleaned up at once"


def test_somebody_ends_it(hook):
    task, (context, _) = a_task(), a_context()
    ask(task, context)

    kept = task.execute_complete(context, answer("End now"))

    assert (kept["by"], kept["extended"]) == ("ann", 0)
    assert kept["ended_at"]
    assert unsigned(context["ti"].left["finish.keep", "kept"]) == unsigned(kept)
    assert hook.moved == {}


def test_the_time_ends_it(hook):
    task, (context, _) = a_task(), a_context()
    ask(task, context)

    kept = task.execute_complete(context, answer("End now", None, timedout=True, responded_by_user=None))

    assert kept["by"] is None
    assert kept["ended_at"]


def test_an_extension_asks_again_and_moves_the_expiry_of_everything(hook):
    task, (context, hook.run) = a_task(), a_context()
    ask(task, context)

    with pytest.raises(TaskAwaitingInput) as parked:
        task.execute_complete(context, answer("Extend by 4h", "bob"))

    assert timedelta(hours=5, minutes=59) < parked.value.timeout <= timedelta(hours=6)
    assert set(hook.moved) == {"j1", "i-1"}
    moved = datetime.fromisoformat(hook.moved["j1"]["drs-orchestrator:expires"])
    assert timedelta(hours=8.9) < moved - datetime.now(UTC) <= timedelta(hours=9)  # 2 h, 4 h, then to clean up
    kept = context["ti"].left["finish.keep", "kept"]
    assert (kept["extended"], [extension["by"] for extension in kept["extensions"]]) == (1, ["bob"])
    assert kept["extensions"][0]["until"] == kept["until"]
    assert kept["until"][:16].replace("T", " ") not in task.subject + task.body  # Airflow would never change it


def test_an_extension_never_brings_the_expiry_forward(hook):
    hook.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    task, (context, hook.run) = a_task(), a_context()
    ask(task, context)

    with pytest.raises(TaskAwaitingInput):
        task.execute_complete(context, answer("Extend by 30m"))

    assert datetime.fromisoformat(hook.moved["j1"]["drs-orchestrator:expires"]) == hook.expires


def test_a_retry_goes_on_and_does_not_ask_who_has_answered(hook):
    task, (context, _) = a_task(), a_context()
    ask(task, context)
    kept = task.execute_complete(context, answer("End now"))

    assert unsigned(a_task().execute(context)) == unsigned(kept)
    context["ti"].max_tries = 3  # cleared
    ask(a_task(), context)
