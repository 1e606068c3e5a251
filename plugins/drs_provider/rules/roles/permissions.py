"""The five roles, and the permissions of Airflow's FAB auth manager that each of them has. Pure.

What makes a recovery manager is the gate (``managers``), not a permission: Airflow knows no right to start some runs of
a DAG and not others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from drs_provider.rules.run.names import check_dag_of, dag_id_of, failback_dag_of

Permission = tuple[str, str]
"""An action and a resource, in the words of Flask-AppBuilder."""

_SEEN: Final = (
    "Website",
    "DAG Runs",
    "Task Instances",
    "Task Logs",
    "XComs",
    "HITL Detail",
    "DAG Versions",
    "DAG Warnings",
    "Jobs",
    "Plugins",
)
_OWN: Final[tuple[Permission, ...]] = (
    ("can_read", "My Profile"),
    ("can_edit", "My Profile"),
    ("can_read", "My Password"),
    ("can_edit", "My Password"),
)
_READS: Final[tuple[Permission, ...]] = (*(("can_read", name) for name in _SEEN), *_OWN)
_RUNS: Final[tuple[Permission, ...]] = (
    ("can_create", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_edit", "HITL Detail"),
)
_PLANS: Final[tuple[Permission, ...]] = (("can_read", "ImportError"), ("can_read", "DAG Code"))
_ADMINISTERS: Final[tuple[Permission, ...]] = (
    ("can_read", "Audit Logs"),
    ("can_read", "Configurations"),
    *((f"can_{verb}", name) for name in ("Connections", "Variables") for verb in ("read", "create", "edit", "delete")),
)


@dataclass(frozen=True)
class ConsoleRole:
    """A role.

    :param name: as the auth manager has it
    :param may: what it may, in a sentence without a full stop
    :param permissions: those that are of no single DAG
    :param on_plans: what it may with the DAGs of plans
    """

    name: str
    may: str
    permissions: tuple[Permission, ...]
    on_plans: tuple[str, ...] = ("can_read",)


READ_ONLY: Final = ConsoleRole("DRS read-only", "sees plans, runs, reports and the history", _READS)
OPERATOR: Final = ConsoleRole(
    "DRS operator",
    "starts drills and checks, steers runs, answers what it is asked",
    (*_READS, *_RUNS),
    ("can_read", "can_edit"),
)
PLAN_MANAGER: Final = ConsoleRole(
    "DRS plan manager",
    "also changes plans and protection groups, and sees what is wrong with their files",
    (*_READS, *_PLANS, ("can_read", "Connections"), ("can_edit", "Connections")),
    ("can_read", "can_edit"),
)
RECOVERY_MANAGER: Final = ConsoleRole(
    "DRS recovery manager",
    "may also start recoveries, migrations and failbacks, and roll back, where [drs] recovery_managers names the role",
    (*_READS, *_RUNS, *_PLANS),
    ("can_read", "can_edit"),
)
ADMINISTRATOR: Final = ConsoleRole(
    "DRS administrator",
    "also changes connections, variables and protection groups, and reads the audit log",
    (*_READS, *_RUNS, *_PLANS, *_ADMINISTERS),
    ("can_read", "can_edit"),
)

CONSOLE_ROLES: Final = (ADMINISTRATOR, RECOVERY_MANAGER, PLAN_MANAGER, OPERATOR, READ_ONLY)


def fab_permissions(plans: Iterable[str]) -> Mapping[str, tuple[Permission, ...]]:
    """Return the permissions of each role, by its name.

    :param plans: names of the plans whose DAGs the roles are for: the plan's own, its way back, its checks
    """
    dags = [dag for plan in plans for dag in (dag_id_of(plan), failback_dag_of(plan), check_dag_of(plan))]
    return {
        role.name: (*role.permissions, *((action, f"DAG:{dag}") for dag in dags for action in role.on_plans))
        for role in CONSOLE_ROLES
    }
