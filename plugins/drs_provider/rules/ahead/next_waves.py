"""Whether the next wave may begin at once, before Airflow begins its tasks."""

from collections.abc import Collection, Mapping

_LETS_ON = ("success", "skipped")
"""What a task that waits for ``none_failed`` is content with."""


def may_begin(states: Mapping[str, str | None], task: str, waits_for: Collection[str], *, after: str) -> bool:
    """Tell whether a task waits for nothing any longer but for the end of the task that asks.

    :param states: Airflow's states of the run's tasks; None: nothing has happened to it yet
    :param task: that waits; one that Airflow has begun, or a person has marked, is left alone
    :param waits_for: everything that it waits for
    :param after: who asks, and has done its work; it must still be running, by Airflow's word
    """
    if states.get(task) or str(states.get(after)) != "running":
        return False
    return after in waits_for and all(str(states.get(other)) in _LETS_ON for other in waits_for if other != after)
