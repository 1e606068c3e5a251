"""The tasks that start the jobs of a wave, and the squares that show what became of each server."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider.dag.people.agreement import ensure_people_agreed
from drs_provider.dag.run_reader import preflight_result
from drs_provider.dag.steps.context import AskedBefore, ensure_steps_approved
from drs_provider.dag.waves.cancellation import cancelled_start, obey_before_a_start
from drs_provider.dag.waves.network import ensure_still_isolated, network_of
from drs_provider.dag.waves.preemption import ensure_not_taken_over
from drs_provider.dag.waves.settings import ensure_in_force, in_this_run
from drs_provider.exceptions import PlanChanged
from drs_provider.formatting import shortened
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.plan.model import Pause
from drs_provider.rules.run.approvals import ANSWER, Policy, ensure_answered
from drs_provider.rules.run.keys import LAUNCH
from drs_provider.rules.run.request import is_drill, read_as_of
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook


class StartWave(DrsStartRecoveryOperator):
    """Start the jobs of one wave in one account and Region, for the servers that preflight found.

    Refuses when the plan on disk is no longer the plan that the run was started with. Returns the wave's servers, a
    list, so that the tasks that show them can be mapped over it; the jobs travel under the key ``launch``.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from preflight
    asked_before: Sequence[AskedBefore] = ()

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        target: Target,
        policy: Policy | None = None,
        approval_task_ids: Sequence[str] = (),
        pause: Pause | None = None,
        pause_task_id: str = "",
        settings_task_id: str = "",
        network: int = 0,
        lifetime: timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            source_server_ids=(),
            is_drill=True,
            aws_conn_id=target.aws_conn_id,
            region_name=target.region or None,
            launch_name=wave,
            **kwargs,
        )
        self.plan, self.digest, self.wave, self.target = plan, digest, wave, target
        self.policy, self.approval_task_ids = policy, tuple(approval_task_ids)
        self.pause, self.pause_task_id = pause, pause_task_id
        self.settings_task_id, self.network, self.lifetime = settings_task_id, network, lifetime
        self.servers: list[dict[str, Any]] = []

    @cached_property
    def hook(self) -> "LaunchSettingsHook":
        """The hook of this wave's account and Region, made when first asked for."""
        from drs_provider.hooks.launch_settings import LaunchSettingsHook

        return LaunchSettingsHook(**self.aws)

    def execute(self, context: Context) -> Any:
        """Start the wave, unless a person has cancelled the run or left this wave out while the run went on.

        The order is read when the wave's turn comes: marking this task beforehand would let the waves after it, and
        the clean-up, start beside waves that still run. A start that died on the way is finished all the same: its
        job may exist, and must be watched.
        """
        obey_before_a_start(context)
        return super().execute(context)

    def resume_start(self, context: Context, event: Any, *, waiting_since: str | None = None) -> Any:
        """Go on after a wait, unless a person has ordered otherwise while nothing of the wave was started."""
        obey_before_a_start(context)
        return super().resume_start(context, event, waiting_since=waiting_since)

    def why_ended(self, context: Context) -> str | None:
        """Start no further job of the wave once the run is cancelled; those that exist are handed on and watched."""
        return cancelled_start(context)

    def prepare(self, context: Context) -> None:
        """Take mode, quotas and servers from preflight, on every leg of the task."""
        from drs_provider.rules.launch.next_launch import stages
        from drs_provider.rules.launch.tags import life_tags

        preflight = preflight_result(context, self.plan)
        if preflight["digest"] != self.digest:
            raise PlanChanged(self.plan, preflight["digest"], self.digest)
        self.mode, self.as_of = preflight["mode"], read_as_of(preflight["point_in_time"])
        self.is_drill = is_drill(self.mode)
        self.quotas = preflight["quotas"][str(self.target)]
        self.replace_live_instances = preflight["replace_live_instances"]
        self.continue_run = preflight.get("continue_run")
        wave = preflight["waves"][self.wave]
        if not wave["selected"]:
            raise AirflowSkipException(f"wave {self.wave} was not chosen for this run")
        self.servers = servers_of(wave, self.target)
        if not self.servers:
            raise AirflowSkipException(f"wave {self.wave} has no server left to launch in {self.target}")
        self._ensure_agreed(context, preflight)
        if self.is_drill:
            ensure_not_taken_over(context, preflight, self.hook)
        self.tags = life_tags(self.mode, now=datetime.now(UTC), lifetime=self.lifetime)
        # The others of a boot order are launched by the task that watches these.
        first = stages(server for part in wave["targets"] for server in part["servers"])[0]
        self.source_server_ids = [one["server_id"] for one in self.servers if one["server_id"] in first]

    def _ensure_agreed(self, context: Context, preflight: Mapping[str, Any]) -> None:
        """Look for the recorded answers of those who were asked: "Mark success" on their tasks records nothing."""
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        if self.pause is not None:
            answer = context["ti"].xcom_pull(task_ids=self.pause_task_id, key=ANSWER)
            ensure_answered(self.pause, self.pause_task_id, answer)
        ensure_steps_approved(context, self.asked_before)

    def finish(self, context: Context, launch: dict[str, Any]) -> list[dict[str, Any]]:
        """Hand the jobs to the task that watches them, and the servers to the tasks that show them."""
        from drs_provider.services.recovery_points import POINTS

        names = shortened(tuple(server["hostname"] for server in self.servers))
        self.log.info(
            "wave %s: %d jobs launch %d of %d servers: %s",
            self.wave,
            len(launch["jobs"]),
            sum(len(job["servers"]) for job in launch["jobs"]),
            len(self.servers),
            names,
        )
        points: Any = context["task_state_store"].get(POINTS) or {}
        context["ti"].xcom_push(key=LAUNCH, value={**launch, "tags": dict(self.tags or {}), "points": points})
        return self.servers

    def points_of(self, context: Context, servers: Sequence[str]) -> Mapping[str, str]:
        """Look again at what the launch will use: settings may have changed, points age out, a source may have gone."""
        from drs_provider.services.recovery_points import Pinning

        names = {one["server_id"]: one["hostname"] for one in self.servers}
        if self.network and self.is_drill is True:
            ensure_still_isolated(network_of(context, self.network), self.aws)
        if self.settings_task_id:
            known = {one["server_id"]: one for one in self.servers}
            wanted = {one: server["settings"] for one, server in known.items()}
            settings = in_this_run(context, wanted, known, mode=self.mode, network=self.network)
            ensure_in_force(context, self.settings_task_id, self.hook, servers, settings, mode=self.mode)
        return Pinning(self.mode, self.as_of, names, context["task_state_store"]).points(self.hook, servers)


