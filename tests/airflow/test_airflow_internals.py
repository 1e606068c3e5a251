"""What Airflow does not promise and this package relies on: one test fails for each thing that a new minor changes."""

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import airflow.sdk
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, BaseOperator, TaskGroup
from drs_provider.airflow_internals import TaskStore, metadata, tasks
from drs_provider.airflow_internals import dag_parts as authoring
from drs_provider.airflow_internals.task_groups import list_in_order
from drs_provider.airflow_internals.task_runner import Leg, comms, manual_run, run_leg, set_supervisor_comms
from drs_provider.rehearsal.engine.supervisor import Supervisor

pytestmark = pytest.mark.airflow

PACKAGE = Path(__file__).resolve().parents[2] / "plugins" / "drs_provider"
PROMISED_MODULES = ("airflow.triggers.base", "airflow.listeners", "airflow.providers")
PROMISED_ERRORS = {
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "TaskDeferralTimeout",
    "TaskDeferred",  # what ``defer`` raises, by the documentation of deferrable operators
}
"""Exceptions that Airflow's documentation names for authors of tasks, operators and sensors."""

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOBODY = UUID(int=0)


def imports_of(file):
    """Every name that a file imports of Airflow, with the module that it is taken from."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "airflow":
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "airflow")


def is_promised(module, name):
    if module == "airflow.sdk":
        return name in airflow.sdk.__all__
    if module == "airflow.sdk.exceptions":
        return name in PROMISED_ERRORS
    return module.startswith(PROMISED_MODULES)


def test_nothing_outside_of_the_fence_imports_what_airflow_does_not_promise():
    files = [file for file in PACKAGE.rglob("*.py") if "airflow_internals" not in file.parts]
    found = {
        file.relative_to(PACKAGE).as_posix(): wrong
        for file in files
        if (wrong := sorted(f"{module}: {name}" for module, name in imports_of(file) if not is_promised(module, name)))
    }
    assert len(files) > 150
    assert found == {}


def test_nothing_walks_frames_or_replaces_what_the_time_is():
    told = ("currentframe", "_getframe", "f_back", "time.sleep =", 'vars(module)["datetime"]')
    texts = {file.relative_to(PACKAGE).as_posix(): file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py")}
    assert {file: word for file, text in texts.items() for word in told if word in text} == {}


def test_what_airflow_sdk_promises_and_its_stub_lacks_is_the_same_there():
    names = [*authoring.__all__, "NEVER_EXPIRE"]
    assert {name for name in names if name in airflow.sdk.__all__} == set(names)
    assert [name for name in authoring.__all__ if getattr(airflow.sdk, name) is not getattr(authoring, name)] == []
    assert airflow.sdk.NEVER_EXPIRE is tasks.NEVER_EXPIRE


class Does(BaseOperator):
    """Does what it is given, with its context."""

    def __init__(self, *, act, **kwargs):
        super().__init__(**kwargs)
        self.act = act

    def execute(self, context):
        return self.act(context)


class Listening(Supervisor):
    """Keeps what tasks say, and answers triggered runs as it is told."""

    def __init__(self, states=None, triggered=None):
        super().__init__(states or {}, "r")
        self.said, self.triggered = [], triggered

    def send(self, msg):
        self.said.append(msg)
        return self.triggered if isinstance(msg, comms.TriggerDagRun) else super().send(msg)

    def heard(self, kind):
        return [message for message in self.said if isinstance(message, kind)]


def leg_of(act, supervisor):
    with DAG("d", schedule=None):
        task = Does(task_id="a", act=act)
    with set_supervisor_comms(supervisor):
        return run_leg(
            task, manual_run("d", "r", conf={"mode": "drill"}, at=AT, user="ann"), Leg(NOBODY, NOBODY, 1, AT)
        )


def test_the_task_runner_runs_one_leg_with_the_context_that_tasks_rely_on():
    seen = {}

    def look(context):
        run = context["dag_run"]
        seen.update(conf=run.conf, run_id=run.run_id, user=run.triggering_user_name, began=run.start_date)
        seen.update(number=context["ti"].try_number)
        return "done"

    supervisor = Listening()
    end = leg_of(look, supervisor)
    assert (end.state, end.error) == ("success", None)
    assert seen == {"conf": {"mode": "drill"}, "run_id": "r", "user": "ann", "began": AT, "number": 1}
    assert supervisor.xcom("a", "return_value") == "done"


def test_what_the_store_keeps_never_expires():
    supervisor, found = Listening(), []

    def keep(context):
        store = TaskStore(context)
        found.append(store.get("answer"))
        store.set("answer", {"by": "ann"})
        found.append(store.get("answer"))

    assert leg_of(keep, supervisor).state == "success"
    assert found == [None, {"by": "ann"}]
    (message,) = supervisor.heard(comms.SetTaskStateStore)
    assert message.expires_at is None
    assert "expires_at" in message.model_fields_set


def test_a_task_succeeds_and_skips_tasks_behind_it():
    def skip(context):
        raise tasks.skipped_downstream(["b", "c"])

    supervisor = Listening()
    assert leg_of(skip, supervisor).state == "success"
    assert supervisor.skipped == {"b", "c"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (comms.OKResponse(ok=True), None),
        (comms.ErrorResponse(error="DAGRUN_ALREADY_EXISTS", detail={}), None),
        (comms.ErrorResponse(error="GENERIC_ERROR", detail={"reason": "no such DAG"}), "no such DAG"),
    ],
)
def test_a_task_triggers_a_run_of_another_dag_once(answer, why):
    supervisor, said = Listening(triggered=answer), []

    def trigger(context):
        said.append(tasks.trigger_dag_run("other", "drs__1", conf={"a": 1}, at=AT))

    assert leg_of(trigger, supervisor).state == "success"
    (message,) = supervisor.heard(comms.TriggerDagRun)
    assert (message.dag_id, message.run_id, message.conf, message.reset_dag_run) == ("other", "drs__1", {"a": 1}, False)
    assert said == [None] if why is None else why in said[0]


def test_a_dag_run_of_another_dag_is_looked_for():
    supervisor = Listening()
    leg_of(lambda _: tasks.has_dag_run("other", "drs__1"), supervisor)
    leg_of(lambda _: tasks.is_dag_paused("other"), supervisor)
    (count,) = supervisor.heard(comms.GetDRCount)
    (dag,) = supervisor.heard(comms.GetDag)
    assert (count.dag_id, count.run_ids, dag.dag_id) == ("other", ["drs__1"], "other")


@pytest.mark.parametrize(
    ("answer", "is_missing"),
    [
        (comms.ErrorResponse(error="VARIABLE_NOT_FOUND"), True),
        (comms.VariableResult(key="v", value="x"), False),
        (comms.ErrorResponse(error="API_SERVER_ERROR"), None),
    ],
    ids=["there is none", "there is one", "no answer"],
)
def test_no_such_variable_is_told_from_every_other_answer(answer, is_missing):
    from airflow.sdk.exceptions import AirflowRuntimeError

    class Supervisor:
        def send(self, msg=None):
            assert (type(msg).__name__, msg.key) == ("GetVariable", "v")
            return answer

    with set_supervisor_comms(Supervisor()):
        if is_missing is None:
            with pytest.raises(AirflowRuntimeError):
                tasks.has_no_variable("v")
        else:
            assert tasks.has_no_variable("v") is is_missing


@pytest.mark.filterwarnings("default:Using `httpx` with `starlette.testclient`")  # its first import
def test_the_newest_try_of_a_task_is_asked_of_airflows_own_record(airflow_db):
    """Three runs of a DAG in a row: the one in the middle asks about its own tasks and is told of no other's."""
    from airflow.api_fastapi.execution_api.routes.task_instances import get_previous_task_instance
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with DAG("tries", schedule=None) as dag:
        BaseOperator(task_id="a")
    bag = DagBag(os.devnull, bundle_name="tries")
    bag.bag_dag(dag)
    with create_session() as session:
        session.merge(DagBundleModel(name="tries"))
        session.flush()
        sync_bag_to_db(bag, "tries", None, session=session)
        for number in range(3):
            at = AT + timedelta(minutes=number)
            run = SerializedDagModel.get_dag("tries", session=session).create_dagrun(
                run_id=f"r{number}",
                run_after=at,
                logical_date=at,
                data_interval=(at, at),
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                session=session,
            )
            run.get_task_instance("a", session=session).try_number = number + 5

    class Server(Listening):
        def send(self, msg):
            if not isinstance(msg, comms.GetPreviousTI):
                return super().send(msg)
            with create_session() as session:
                found = get_previous_task_instance(msg.dag_id, msg.task_id, session, msg.logical_date, -1, msg.state)
            return comms.PreviousTIResult(task_instance=found and found.model_dump(exclude={"type"}))

    def asked(run_id, at):
        run = SimpleNamespace(dag_id="tries", run_id=run_id, logical_date=at)
        return tasks.newest_try(run, "a")

    with set_supervisor_comms(Server()):
        assert asked("r1", AT + timedelta(minutes=1)) == 6
        assert asked("r1", None) is None
        assert asked("of an earlier time", AT - timedelta(minutes=1)) is None
        assert asked("without this task", AT + timedelta(seconds=90)) is None
    with set_supervisor_comms(Listening()):
        assert asked("r1", AT) is None  # Airflow does not say


