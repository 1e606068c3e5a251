"""A drill that begins only when replication has caught up."""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.sensors.readiness import DrsSourceServersReadySensor

SERVERS = ["s-0hello00000000001", "s-0hello00000000002"]

with DAG(
    dag_id="example_drs_source_servers_ready",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2", "retries": 2},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_sensor_drs_source_servers_ready]
    ready = DrsSourceServersReadySensor(
        task_id="ready",
        source_server_ids=SERVERS,
        is_drill=True,
        max_lag=timedelta(minutes=15),
        timeout=timedelta(hours=1),
    )
    # [END howto_sensor_drs_source_servers_ready]
    start = DrsStartRecoveryOperator(task_id="start", source_server_ids=SERVERS, is_drill=True)
    ready >> start
