"""A drill of two servers: start it, wait for it, judge it."""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.sensors.job import DrsRecoveryJobSensor

with DAG(
    dag_id="example_drs_start_recovery",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    # Without it a template renders to text, and the operator refuses a text where it wants a bool or a list.
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2", "retries": 2},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_drs_start_recovery]
    start = DrsStartRecoveryOperator(
        task_id="start",
        source_server_ids=["s-0hello00000000001", "s-0hello00000000002"],
        is_drill=True,
    )
    # [END howto_operator_drs_start_recovery]
    wait = DrsRecoveryJobSensor(
        task_id="wait",
        jobs=start.output,
        timeout=timedelta(hours=1),
        ready="running",
        tolerate="0",
    )
