"""The order in which the grid lists task groups."""

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import TaskGroup


def list_in_order(groups: Iterable["TaskGroup"]) -> None:
    """Have Airflow's lists show task groups in this order; no task waits for anything more.

    Airflow lists a group behind those that its first tasks wait for, else by name. A wave's first task may be one that
    runs ahead, beside earlier waves. ``upstream_group_ids`` alone moves a group in the list: Airflow draws edges from
    ``downstream_group_ids``, and schedules by tasks.
    """
    for above, below in pairwise(groups):
        below.upstream_group_ids.add(above.group_id)
