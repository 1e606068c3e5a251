"""Bring recovered servers back to their data centre by the DRS Failback Client.

``reverse`` says in its log and in ``failback_progress`` which machine is to be booted from the client, and waits.
"""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.approval import DrsApprovalOperator
from drs_provider.operators.failback import DrsCleanUpFailbackOperator, DrsReverseReplicationOperator
from drs_provider.operators.failback_launch import DrsStartFailbackLaunchOperator
from drs_provider.sensors.failback import DrsFailbackSensor

SERVERS = ["s-0hello00000000001"]

with DAG(
    dag_id="example_drs_failback_data_centre",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2"},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    reverse = DrsReverseReplicationOperator(task_id="reverse", source_server_ids=SERVERS)
    ask_cut_over = DrsApprovalOperator(
        task_id="ask_cut_over",
        subject="Are writes stopped, and shall the machines be rebooted into what was copied?",
        response_timeout=timedelta(hours=8),
    )
    # [START howto_operator_drs_start_failback_launch]
    start = DrsStartFailbackLaunchOperator(task_id="start", source_server_ids=SERVERS)
    # [END howto_operator_drs_start_failback_launch]
    failed_back = DrsFailbackSensor(
        task_id="failed_back", source_server_ids=SERVERS, goal="failed_back", timeout=timedelta(hours=4)
    )
    reprotected = DrsFailbackSensor(task_id="reprotected", source_server_ids=SERVERS, goal="reprotected")
    ask_clean_up = DrsApprovalOperator(
        task_id="ask_clean_up", subject="Terminate the recovered instances?", response_timeout=timedelta(days=7)
    )
    clean_up = DrsCleanUpFailbackOperator(
        task_id="clean_up", source_server_ids=SERVERS, approval_task_id="ask_clean_up"
    )

    reverse >> ask_cut_over >> start >> failed_back >> reprotected >> ask_clean_up >> clean_up
