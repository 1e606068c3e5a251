"""What the simulated service can do, one file per family; importing this package fills the table."""

from drs_simulator.operations import (
    failback,
    plan_executions,
    recovery,
    recovery_instances,
    recovery_plans,
    settings,
    source_networks,
    source_servers,
)

__all__ = [
    "failback",
    "plan_executions",
    "recovery",
    "recovery_instances",
    "recovery_plans",
    "settings",
    "source_networks",
    "source_servers",
]
