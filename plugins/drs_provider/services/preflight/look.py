"""Preflight without a run: everything that speaks against one is looked at, and nothing is started or kept."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from drs_provider.plan.loader import Library, RunnablePlan
from drs_provider.rules.preflight.outcome import PreflightOutcome
from drs_provider.rules.preflight.parts import part_findings
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.run.request import read_request
from drs_provider.rules.run.shape import compile_shape
from drs_provider.services.preflight.check import HookOf, Preflight
from drs_provider.services.preflight.drill_forecast import ReadReports

NO_RUN: Final = "no-run"
"""Stands for the id of the run that there is not."""


def look_without_run(
    runnable: RunnablePlan,
    library: Library,
    form: Mapping[str, JsonValue],
    *,
    now: datetime,
    hook_of: HookOf,
    asked_by: str | None,
    read_reports: ReadReports = tuple,
) -> PreflightOutcome:
    """Ask every account and Region of the chosen waves, and return everything that was found.

    What only a run can tell is not looked at: whether its tasks can write the report, what it would continue, and who
    may start it where roles of recovery managers decide. Nobody confirms what is not started.

    :param form: the answers to the trigger form: mode, waves, exclude_servers, point_in_time and so on
    :param asked_by: who would start the run
    :raises PreflightRefused: something is wrong with the form
    :raises AwsError: nothing can be said now, and asking again later may help
    """
    shape, plan = compile_shape(runnable), runnable.plan
    answered = {
        "launch": "ahead" if shape.has_launch_ahead else "in_waves",
        **form,
        "confirm": plan.name,
        "reason": form.get("reason") or "preflight without a run",
    }
    request = read_request(
        answered,
        plan=plan.name,
        waves=[wave.name for wave in plan.waves],
        run_type="manual",
        now=now,
        has_launch_ahead=shape.has_launch_ahead,
    )
    return Preflight(
        shape.for_request(request),
        request,
        (shape.dag_id, NO_RUN),
        now,
        read_reports=read_reports,
        triggered_by=asked_by,
        other_groups=tuple(group for name, group in library.groups.items() if name not in runnable.groups),
        of_parts=part_findings(shape, purpose_of(request.mode), library),
    ).take(hook_of)
