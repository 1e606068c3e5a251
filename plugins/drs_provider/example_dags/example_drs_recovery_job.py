"""A drill whose servers do not all count: which may fail, and what the instances must come to."""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.sensors.job import DrsRecoveryJobSensor

with DAG(
    dag_id="example_drs_recovery_job",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2", "retries": 2},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    start = DrsStartRecoveryOperator(
        task_id="start",
        source_server_ids=["s-0hello00000000001", "s-0hello00000000002"],
        is_drill=True,
        launch_name="hello",
        tags={"Team": "retail-platform"},
    )
    # [START howto_sensor_drs_recovery_job]
    wait = DrsRecoveryJobSensor(
        task_id="wait",
        jobs=start.output,
        timeout=timedelta(minutes=90),
        ready="status_checks",
        servers=[
            {"server_id": "s-0hello00000000001", "hostname": "hello1", "critical": True},
            {"server_id": "s-0hello00000000002", "hostname": "hello2", "critical": False},
        ],
        tolerate="10%",
    )
    # [END howto_sensor_drs_recovery_job]
