"""What a run believes of the run whose step has started it: what the newest tries there have written, nothing older."""

from datetime import UTC, datetime

import pytest
from airflow.sdk.execution_time import comms, task_runner
from drs_provider.airflow_internals.tasks import OtherRun
from drs_provider.dag.parent_run import _answer, _left
from drs_provider.rules.run.handover import RecordedAnswer
from drs_provider.rules.run.handover.plan_runs import InheritedApproval
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import keys

pytestmark = pytest.mark.airflow

DAG, RUN, TASK = "drs.all", "manual__1", "preflight.approval_1"
AT = datetime(2026, 11, 30, 3, tzinfo=UTC)
APPROVED = RecordedAnswer(chosen="Approve", by="bob", at=AT)


class Server:
    """Airflow: one run, of which tasks were cleared, and what the task has left; ``newest`` is its try of now."""

    def __init__(self, newest, *, wrote, cleared=1, logical_date=AT):
        self.newest, self.cleared, self.logical_date = newest, cleared, logical_date
        self.value = keys().seal(APPROVED.to_json(), Origin(DAG, RUN, TASK, RecordedAnswer.KEY), attempt=wrote)

    def send(self, message):
        match message:
            case comms.GetXCom():
                return comms.XComResult(key=message.key, value=self.value)
            case comms.GetPreviousTI():
                assert (message.dag_id, message.task_id) == (DAG, TASK)
                assert message.logical_date > AT
                found = {"dag_id": DAG, "run_id": RUN, "task_id": TASK, "try_number": self.newest}
                return comms.PreviousTIResult(task_instance=found)
            case comms.GetDagRun():
                return comms.DagRunResult(
                    dag_id=message.dag_id,
                    run_id=message.run_id,
                    logical_date=self.logical_date,
                    data_interval_start=None,
                    data_interval_end=None,
                    run_after=AT,
                    start_date=AT,
                    end_date=None,
                    clear_number=self.cleared,
                    run_type="manual",
                    state="running",
                    conf={"mode": "recovery"},
                    consumed_asset_events=[],
                    partition_key=None,
                )
            case _:
                raise AssertionError(message)


@pytest.fixture
def airflow(monkeypatch):
    def with_(*arguments, **more):
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Server(*arguments, **more), raising=False)

    return with_


PARENT = OtherRun("drs.part", "drs__all__1", "running", {}, AT)
"""The run that has started this one; the approval was given in the run above it."""


@pytest.mark.parametrize(
    ("newest", "wrote", "cleared", "believed"),
    [
        pytest.param(2, 2, 1, True, id="the newest try has written it"),
        pytest.param(3, 2, 1, False, id="an older one, put back after a clear"),
        pytest.param(3, 2, 0, True, id="nobody has cleared anything: Airflow's own retries"),
    ],
)
def test_an_inherited_approval_counts_as_its_newest_try_has_recorded_it(airflow, newest, wrote, cleared, believed):
    airflow(newest, wrote=wrote, cleared=cleared)

    found = _answer(InheritedApproval(dag_id=DAG, run_id=RUN, task_id=TASK, by="bob", at=AT), PARENT)

    assert found == (APPROVED if believed else None)


def test_a_run_without_a_logical_date_is_believed_as_it_was_written(airflow):
    airflow(3, wrote=1, logical_date=None)

    assert _left(OtherRun(DAG, RUN, "running", {}, None, is_cleared=True), TASK, RecordedAnswer) == APPROVED


def test_another_run_s_approval_does_not_fit(airflow):
    airflow(1, wrote=1, cleared=0)

    assert _left(OtherRun(DAG, "manual__2", "running", {}), TASK, RecordedAnswer) is None