class ServerOutcome(BaseOperator):
    """Show what became of one server, as one square in Airflow. Nothing waits for it."""

    ui_color = "#e8f0f8"
    ui_fgcolor = "#1b2a3a"

    def __init__(self, *, server: Mapping[str, Any], watch_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.server, self.watch_task_id = server, watch_task_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Succeed for a launched server, fail for a failed one, skip for one whose failure the wave tolerates."""
        names: Any = context  # what map_index_template finds
        names["server_name"] = self.server["hostname"]
        results = context["ti"].xcom_pull(task_ids=self.watch_task_id, key="servers") or ()
        result = next((one for one in results if one["server_id"] == self.server["server_id"]), None)
        if result is None:
            raise AirflowFailException(f"{self.server['hostname']}: the wave's job left no result for it")
        if result["status"] == "launched":
            self.log.info("%s: launched as %s", self.server["hostname"], result["instance_id"])
            return dict(result)
        why = f"{self.server['hostname']}: {result['reason'] or result['status']}"
        if context["ti"].xcom_pull(task_ids=self.watch_task_id):
            raise AirflowSkipException(f"{why} (the wave tolerates it)")
        raise AirflowFailException(why)


def servers_of(wave: Mapping[str, Any], target: Target) -> list[dict[str, Any]]:
    """The servers that preflight found for one wave in one account and Region."""
    return [
        server
        for part in wave["targets"]
        if (part["aws_conn_id"], part["region"]) == (target.aws_conn_id, target.region)
        for server in part["servers"]
    ]
