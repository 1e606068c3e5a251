"""One Airflow against one simulator for all tests that need no stack of their own: starting one takes half a minute.

Its plans lie in ``plans``, each with servers of ``fleet.yaml`` that no other plan has. Two processes share the tests
here (``-n 2``), a lane each: what shares a stack stays together, and both take about the same time.
"""

import json
import shutil
import time
from pathlib import Path

import httpx
import pytest
from kit.receivers import MailReceiver, WebhookReceiver
from xdist.scheduler import LoadFileScheduling

from benchmarks.chaos.campaign import AIRFLOW
from demo.ports import any_port
from demo.stack import Settings, Stack

HERE = Path(__file__).parent
SECRET = "s3cret-of-the-webhook"
STACKS_OF_THEIR_OWN = ("test_chaos.py", "test_console_walk.py", "test_kept_drills.py", "test_object_storage.py")
"""The files of the first lane; those of the second have demos, and then one stack for all."""


class Lanes(LoadFileScheduling):
    """Every file of a lane in the same process.

    Not ``xdist_group``: its names become part of the tests' ids, and ``--last-failed`` finds none of them again.
    """

    def _split_scope(self, nodeid):
        return "first" if super()._split_scope(nodeid).endswith(STACKS_OF_THEIR_OWN) else "second"


def pytest_xdist_make_scheduler(config, log):
    return Lanes(config, log)


class Standing(Stack):
    """The stack, with what several tests ask of it."""

    def until(self, is_so, what, seconds=240):
        """Wait until something is so, and return what it then is."""
        give_up = time.monotonic() + seconds
        while not (found := is_so()):
            assert time.monotonic() < give_up, f"not so: {what() if callable(what) else what}"
            self.check(0.2)
        return found

    def states(self, plan, run_id):
        return {task["task_id"]: task["state"] for task in self.airflow.tasks(f"drs.{plan}", run_id)}

    def await_end(self, plan, run_id, meanwhile=lambda: None):
        """Return the state of a run that has ended; `meanwhile` is called at every look."""

        def ended():
            meanwhile()
            run = self.airflow.run(f"drs.{plan}", run_id)
            return run if run["state"] in ("success", "failed") else None

        run = self.until(
            ended,
            lambda: self.states(plan, run_id),
        )
        return run["state"]

    def report(self, plan, run_id):
        left = self.airflow.result(f"drs.{plan}", run_id, "finish.report")
        return json.loads(Path(left["json_path"].removeprefix("file://")).read_text())

    def speed(self, times):
        """Let DRS and its neighbours work so many times faster than in reality."""
        httpx.post(f"{self.simulator.address}/_simulator/clock", json={"speed": times}, trust_env=False)


@pytest.fixture(scope="session")
def receiver():
    """What is sent to the webhook of the connection ``chat``; nobody listens behind the connection ``gone``."""
    found = WebhookReceiver()
    yield found
    found.close()


@pytest.fixture(scope="session")
def mails():
    """Every mail that is sent."""
    found = MailReceiver()
    yield found
    found.close()


@pytest.fixture(scope="session")
def secret():
    """What signs the messages to the webhook."""
    return SECRET


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory):
    """A folder for Airflow's empty tables, which the first stack makes and the later ones copy."""
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="session")
def stack(tmp_path_factory, empty_tables, receiver, mails):
    """The stack, at 600 times the speed of reality; its users are admin and ann, admins, and bob."""
    chat = {"conn_type": "http", "host": f"http://127.0.0.1:{receiver.port}/hook", "password": SECRET}
    plain = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org"}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": mails.port, "extra": plain}
    more = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,ann:admin,bob:user",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
        "AIRFLOW_CONN_CHAT": json.dumps(chat),
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(smtp),
        "AIRFLOW_CONN_GONE": json.dumps({**chat, "host": f"http://127.0.0.1:{any_port()}/hook"}),
    }
    state = shutil.copytree(empty_tables, tmp_path_factory.mktemp("stack") / "state")
    settings = Settings(
        state=state,
        plans=HERE / "plans",
        fleets=(HERE / "fleet.yaml",),
        speed=600,
        port=any_port(),
        airflow=AIRFLOW | more,
    )
    with Standing(settings) as found:
        for plan in ("people", "hasty", "ten", "telling", "tier-one", "tier-two", "data-centre"):
            found.await_dag(f"drs.{plan}")
        for made in state.glob("empty-airflow-*.db"):
            shutil.copy(made, empty_tables)
        yield found
