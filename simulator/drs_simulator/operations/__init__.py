"""What the simulated service can do, one file per family; importing this package fills the table."""

from drs_simulator.operations import executions, instances, networks, plans, recovery, servers, settings

FAMILIES = (executions, instances, networks, plans, recovery, servers, settings)
"""Every module with operations."""
