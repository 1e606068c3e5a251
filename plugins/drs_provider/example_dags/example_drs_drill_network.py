"""A drill in a network of its own: made, proven, used, and removed."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from drs_provider.operators.drill_network import DrsPrepareDrillNetworkOperator, DrsRemoveDrillNetworkOperator
from drs_provider.operators.launch_settings import DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.operators.terminate import DrsTerminateRecoveryInstancesOperator
from drs_provider.sensors.job import DrsRecoveryJobSensor

SERVERS = ["s-0hello00000000001", "s-0hello00000000002"]
PLACEMENT: dict[str, Any] = {"subnet_id": "subnet-0aaa", "security_group_ids": ["sg-0aaa"]}
"""Where the servers would land: what their launch templates say."""

with DAG(
    dag_id="example_drs_drill_network",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2", "retries": 2},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_drs_prepare_drill_network]
    network = DrsPrepareDrillNetworkOperator(
        task_id="network",
        source_server_ids=SERVERS,
        placements=dict.fromkeys(SERVERS, PLACEMENT),
        lives_for=timedelta(hours=6),
    )
    # [END howto_operator_drs_prepare_drill_network]

    @task
    def moved(prepared: dict[str, Any]) -> dict[str, Any]:
        """Give every server the drill's subnet and groups."""
        from drs_provider.rules.isolation.drill_placement import KnownPlacement, in_drill_network
        from drs_provider.rules.run.handover import PreparedNetworks

        networks = PreparedNetworks.from_json(prepared).networks
        return {server: in_drill_network(KnownPlacement.from_json(PLACEMENT), {}, networks) for server in SERVERS}

    settings = DrsApplyLaunchSettingsOperator(
        task_id="settings", settings="{{ ti.xcom_pull('moved') }}", is_temporary=True
    )
    start = DrsStartRecoveryOperator(task_id="start", source_server_ids=SERVERS, is_drill=True)
    wait = DrsRecoveryJobSensor(task_id="wait", jobs=start.output, timeout=timedelta(hours=1))
    clean_up = DrsTerminateRecoveryInstancesOperator(
        task_id="clean_up", job_ids="{{ ti.xcom_pull('start')['jobs'] | map(attribute='job_id') | list }}"
    )
    put_back = DrsRestoreLaunchSettingsOperator(task_id="put_back", source_server_ids=SERVERS)
    # [START howto_operator_drs_remove_drill_network]
    remove = DrsRemoveDrillNetworkOperator(task_id="remove", network="{{ ti.xcom_pull('network') }}")
    # [END howto_operator_drs_remove_drill_network]
    moved(network.output) >> settings >> start >> wait  # type: ignore[arg-type]  # an XCom stands for its value
    wait >> clean_up.as_teardown(setups=start) >> put_back.as_teardown(setups=settings)
    put_back >> remove.as_teardown(setups=network)
