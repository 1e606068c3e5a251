"""A drill that leaves nothing behind: what it launched is terminated however it went."""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.operators.terminate import DrsTerminateRecoveryInstancesOperator
from drs_provider.sensors.job import DrsRecoveryJobSensor

with DAG(
    dag_id="example_drs_terminate_recovery_instances",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2", "retries": 2},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    start = DrsStartRecoveryOperator(
        task_id="start",
        source_server_ids=["s-0hello00000000001", "s-0hello00000000002"],
        is_drill=True,
    )
    wait = DrsRecoveryJobSensor(task_id="wait", jobs=start.output, timeout=timedelta(hours=1))
    # [START howto_operator_drs_terminate_recovery_instances]
    clean_up = DrsTerminateRecoveryInstancesOperator(
        task_id="clean_up",
        job_ids="{{ ti.xcom_pull('start')['jobs'] | map(attribute='job_id') | list }}",
    )
    # [END howto_operator_drs_terminate_recovery_instances]
    # A teardown runs however the drill went, and never turns a failed run green.
    start >> wait >> clean_up.as_teardown(setups=start)
