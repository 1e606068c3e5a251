"""Give up the sources of servers that were recovered for good, after somebody else has approved it.

This deletes all recovery points of the servers. The second half, disconnecting them, is done weeks later, when their
recovery instances' records were deleted in DRS.
"""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.approval import DrsApprovalOperator
from drs_provider.operators.source_replication import (
    DrsDisconnectSourceServersOperator,
    DrsStopSourceReplicationOperator,
)

SERVERS = ["s-0hello00000000001"]
INSTANCES = {"s-0hello00000000001": "i-0123456789abcdef0"}

with DAG(
    dag_id="example_drs_stop_source_replication",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2"},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_drs_approval]
    ask_stop = DrsApprovalOperator(
        task_id="ask_stop",
        subject="Delete the recovery points?",
        body=DrsStopSourceReplicationOperator.destroys(SERVERS),
        response_timeout=timedelta(hours=4),
    )
    # [END howto_operator_drs_approval]
    # [START howto_operator_drs_stop_source_replication]
    stop = DrsStopSourceReplicationOperator(task_id="stop", source_server_ids=SERVERS, approval_task_id="ask_stop")
    # [END howto_operator_drs_stop_source_replication]
    ask_disconnect = DrsApprovalOperator(
        task_id="ask_disconnect",
        subject="Disconnect the servers for good?",
        body=DrsDisconnectSourceServersOperator.destroys(SERVERS),
        response_timeout=timedelta(hours=4),
    )
    # [START howto_operator_drs_disconnect_source_servers]
    disconnect = DrsDisconnectSourceServersOperator(
        task_id="disconnect",
        source_server_ids=SERVERS,
        approval_task_id="ask_disconnect",
        recovered_instances=INSTANCES,
    )
    # [END howto_operator_drs_disconnect_source_servers]
    ask_stop >> stop >> ask_disconnect >> disconnect
