"""The name of who starts a run on the command line is marked, once, and no other name is touched."""

from types import SimpleNamespace

import pytest
from airflow.utils.types import DagRunTriggeredByType
from drs_provider.dag.people.starter_listener import MarkingStarters

pytestmark = pytest.mark.airflow


def started(how, name="bob", dag_id="drs.shop"):
    run = SimpleNamespace(dag_id=dag_id, triggered_by=how, triggering_user_name=name)
    for _ in range(2):
        MarkingStarters().on_dag_run_running(run, "started")
    return run.triggering_user_name


@pytest.mark.parametrize("how", [DagRunTriggeredByType.CLI, "cli"])
def test_a_name_from_the_command_line_is_marked_once(how):
    assert started(how) == "bob (command line)"
    assert started(how, None) == "an unknown user (command line)"


@pytest.mark.parametrize("how", [how for how in DagRunTriggeredByType if how != DagRunTriggeredByType.CLI])
def test_who_signed_in_keeps_the_name(how):
    assert started(how) == "bob"
    assert started(how, None) is None


def test_runs_of_other_dags_are_left_alone():
    assert started(DagRunTriggeredByType.CLI, dag_id="etl") == "bob"
