"""The single calls of the way back, each on its own: where something is half done, for those who know what is left.

``drs failback PLAN status`` shows where every server stands. Take from here what is missing, not all of it.
"""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.approval import DrsApprovalOperator
from drs_provider.operators.failback import (
    DrsDeleteFailbackServersOperator,
    DrsDeleteRecoveryInstancesOperator,
    DrsDisconnectRecoveryInstancesOperator,
    DrsStopFailbackReplicationOperator,
)
from drs_provider.operators.failback_launch import DrsStartReplicationOperator, DrsStopFailbackOperator

SERVERS = ["s-0hello00000000001"]

with DAG(
    dag_id="example_drs_stop_failback",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2"},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_drs_stop_failback]
    # Of servers from data centres: their failback clients are let go, and have to be booted again.
    stop_failback = DrsStopFailbackOperator(task_id="stop_failback", source_server_ids=SERVERS)
    # [END howto_operator_drs_stop_failback]
    # [START howto_operator_drs_start_replication]
    # Of FAILBACK servers that somebody has stopped on the way: everything is copied again.
    start_replication = DrsStartReplicationOperator(task_id="start_replication", source_server_ids=SERVERS)
    # [END howto_operator_drs_start_replication]

    ask_stop = DrsApprovalOperator(
        task_id="ask_stop",
        subject="Part with the recovered instances, and remove the FAILBACK servers?",
        response_timeout=timedelta(hours=4),
    )
    # [START howto_operator_drs_stop_failback_replication]
    stop = DrsStopFailbackReplicationOperator(task_id="stop", source_server_ids=SERVERS, approval_task_id="ask_stop")
    # [END howto_operator_drs_stop_failback_replication]
    # [START howto_operator_drs_disconnect_recovery_instances]
    part = DrsDisconnectRecoveryInstancesOperator(
        task_id="part", source_server_ids=SERVERS, approval_task_id="ask_stop"
    )
    # [END howto_operator_drs_disconnect_recovery_instances]
    # [START howto_operator_drs_delete_recovery_instances]
    records = DrsDeleteRecoveryInstancesOperator(
        task_id="records", source_server_ids=SERVERS, approval_task_id="ask_stop"
    )
    # [END howto_operator_drs_delete_recovery_instances]
    # [START howto_operator_drs_delete_failback_servers]
    servers = DrsDeleteFailbackServersOperator(
        task_id="servers", source_server_ids=SERVERS, approval_task_id="ask_stop"
    )
    # [END howto_operator_drs_delete_failback_servers]

    ask_stop >> stop >> part >> records >> servers