def test_no_such_run_is_told_from_every_other_answer(airflow_db):
    """The answer of the API server itself, and the two forms in which a task is given it."""
    from airflow.api_fastapi.execution_api.routes.dag_runs import get_dagrun_state
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse
    from airflow.utils.session import create_session
    from fastapi import HTTPException

    with create_session() as session, pytest.raises(HTTPException) as refused:
        get_dagrun_state("drs.nobody", "r", session)
    detail = {"status_code": refused.value.status_code, "message": "…", "detail": {"detail": refused.value.detail}}

    class Ti:
        def get_dagrun_state(self, *, dag_id, run_id):
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))

    assert tasks.dag_run_state(Ti(), "drs.nobody", "r") is None
    detail["status_code"] = 500
    with pytest.raises(AirflowRuntimeError):
        tasks.dag_run_state(Ti(), "drs.nobody", "r")


def test_xcom_is_read_and_written_without_a_task_instance():
    where = {"dag_id": "d", "run_id": "r", "task_id": "preflight.check"}
    with set_supervisor_comms(Listening()):
        before = tasks.read_xcom("told", **where)
        tasks.write_xcom("told", [{"outcome": "sent"}], **where)
        after = tasks.read_xcom("told", **where)
    assert (before, after) == (None, [{"outcome": "sent"}])


