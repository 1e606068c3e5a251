"""A drill with launch settings of its own, which are put back when it is over; a recovery would keep its settings."""

from datetime import timedelta

from airflow.sdk import DAG

from drs_provider.operators.launch_settings import DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator
from drs_provider.operators.protection import DrsProtectRecoveryInstancesOperator
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.operators.terminate import DrsTerminateRecoveryInstancesOperator
from drs_provider.sensors.job import DrsRecoveryJobSensor

SERVERS = ["s-0hello00000000001", "s-0hello00000000002"]
SETTINGS = {server: {"instance_type": "t3.medium", "right_sizing": "none", "copy_tags": False} for server in SERVERS}

with DAG(
    dag_id="example_drs_apply_launch_settings",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2", "retries": 2},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_drs_apply_launch_settings]
    settings = DrsApplyLaunchSettingsOperator(task_id="settings", settings=SETTINGS, is_temporary=True)
    # [END howto_operator_drs_apply_launch_settings]
    start = DrsStartRecoveryOperator(task_id="start", source_server_ids=SERVERS, is_drill=True)
    wait = DrsRecoveryJobSensor(task_id="wait", jobs=start.output, timeout=timedelta(hours=1))
    # [START howto_operator_drs_protect_recovery_instances]
    # In a drill this only compares; what a recovery has launched it also protects from termination.
    look = DrsProtectRecoveryInstancesOperator(task_id="look", settings=SETTINGS)
    # [END howto_operator_drs_protect_recovery_instances]
    clean_up = DrsTerminateRecoveryInstancesOperator(
        task_id="clean_up",
        job_ids="{{ ti.xcom_pull('start')['jobs'] | map(attribute='job_id') | list }}",
    )
    # [START howto_operator_drs_restore_launch_settings]
    put_back = DrsRestoreLaunchSettingsOperator(task_id="put_back", source_server_ids=SERVERS)
    # [END howto_operator_drs_restore_launch_settings]
    settings >> start >> wait >> look >> clean_up.as_teardown(setups=start) >> put_back.as_teardown(setups=settings)
