"""Waiting until source servers may be launched."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferralTimeout

from drs_provider import clock
from drs_provider.exceptions import AwsError, PreflightRefused, RunRefused
from drs_provider.operators.base import AWS_FIELDS, DrsSensor, failing_for_good
from drs_provider.operators.template_values import rendered_bool, rendered_ids
from drs_provider.rules.launch.live_instances import ensure_may_replace
from drs_provider.rules.purpose import DRILL, RECOVERY
from drs_provider.triggers.readiness import DrsReadinessEvent, DrsReadinessTrigger

BACKSTOP = timedelta(minutes=5)


class DrsSourceServersReadySensor(DrsSensor):
    """Wait until nothing speaks against launching these source servers.

    Judges as preflight does (``rules.launch.readiness.assess``): a drill wants replication that is CONTINUOUS and
    within ``max_lag``, a recovery only what a launch cannot do without. When the time is over, fails for good with
    every finding. Returns ``{"servers": [...], "warnings": [...]}``.

    :param source_server_ids: source servers to wait for (templated)
    :param is_drill: True for a drill, False for a real recovery; must be a bool after rendering (templated).
        ``mode`` is Airflow's own argument of every sensor, and changes nothing here
    :param max_lag: the most replication lag allowed; unset: any
    :param replace_live_instances: do not wait for live recovered instances to go; refused in a drill (templated)
    :param replace_drills: do not wait for drill instances to go that others launched (templated)
    :param timeout: how long to wait; default one hour
    :param poke_interval: pause between two looks; default 30 s
    """

    template_fields: Sequence[str] = (
        *AWS_FIELDS,
        "source_server_ids",
        "is_drill",
        "replace_live_instances",
        "replace_drills",
    )
    template_fields_renderers = {"source_server_ids": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#9ecbb0"
    ui_fgcolor = "#1c1917"

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        is_drill: bool | str = True,
        max_lag: timedelta | None = None,
        replace_live_instances: bool | str = False,
        replace_drills: bool | str = False,
        timeout: timedelta | float = timedelta(hours=1),
        poke_interval: timedelta | float = 30.0,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("mode") in {DRILL.name, RECOVERY.name}:
            raise ValueError(f"mode is Airflow's own argument: write is_drill={kwargs['mode'] == DRILL.name}")
        super().__init__(timeout=timeout, poke_interval=poke_interval, **kwargs)
        self.source_server_ids = source_server_ids
        self.is_drill = is_drill
        self.max_lag = max_lag
        self.replace_live_instances = replace_live_instances
        self.replace_drills = replace_drills

    def execute(self, context: Context) -> None:
        """Hand the waiting over to the triggerer."""
        with failing_for_good():
            self.prepare(context)
            trigger = self._trigger(context["ti"].dag_id)
        self.defer(
            trigger=trigger,
            method_name=self.servers_judged.__name__,
            timeout=timedelta(seconds=self.timeout) + BACKSTOP,
        )

    def servers_judged(self, context: Context, event: DrsReadinessEvent) -> dict[str, list[str]]:
        """Return the servers with their warnings, or fail with everything that still speaks against them."""
        with failing_for_good():
            if event["outcome"] == "refused":
                raise AwsError("DescribeSourceServers", "Refused", event["refusals"][0])
            if event["outcome"] == "timed_out":
                raise PreflightRefused(f"{len(event['servers'])} source servers", event["refusals"])
            for warning in event["warnings"]:
                self.log.warning("%s", warning)
            return {"servers": event["servers"], "warnings": event["warnings"]}

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; a deferral that Airflow itself timed out ends in this package's words."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (AirflowSensorTimeout, TaskDeferralTimeout):
            with failing_for_good():
                raise RunRefused(
                    "the source servers did not become ready in time, and no triggerer said why: is one running?"
                ) from None

    def _trigger(self, dag_id: str) -> DrsReadinessTrigger:
        mode = (DRILL if rendered_bool("is_drill", self.is_drill) else RECOVERY).name
        replace_live_instances = rendered_bool("replace_live_instances", self.replace_live_instances)
        ensure_may_replace(mode, replace_live_instances=replace_live_instances)
        deadline = clock.now() + timedelta(seconds=self.timeout)
        return DrsReadinessTrigger(
            server_ids=list(rendered_ids("source_server_ids", self.source_server_ids)),
            mode=mode,
            max_lag_seconds=self.max_lag.total_seconds() if self.max_lag is not None else None,
            replace_live_instances=replace_live_instances,
            replace_drills=rendered_bool("replace_drills", self.replace_drills),
            dag_id=dag_id,
            aws=self.aws,
            deadline=deadline.isoformat(),
            poll_seconds=self.poke_interval,
        )
