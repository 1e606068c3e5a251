"""Waiting until servers are somewhere on their way there and back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferralTimeout
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.formatting import MANY, duration, some
from drs_provider.operators.base import DrsSensor, asking_later, failing_for_good
from drs_provider.operators.failback import FAILBACK_FIELDS, LONGEST_WAY, FailbackConnected, follow
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.services.failback.follow import FollowGoal


class DrsFailbackSensor(FailbackConnected, DrsSensor):
    """Wait until servers are where they are awaited on their way back; changes nothing.

    Fails for servers that do not get there by waiting, with what is the matter and what to do. Leaves
    ``failback_progress`` in XCom while it waits: one record a server with stage, share, bytes, DRS's estimate and lag.
    Returns a ``FailbackOutcome`` as JSON (``rules.run.handover``).

    :param source_server_ids: servers as they are protected in the recovery Region, also on the way back (templated)
    :param goal: ``ready`` (may be launched in the origin), ``failed_back``, ``reprotected`` or ``resting``
    :param origin_conn_id: Airflow connection of the account that they came from; unset: ``aws_conn_id`` (templated)
    :param origin_region_name: the origin Region; unset: each server's own (templated)
    :param timeout: how long to wait; default seven days
    :param poke_interval: pause between two looks; default 30 s
    """

    template_fields: Sequence[str] = (*FAILBACK_FIELDS, "goal")
    template_fields_renderers = {"source_server_ids": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#c9b8e8"
    ui_fgcolor = "#1c1917"

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        goal: str = "ready",
        origin_conn_id: str | None = None,
        origin_region_name: str | None = None,
        timeout: timedelta | float = LONGEST_WAY,
        poke_interval: timedelta | float = 30.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, poke_interval=poke_interval, **kwargs)
        self.source_server_ids = source_server_ids
        self.goal = goal
        self.origin_conn_id = origin_conn_id
        self.origin_region_name = origin_region_name

    def execute(self, context: Context) -> None:
        """Hand the waiting over to the triggerer."""
        with failing_for_good():
            self.prepare(context)
            goal, servers = self._goal(), self.server_ids
        follow(
            self,
            servers,
            aws=self.aws,
            origin=self.origin,
            goal=goal,
            deadline=clock.now() + timedelta(seconds=self.timeout),
            resume=self.servers_judged.__name__,
            kwargs={},
            context=context,
            poll_seconds=self.poke_interval,
            acts=False,
        )

    def servers_judged(self, context: Context, event: object) -> dict[str, JsonValue]:
        """Look once more, and return where the servers are, or fail with what is the matter."""
        said = event if isinstance(event, Mapping) else {}
        with failing_for_good():
            if said.get("outcome") == "refused":
                raise AwsError("DescribeSourceServers", "Refused", str(said["detail"]))
            if said.get("outcome") == "timed_out":
                raise RunRefused(f"waited {duration(timedelta(seconds=self.timeout))}: {said['detail']}")
            self.prepare(context)
            until = clock.now() + timedelta(seconds=self.timeout)
            with asking_later(self, self.servers_judged, until=until):
                return self._judge(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; a deferral that Airflow itself timed out ends in this package's words."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (AirflowSensorTimeout, TaskDeferralTimeout):
            with failing_for_good():
                raise RunRefused(
                    f"the servers were not {self.goal} in time, and no triggerer said why: is one running?"
                ) from None

    def _judge(self, context: Context) -> dict[str, JsonValue]:
        from drs_provider.rules.run.handover import FailbackOutcome
        from drs_provider.services.failback.follow import steps_towards
        from drs_provider.services.failback.look import progress_of

        read = self.reader().read(self.server_ids)
        read.ensure_answered()
        leave(context["ti"], progress_of(read))
        steps = steps_towards(self._goal(), read)
        left = {name: step.why for name, step in steps.items() if step.kind != "done"}
        if left:
            lines = [f"{read.name_of(server_id)}: {why}" for server_id, why in left.items()]
            raise RunRefused(f"{len(left)} of {len(steps)} servers are not {self.goal}: {some(lines, MANY, '; ')}")
        done = {name: step.why for name, step in steps.items()}
        return sealed(context["ti"], FailbackOutcome(done=done))

    def _goal(self) -> "FollowGoal":
        from drs_provider.services.failback.follow import GOALS

        if self.goal not in GOALS:
            raise RunRefused(f"goal must be one of {', '.join(GOALS)}, not {self.goal!r}; nothing was called")
        return self.goal
