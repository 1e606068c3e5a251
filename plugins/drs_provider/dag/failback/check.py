"""The first task of a way back: which servers go back, from where to where, and what speaks against it."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import Context

from drs_provider.dag.preflight_check import PATIENCE_SECONDS, CheckPlan
from drs_provider.operators.installation import installation_of
from drs_provider.rules.failback.shape import FailbackShape
from drs_provider.rules.purpose import PURPOSES_BACK, Purpose
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import WayBack

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook
    from drs_provider.plan.loader import Library
    from drs_provider.plan.model import Wave
    from drs_provider.rules.preflight.outcome import PreflightOutcome
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.run.handover import PlanRunStart
    from drs_provider.rules.run.request import RunRequest
    from drs_provider.services.failback.read import CircleReader, HookOf


class CheckFailback(CheckPlan):
    """Resolve the plan's groups and look where every server stands on its way back; change nothing."""

    PURPOSES: ClassVar[tuple[Purpose, ...]] = PURPOSES_BACK
    shape: FailbackShape

    def _waves_to_choose(self) -> "Sequence[Wave]":
        return [wave.wave for wave in self.shape.waves]

    def _look(
        self,
        context: Context,
        request: "RunRequest",
        library: "Library",
        now: datetime,
        start: "PlanRunStart | None",
    ) -> "PreflightOutcome":
        from drs_provider.dag.report_place import look_at_report_place
        from drs_provider.services.failback.preflight import FailbackPreflight

        ours = self.shape.runnable.groups
        preflight = FailbackPreflight(
            self.shape.for_request(request),
            request,
            now,
            other_groups=tuple(group for name, group in library.groups.items() if name not in ours),
            look_at_report_place=look_at_report_place,
            installation=installation_of(context),
        )
        return preflight.take(lambda way: reader_of(way, _patient))

    def _idle(self, outcome: "PreflightOutcome") -> list[str]:
        return []


def arguments_of(target: Target) -> "AwsArguments":
    """Return how an account and Region is asked; without a Region of its own: that of the connection, or of DRS."""
    return {"aws_conn_id": target.aws_conn_id, "region_name": target.region or None, "verify": None, "config": None}


def reader_of(way: WayBack, hook_of: "HookOf | None" = None) -> "CircleReader":
    """Return who looks at both places of a way back."""
    from drs_provider.services.failback.read import CircleReader

    return CircleReader(arguments_of(way.target), origin=arguments_of(way.origin), hook_of=hook_of)


def _patient(aws: "AwsArguments") -> "FailbackHook":
    from drs_provider.hooks.failback import FailbackHook

    return FailbackHook(**aws, patience=PATIENCE_SECONDS)
