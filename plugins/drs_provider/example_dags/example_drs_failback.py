"""Bring recovered servers from EC2 back to their origin Region, and protect them again from there.

Stop what writes to the recovered servers before ``start``: DRS does not quiesce anything. The last tasks terminate the
recovered instances, after somebody else has approved it.
"""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.approval import DrsApprovalOperator
from drs_provider.operators.failback import DrsCleanUpFailbackOperator, DrsReverseReplicationOperator
from drs_provider.operators.failback_launch import DrsStartFailbackOperator
from drs_provider.sensors.failback import DrsFailbackSensor

SERVERS = ["s-0hello00000000001"]

with DAG(
    dag_id="example_drs_failback",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2"},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_drs_reverse_replication]
    reverse = DrsReverseReplicationOperator(task_id="reverse", source_server_ids=SERVERS)
    # [END howto_operator_drs_reverse_replication]
    ask_cut_over = DrsApprovalOperator(
        task_id="ask_cut_over",
        subject="Are writes stopped, and shall the servers be launched in their origin Region?",
        response_timeout=timedelta(hours=8),
    )
    # [START howto_operator_drs_start_failback]
    start = DrsStartFailbackOperator(task_id="start", source_server_ids=SERVERS)
    # [END howto_operator_drs_start_failback]
    # [START howto_sensor_drs_failback]
    failed_back = DrsFailbackSensor(
        task_id="failed_back", source_server_ids=SERVERS, goal="failed_back", timeout=timedelta(hours=4)
    )
    # [END howto_sensor_drs_failback]
    reprotect = DrsReverseReplicationOperator(task_id="reprotect", source_server_ids=SERVERS, reprotect=True)
    ask_clean_up = DrsApprovalOperator(
        task_id="ask_clean_up",
        subject="Terminate the recovered instances? Production is protected in its origin Region again.",
        response_timeout=timedelta(days=7),
    )
    # [START howto_operator_drs_clean_up_failback]
    clean_up = DrsCleanUpFailbackOperator(
        task_id="clean_up", source_server_ids=SERVERS, approval_task_id="ask_clean_up"
    )
    # [END howto_operator_drs_clean_up_failback]

    reverse >> ask_cut_over >> start >> failed_back >> reprotect >> ask_clean_up >> clean_up
