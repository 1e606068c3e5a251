"""What people agree to cannot change after they have agreed: the list of a task that destroys is fixed in its run."""

from types import SimpleNamespace

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import XComArg
from drs_provider.exceptions import RunRefused
from drs_provider.operators.agreement import ensure_agreed, ensure_fixed
from drs_provider.operators.failback import DrsCleanUpFailbackOperator, DrsDeleteFailbackServersOperator
from drs_provider.operators.source_instances import DrsStopSourceInstancesOperator
from drs_provider.operators.source_replication import DrsStopSourceReplicationOperator

PULLED = "{{ ti.xcom_pull(task_ids='find') }}"


@pytest.mark.parametrize(
    "value",
    [
        None,
        (),
        ["s-1", "s-2"],
        ("s-1",),
        {"s-1": "i-1"},
        "{{ params.servers }}",
        "{{ params['servers'] | list }}",
        ["{{ params.one }}", "{{ dag_run.conf['two'] }}"],
        {"{{ params.server }}": "{{ params.instance }}"},
        "{% set found = params.servers %}{{ found }}",
    ],
)
def test_a_list_that_nobody_changes_in_a_run_is_taken(value):
    ensure_fixed(source_server_ids=value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (PULLED, "ti"),
        (["s-1", "{{ task_instance.xcom_pull(task_ids='find') }}"], "task_instance"),
        ("{{ var.value.servers }}", "var"),
        ({"s-1": PULLED}, "ti"),
        ({PULLED: "i-1"}, "ti"),
        ("{% for name in params.of %}{{ ti.xcom_pull(task_ids=name) }}{% endfor %}", "ti"),
        ("{{ macros.mine(var.json.servers) }}", "macros, var"),
        (XComArg(EmptyOperator(task_id="find")), "another task (PlainXComArg)"),
        ([XComArg(EmptyOperator(task_id="find"))], "another task (PlainXComArg)"),
    ],
)
def test_a_list_that_can_be_edited_after_the_answer_is_refused_where_the_dag_is_read(value, read):
    with pytest.raises(ValueError) as caught:
        ensure_fixed(source_server_ids=value)

    assert str(caught.value) == (
        f"source_server_ids is read from {read}, which can change after people have agreed to it: write it into the "
        "DAG, or take it from params"
    )


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (DrsCleanUpFailbackOperator, {"source_server_ids": PULLED}),
        (DrsDeleteFailbackServersOperator, {"source_server_ids": [PULLED]}),
        (DrsStopSourceInstancesOperator, {"source_instances": PULLED}),
        (DrsStopSourceReplicationOperator, {"source_server_ids": PULLED}),
        (DrsStopSourceReplicationOperator, {"source_server_ids": ["s-1"], "recovered_instances": {"s-1": PULLED}}),
    ],
)
def test_every_task_that_asks_for_an_agreement_keeps_to_that(kind, given):
    with pytest.raises(ValueError, match=r" is read from ti, which can change after people have agreed to it: "):
        kind(task_id="destroys", approval_task_id="ask", **given)


def test_a_mapped_task_is_refused():
    context = {"ti": SimpleNamespace(map_index=0), "dag_run": SimpleNamespace(run_type="manual")}

    with pytest.raises(RunRefused, match=r"^this task is mapped: what it is expanded over can change after people"):
        ensure_agreed(context, "ask", ())