def test_states_of_tasks_are_read_without_a_task_instance():
    with set_supervisor_comms(Listening({"a": "success", "b": None})):
        assert tasks.task_states(dag_id="d", run_id="r") == {"a": "success", "b": None}


DAG_FILE = """\
from pathlib import Path
from airflow.sdk import DAG
from drs_provider.airflow_internals.dag_files import add_import_errors
was_told = add_import_errors(Path(__file__), {"../plans/a.yaml": "line 1: no", "../plans/b.yaml": "line 2: no"})
assert was_told
with DAG("d", schedule=None):
    pass
"""


def test_an_import_error_of_another_file_stands_beside_the_dags_and_goes_with_its_cause(tmp_path):
    file = tmp_path / "plans.py"
    file.write_text(DAG_FILE)
    bag = DagBag(str(file))
    assert set(bag.dags) == {"d"}
    assert bag.import_errors == {"../plans/a.yaml": "line 1: no", "../plans/b.yaml": "line 2: no"}
    file.write_text(DAG_FILE.replace('{"../plans/a.yaml": "line 1: no", "../plans/b.yaml": "line 2: no"}', "{}"))
    assert DagBag(str(file)).import_errors == {}


def test_an_import_that_breaks_off_says_its_own_error_only(tmp_path):
    broken, whole = tmp_path / "broken.py", tmp_path / "whole.py"
    broken.write_text(DAG_FILE + "raise ValueError('no more')\n")
    whole.write_text("from airflow.sdk import DAG\nwith DAG('e', schedule=None):\n    pass\n")
    assert "no more" in DagBag(str(broken)).import_errors[str(broken)]
    bag = DagBag(str(whole))
    assert (set(bag.dags), bag.import_errors) == ({"e"}, {})


