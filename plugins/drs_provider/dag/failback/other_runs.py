"""The other runs of the DAG of a way back that are not over, asked of Airflow from one of its tasks."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.airflow_internals.tasks import other_run
from drs_provider.dag.run_reader import active_runs_beside, purpose_of_run
from drs_provider.exceptions import RunRefused
from drs_provider.rules.purpose import PURPOSES_BACK, find_purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.request import read_names

if TYPE_CHECKING:
    from drs_provider.rules.failback.other_runs import OtherWayBack

_REFUSED = ("failed", "skipped", "upstream_failed", "removed")
"""How the preflight of a run ends that does nothing more."""

_log = logging.getLogger(__name__)


def other_ways_back(context: Context) -> "tuple[OtherWayBack, ...]":
    """Ask for every other run of this DAG that is not over and that its preflight has not refused.

    What each was started for is read from what Airflow keeps with the run, which nobody can edit.

    :raises RunRefused: Airflow does not answer
    """
    try:
        return tuple(_others(context))
    except Exception as error:
        raise RunRefused(
            f"Airflow does not say which other runs of {context['dag_run'].dag_id} go on, and two must not take the "
            f"same servers ({str(error) or type(error).__name__}). Clear this task to ask again"
        ) from error


def problems_beside(context: Context, plan: str) -> tuple[str, ...]:
    """Say what other runs have against the beginning of this one; also where Airflow does not answer."""
    from drs_provider.rules.failback.other_runs import refusals_beside

    purpose = purpose_of_run(context)
    if not purpose.launches:
        return ()
    try:
        return tuple(refusals_beside(plan, purpose, _waves(context["params"]), other_ways_back(context)))
    except RunRefused as refusal:
        return (str(refusal),)


def ensure_alone(context: Context, plan: str) -> None:
    """Look again, right before something is stopped or launched, for a run that this one gives way to.

    Where Airflow does not answer, a drill is refused. A failback goes on, for its writes may be stopped by now, and
    preflight has looked: nobody is helped by a refusal.

    :raises RunRefused: there is one; nothing was called
    """
    from drs_provider.rules.failback.other_runs import refusals_later

    purpose = purpose_of_run(context)
    try:
        others = other_ways_back(context)
    except RunRefused as refusal:
        if not purpose.cuts_over:
            raise
        _log.warning("%s. This run goes on, as preflight has seen no other", refusal)
        return
    if against := list(refusals_later(plan, purpose, _waves(context["params"]), others)):
        raise RunRefused("; ".join(against))


def _others(context: Context) -> "Iterator[OtherWayBack]":
    from drs_provider.rules.failback.other_runs import OtherWayBack

    own = context["dag_run"]
    for run_id, checked in active_runs_beside(context, names.PREFLIGHT_TASK).items():
        found = other_run(own.dag_id, run_id) if checked not in _REFUSED else None
        if found is None:
            continue
        # A mode that is none is refused by that run's own preflight.
        purpose = find_purpose(found.conf.get("mode", PURPOSES_BACK[0].name), PURPOSES_BACK)
        if purpose is not None:
            yield OtherWayBack(
                run_id,
                purpose,
                read_names(found.conf.get("waves")),
                has_passed=checked == "success",
                is_earlier=(found.run_after or own.run_after, run_id) < (own.run_after, own.run_id),
            )


def _waves(params: dict[str, object]) -> tuple[str, ...]:
    return read_names(params.get("waves"))
