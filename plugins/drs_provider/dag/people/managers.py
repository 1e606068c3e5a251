"""Who the recovery managers are in a run, and whether the one who started it is one of them."""

from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.configuration import recovery_managers
from drs_provider.dag.people.agreement import triggered_by
from drs_provider.dag.run_reader import is_cleared
from drs_provider.exceptions import HandoverUnreadable, PreflightRefused
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.roles.managers import (
    Managers,
    ManagersUnreadable,
    read_managers,
    why_not_begun_anew,
    why_not_started,
    with_roles,
)
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import ManagersKnown, PlanRunStart


def ensure_may_start(
    context: Context, plan: str, purpose: Purpose, start: "PlanRunStart | None", *, is_resumed: bool = False
) -> None:
    """Refuse a run that only recovery managers start, where somebody else has started it, or begun it anew.

    :param start: the step of another plan that has started it, proven; None: none has
    :param is_resumed: it goes on after a wait of the same try, whose beginning was let through: what was cleared since
        is another task
    :raises PreflightRefused: it does not start; it says who started it, and what to do
    """
    if not purpose.needs_recovery_manager:
        return
    try:
        managers = read_managers(recovery_managers())
    except ManagersUnreadable as error:
        raise PreflightRefused(plan, [f"{error}: nothing that is real starts until it does"]) from error
    if managers.roles:
        managers = _asked_scheduler(context, managers)
    starter = start.triggered_by if start else triggered_by(context)
    why = why_not_started(managers, purpose, starter, is_part=start is not None)
    # A step of another plan that is tried again clears the run that it has started; the whole is asked, and goes on.
    if why is None and start is None and not is_resumed and is_cleared(context):
        why = why_not_begun_anew(managers, purpose)
    if why:
        raise PreflightRefused(plan, [why])


def managers_left(context: Context) -> Managers:
    """Return who the recovery managers are, in a task after preflight; with a setting that cannot be read, nobody."""
    try:
        managers = read_managers(recovery_managers())
    except ManagersUnreadable as error:
        return Managers(problem=str(error))
    if not managers.roles:
        return managers
    from drs_provider.rules.run.handover import ManagersKnown

    try:
        return _with(managers, pull_newest(context, PREFLIGHT_TASK, ManagersKnown))
    except HandoverUnreadable as error:
        return with_roles(managers, None, str(error))


def _asked_scheduler(context: Context, managers: Managers) -> Managers:
    """Read who has the roles, as the scheduler has handed it to preflight, and leave it to later tasks."""
    from drs_provider.rules.run.handover import ManagersKnown
    from drs_provider.services.store import load

    try:
        known = load(task_memory(context), ManagersKnown)
    except HandoverUnreadable as error:
        return with_roles(managers, None, str(error))
    if known is not None:
        leave(context["ti"], known)
    return _with(managers, known)


def _with(managers: Managers, known: "ManagersKnown | None") -> Managers:
    if known is None:
        return with_roles(managers, None, NOT_SAID)
    if known.problem or not set(managers.roles) <= set(known.roles):
        return with_roles(managers, None, known.problem or NOT_SAID)
    return with_roles(managers, known.people, "")


NOT_SAID = (
    "Airflow's scheduler has not said who has it when the run began; it needs this provider and the same "
    "[drs] recovery_managers"
)
