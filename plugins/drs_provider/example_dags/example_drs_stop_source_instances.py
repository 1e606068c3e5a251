"""Stop the EC2 instances of two source servers after somebody else has agreed to each of them by name.

The end of a migration of one's own: let the writes stop and wait for a recovery point before. Only instances that DRS
itself names as the source of these servers are stopped, in the account of the connection for the origin.
"""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.approval import DrsApprovalOperator
from drs_provider.operators.source_instances import (
    DrsStartSourceInstancesOperator,
    DrsStopSourceInstancesOperator,
)

SOURCES = {"s-0hello00000000001": "i-0123456789abcdef0", "s-0hello00000000002": "i-0123456789abcdef1"}

with DAG(
    dag_id="example_drs_stop_source_instances",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2"},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    ask_stop = DrsApprovalOperator(
        task_id="ask_stop",
        subject="Stop the sources?",
        body=DrsStopSourceInstancesOperator.names(SOURCES),
        response_timeout=timedelta(hours=4),
    )
    # [START howto_operator_drs_stop_source_instances]
    stop = DrsStopSourceInstancesOperator(
        task_id="stop", source_instances=SOURCES, approval_task_id="ask_stop", origin_aws_conn_id="aws_origin"
    )
    # [END howto_operator_drs_stop_source_instances]
    ask_start = DrsApprovalOperator(
        task_id="ask_start",
        subject="Give the migration up, and start the sources again?",
        body=DrsStartSourceInstancesOperator.names(SOURCES),
        response_timeout=timedelta(hours=4),
    )
    # [START howto_operator_drs_start_source_instances]
    start = DrsStartSourceInstancesOperator(
        task_id="start", source_instances=SOURCES, approval_task_id="ask_start", origin_aws_conn_id="aws_origin"
    )
    # [END howto_operator_drs_start_source_instances]
    ask_stop >> stop >> ask_start >> start
