"""Ask DRS with the hook, and wait with its triggers in an operator of one's own."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, Context, task

from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.triggers.instances import DrsInstancesTrigger
from drs_provider.triggers.jobs import DrsJobTrigger
from drs_provider.triggers.readiness import DrsReadinessTrigger

SERVERS = ["s-0hello00000000001", "s-0hello00000000002"]
AWS: Any = {"aws_conn_id": "aws_default", "region_name": "us-west-2", "verify": None, "config": None}


def in_an_hour() -> str:
    """Return a deadline, as a trigger takes it: it must survive a restart of the triggerer."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


class WaitForServers(BaseOperator):
    """Wait until a drill of the servers would be allowed."""

    def execute(self, context: Context) -> None:
        """Hand the wait to the triggerer."""
        # [START howto_trigger_drs_readiness]
        trigger = DrsReadinessTrigger(
            server_ids=SERVERS,
            mode="drill",
            max_lag_seconds=900,
            replace_live_instances=False,
            aws=AWS,
            deadline=in_an_hour(),
            poll_seconds=30,
        )
        self.defer(trigger=trigger, method_name="go_on")
        # [END howto_trigger_drs_readiness]

    def go_on(self, context: Context, event: dict[str, Any]) -> list[str]:
        """Return the servers, or fail with everything that is against them."""
        if event["outcome"] != "ready":
            raise RuntimeError("; ".join(event["refusals"]))
        return event["servers"]


class WatchLaunch(BaseOperator):
    """Wait until the jobs of a launch have ended, then until their instances run. It judges nothing.

    :param launch: what DrsStartRecoveryOperator returned (templated)
    """

    template_fields: Sequence[str] = ("launch",)

    def __init__(self, *, launch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.launch = launch

    def execute(self, context: Context) -> None:
        """Hand the wait to the triggerer."""
        # [START howto_trigger_drs_job]
        trigger = DrsJobTrigger(
            watches=[{"aws": AWS, "job_ids": [job["job_id"] for job in self.launch["jobs"]]}],
            since=datetime.now(UTC).isoformat(),
            deadline=in_an_hour(),
        )
        self.defer(trigger=trigger, method_name="jobs_ended")
        # [END howto_trigger_drs_job]

    def jobs_ended(self, context: Context, event: dict[str, Any]) -> None:
        """Hand the wait for the instances to the triggerer."""
        if event["outcome"] != "ended":
            raise RuntimeError(f"{event['outcome']}: {event['detail']}")
        # [START howto_trigger_drs_instances]
        jobs = {server: job["job_id"] for job in self.launch["jobs"] for server in job["servers"]}
        trigger = DrsInstancesTrigger(awaited=[{"aws": AWS, "jobs": jobs}], ready="running", deadline=in_an_hour())
        self.defer(trigger=trigger, method_name="instances_settled")
        # [END howto_trigger_drs_instances]

    def instances_settled(self, context: Context, event: dict[str, Any]) -> str:
        """Return how the wait ended."""
        return str(event["outcome"])


with DAG(
    dag_id="example_drs_hook",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"aws_conn_id": "aws_default", "region_name": "us-west-2", "retries": 2},
    tags=["example", "drs"],
    doc_md=__doc__,
) as dag:
    # [START howto_hook_drs]
    @task
    def lags() -> dict[str, str | None]:
        """Return what DRS says of each server's replication lag, as an ISO 8601 duration."""
        from drs_provider.hooks.drs import DrsHook

        hook = DrsHook(aws_conn_id="aws_default", region_name="us-west-2")
        return {
            server["sourceServerID"]: server["dataReplicationInfo"].get("lagDuration")
            for server in hook.source_servers(SERVERS)
        }

    # [END howto_hook_drs]

    ready = WaitForServers(task_id="ready")
    start = DrsStartRecoveryOperator(task_id="start", source_server_ids=SERVERS, is_drill=True)
    watch = WatchLaunch(task_id="watch", launch=start.output)
    lags() >> ready >> start >> watch
