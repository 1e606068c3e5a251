"""Under which name the drill networks of any DAG are made and removed: that of the run, whatever is set since."""

from airflow.sdk import DAG
from drs_provider.operators.drill_network import DrsPrepareDrillNetworkOperator, DrsRemoveDrillNetworkOperator
from drs_provider.rules.run.handover import RunInstallation
from kit.fake_context import fake_context


def the_dag():
    with DAG("theirs", schedule=None) as dag:
        prepare = DrsPrepareDrillNetworkOperator(task_id="prepare", source_server_ids=["s-1"])
        prepare >> DrsRemoveDrillNetworkOperator(task_id="remove")
    return dag


def named(dag, task_id, installation, monkeypatch, *, left=None, store=None):
    """Let a try of a task say under which name it works; return that, with what it left for others."""
    monkeypatch.setenv("DRS_INSTALLATION", installation)
    context = fake_context(store, dag_id="theirs", task_id=task_id)
    context["ti"].left |= left or {}
    task = dag.get_task(task_id)
    task.installation = None  # a new process
    name = task.own_installation({**context, "dag": dag})
    return name, context["pushed"][RunInstallation.KEY]


def test_what_was_made_under_a_name_is_removed_under_it_though_the_name_is_another_by_then(monkeypatch):
    dag = the_dag()
    made, left = named(dag, "prepare", "dublin", monkeypatch)
    removed, _ = named(dag, "remove", "paris", monkeypatch, left={("prepare", RunInstallation.KEY): left})

    assert (made, removed) == ("dublin", "dublin")


def test_a_forged_name_is_not_believed(monkeypatch):
    forged = {"version": 1, "id": "theirs"}

    removed, _ = named(the_dag(), "remove", "paris", monkeypatch, left={("prepare", RunInstallation.KEY): forged})

    assert removed == "paris"


def test_a_task_alone_stays_with_its_first_name(monkeypatch):
    from kit.fake_drs import MemoryStore

    dag, store = the_dag(), MemoryStore()

    first, _ = named(dag, "remove", "dublin", monkeypatch, store=store)
    again, _ = named(dag, "remove", "paris", monkeypatch, store=store)

    assert (first, again) == ("dublin", "dublin")