def test_outside_of_an_import_there_is_nobody_to_tell_an_import_error(tmp_path):
    from drs_provider.airflow_internals.dag_files import add_import_errors

    assert not add_import_errors(tmp_path / "plans.py", {"a.yaml": "no"})


def test_groups_are_listed_in_the_order_that_is_asked_for():
    with DAG("d", schedule=None) as dag:
        for name in ("c", "a", "b"):
            with TaskGroup(name):
                Does(task_id="t", act=None)
    list_in_order(dag.task_group.children[name] for name in ("c", "a", "b"))
    assert [child.group_id for child in dag.task_group.topological_sort()] == ["c", "a", "b"]


def test_the_plugin_class_imports_no_models():
    code = "import sys, drs_provider.airflow_internals.plugins; print('airflow.models.dagrun' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


STARTED = ("triggered_by", "triggering_user_name")
COLUMNS = {
    "DagRun": ("id", "dag_id", "run_id", "run_after", "state", "conf", "start_date", "end_date", "note", *STARTED),
    "TaskInstance": ("id", "dag_id", "run_id", "task_id", "map_index", "state", "start_date", "end_date"),
    "XComModel": ("dag_id", "run_id", "task_id", "map_index", "key", "value"),
    "TaskStateStoreModel": ("dag_id", "run_id", "task_id", "map_index", "key", "value"),
    "Deadline": ("dagrun_id", "missed", "deadline_time", "deadline_alert_id"),
    "HITLDetail": ("subject", "body", "options", "response_received"),
    "Log": ("id", "event", "extra", "owner"),
    "ParseImportError": ("filename", "stacktrace"),
    "DagModel": ("dag_id", "is_paused", "is_stale"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_models_have_the_columns_that_are_read(name):
    model = getattr(metadata, name)
    assert [column for column in COLUMNS[name] if not hasattr(model, column)] == []


def test_the_models_have_the_functions_that_are_called():
    called = {
        metadata.XComModel.get_many: {"run_id", "dag_ids", "task_ids", "key", "limit"},
        metadata.XComModel.deserialize_value: {"result"},
        metadata.SerializedDagModel.get_dag: {"dag_id", "session"},
        metadata.DagRun.get_task_instance: {"task_id", "session"},
    }
    assert {call.__qualname__: lacking for call, names in called.items() if (lacking := _lacking(call, names))} == {}


def test_a_deadline_reference_of_our_own_is_read_back_where_the_plugin_is_loaded():
    from airflow.serialization.decoders import decode_deadline_reference
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.encoders import encode_deadline_reference
    from drs_provider.airflow_internals.deadlines import RunAskedFor

    read = decode_deadline_reference(encode_deadline_reference(RunAskedFor()))
    assert isinstance(read.inner_ref, RunAskedFor)
    assert _lacking(SerializedDAG._process_dagrun_deadline_alerts, {"orm_dagrun", "session"}) == set()


def test_xcom_values_are_read_through_the_configured_backend(monkeypatch):
    from drs_provider.airflow_internals import xcom_values

    class Backend:
        @staticmethod
        def deserialize_value(entry):
            if entry.value != "s3://store/a.json":
                raise OSError("no such object")
            return {"read for": (entry.dag_id, entry.run_id, entry.task_id, entry.map_index, entry.key)}

    row = metadata.XComModel(
        dag_id="d", run_id="r", task_id="t", map_index=-1, key="servers", value='"s3://store/a.json"'
    )
    gone = metadata.XComModel(dag_id="d", run_id="r", task_id="t", map_index=-1, key="servers", value='"s3://b"')
    assert xcom_values.value_of(row) == "s3://store/a.json"
    monkeypatch.setattr(xcom_values, "_custom_backend", lambda: Backend)
    assert xcom_values.value_of(row) == {"read for": ("d", "r", "t", -1, "servers")}
    assert xcom_values.value_of(gone) == "s3://b"


@pytest.fixture(scope="module")
def api_server():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # starlette recommends another HTTP client than the one that Airflow brings
        from drs_provider.airflow_internals import api_server
    return api_server


def test_an_answer_is_taken_by_the_function_that_the_api_answers_with(api_server):
    names = {"dag_id", "dag_run_id", "task_id", "update_hitl_detail_payload", "user", "session", "map_index"}
    assert _lacking(api_server.update_hitl_detail, names) == set()
    assert api_server.UpdateHITLDetailPayload(chosen_options=["Approve"]).chosen_options == ["Approve"]


def test_the_holders_of_a_role_are_told_by_the_simple_auth_manager(api_server, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ann:op,bob:viewer")

    users = api_server.SimpleAuthManager.get_users()

    assert [(user.username, str(user.role)) for user in users] == [("ann", "op"), ("bob", "viewer")]
    assert api_server.SimpleAuthManager.__mro__[0].__name__ == "SimpleAuthManager"


def test_fab_roles_and_users_have_what_is_read():
    models = pytest.importorskip("airflow.providers.fab.auth_manager.models", reason="the FAB provider is missing")
    utils = pytest.importorskip("airflow.providers.fab.auth_manager.cli_commands.utils")
    override = pytest.importorskip("airflow.providers.fab.auth_manager.security_manager.override")

    read = {models.User: ("username", "active", "roles", "get_name"), models.Role: ("name", "permissions")}
    assert {model: [name for name in names if not hasattr(model, name)] for model, names in read.items()} == {
        models.User: [],
        models.Role: [],
    }
    security = override.FabAirflowSecurityManagerOverride
    called = ("bulk_sync_roles", "find_role", "create_permission")
    assert [name for name in called if not hasattr(security, name)] == []
    assert callable(utils.get_application_builder)


def test_access_is_asked_of_the_auth_manager_as_airflow_asks_it(api_server):
    called = {
        api_server.SimpleAuthManager.get_authorized_dag_ids: {"user", "method", "session"},
        api_server.SimpleAuthManager.is_authorized_view: {"access_view", "user"},
        api_server.SimpleAuthManager.is_authorized_dag: {"method", "access_entity", "details", "user"},
        api_server.SimpleAuthManager.get_users: set(),
    }
    assert {call.__qualname__: lacking for call, names in called.items() if (lacking := _lacking(call, names))} == {}
    assert callable(api_server.requires_access_dag("GET", api_server.DagAccessEntity.RUN))
    assert api_server.DagAccessEntity.HITL_DETAIL
    assert api_server.AccessView.IMPORT_ERRORS


def test_the_user_of_a_request_is_found_as_airflows_own_routes_find_it(api_server):
    assert list(inspect.signature(api_server.get_user).parameters)[::2] == ["request", "bearer_credentials"]
    scope = {"type": "http", "headers": [], "app": None}
    assert asyncio.run(api_server.user_of(scope)) is None


def test_an_auth_manager_that_breaks_down_names_nobody(api_server, monkeypatch, caplog):
    async def bearer(_request):
        raise KeyError("sub")

    monkeypatch.setattr(api_server, "bearer_scheme", bearer)
    assert asyncio.run(api_server.user_of({"type": "http", "headers": [], "app": None})) is None
    assert "it counts as nobody's" in caplog.text


CHANGES_NOTHING = ("dry_run", "/list", "/connections/test")
OF_ASSETS = "/api/v2/assets/"
"""No recovery depends on what is kept for assets."""


def test_of_the_writes_without_a_line_in_airflows_audit_log_all_are_known(api_server):
    from airflow.api_fastapi.core_api.routes.public import public_router
    from drs_provider.ui.audit.rule import leaves_no_line

    def writes_a_line(dependant):
        logs = (
            getattr(inner.call, "__qualname__", "").startswith("action_logging.") for inner in dependant.dependencies
        )
        return any(logs)

    def of(path):
        return re.sub(r"\{[^}]+\}", "x", path)

    routes = [(method, of(route.path), route) for route in public_router.routes for method in route.methods - {"GET"}]
    silent = {
        (method, path)
        for method, path, route in routes
        if not writes_a_line(route.dependant) and not path.endswith(CHANGES_NOTHING) and not path.startswith(OF_ASSETS)
    }
    assert len(routes) > 50
    assert silent == {(method, path) for method, path, _ in routes if leaves_no_line(method, path)}
    assert len(silent) >= 4


def _lacking(call, names):
    return names - set(inspect.signature(call).parameters)
