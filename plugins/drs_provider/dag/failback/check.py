"""The first task of a way back: which servers go back, from where to where, and what speaks against it."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import Context

from drs_provider.dag.preflight_check import PATIENCE_SECONDS, CheckPlan, patient_hook
from drs_provider.exceptions import PreflightRefused
from drs_provider.operators.installation import installation_of
from drs_provider.rules.failback.shape import FailbackShape
from drs_provider.rules.purpose import FAILBACK_DRILL, PURPOSES_BACK, Purpose
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import WayBack

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.plan.loader import Library
    from drs_provider.plan.model import Wave
    from drs_provider.rules.preflight.outcome import PreflightOutcome
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.run.handover import PlanRunStart
    from drs_provider.rules.run.request import RunRequest
    from drs_provider.services.failback.preflight import FailbackPreflight
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
        from drs_provider.dag.failback.other_runs import problems_beside
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
            triggered_by=getattr(context["dag_run"], "triggering_user_name", None),
            hook_of=_settings_hook,
            beside=problems_beside(context, self.shape.plan.name),
        )
        if request.purpose is FAILBACK_DRILL:
            return self._look_for_drill(context, preflight, library, start)
        return preflight.take(lambda way: reader_of(way, _patient))

    def _look_for_drill(
        self, context: Context, back: "FailbackPreflight", library: "Library", start: "PlanRunStart | None"
    ) -> "PreflightOutcome":
        """Look at both places, and at the origins as before any drill."""
        from drs_provider.rules.failback.drill_shape import with_launch_settings_back
        from drs_provider.services.failback.drill import FailbackDrillPreflight

        if self.shape.drill is None:
            raise PreflightRefused(self.shape.plan.name, [f"the plan has no {FAILBACK_DRILL.title.lower()}"])
        of_drill = self._preflight(context, back.request, library, back.now, start)
        known = {each.name: getattr(of_drill, each.name) for each in fields(of_drill) if each.name != "shape"}
        preflight = FailbackDrillPreflight(shape=self.shape.drill.for_request(back.request), **known)
        here = replace(back.shape, runnable=with_launch_settings_back(back.shape.runnable))
        return preflight.after(replace(back, shape=here), lambda way: reader_of(way, _patient), patient_hook)

    def _idle(self, outcome: "PreflightOutcome") -> list[str]:
        """Give the tasks of the other kinds of run."""
        shape, purpose = self.shape, outcome.purpose
        if purpose.cuts_over:
            unasked = () if outcome.needs_approval else shape.approval_tasks
            return [*shape.reverse_tasks, *shape.drill_tasks, *unasked]
        return [*shape.cut_over_tasks, *(shape.reverse_tasks if purpose.launches else shape.drill_tasks)]


def arguments_of(target: Target) -> "AwsArguments":
    """Return how an account and Region is asked; without a Region of its own: that of the connection, or of DRS."""
    return {"aws_conn_id": target.aws_conn_id, "region_name": target.region or None, "verify": None, "config": None}


def reader_of(way: WayBack, hook_of: "HookOf | None" = None) -> "CircleReader":
    """Return who looks at both places of a way back."""
    from drs_provider.services.failback.read import CircleReader

    return CircleReader(arguments_of(way.target), origin=arguments_of(way.origin), hook_of=hook_of)


def _settings_hook(aws: "AwsArguments") -> "LaunchSettingsHook":
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

    return LaunchSettingsHook(**aws, patience=PATIENCE_SECONDS)


def _patient(aws: "AwsArguments") -> "FailbackHook":
    from drs_provider.hooks.failback import FailbackHook

    return FailbackHook(**aws, patience=PATIENCE_SECONDS)
