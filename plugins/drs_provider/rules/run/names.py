"""DAG ids of what is no plan."""

from typing import Final

SWEEPER: Final = "drs.sweeper"
"""The DAG that removes left-overs of drills; ``plan.checks`` refuses a plan of that name."""
