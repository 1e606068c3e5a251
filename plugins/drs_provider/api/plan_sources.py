"""What the routes of recovery plans are built from, beside the plans themselves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from drs_provider.api.history_sources import HistorySources
from drs_provider.api.sources import ApiSources
from drs_provider.plan.loader import Library, RunnablePlan
from drs_provider.rules.preflight.outcome import PreflightOutcome


@dataclass(frozen=True)
class PlanStanding:
    """What Airflow and the reports say of a plan now; None: it never was, or nobody can tell."""

    is_paused: bool = False
    last_run: str | None = None
    last_run_at: datetime | None = None
    last_status: str | None = None
    kept_until: datetime | None = None
    is_verified: bool | None = None
    verified_why: str = ""
    production: str = ""
    next_steps: Sequence[str] = ()
    last_check: str | None = None
    last_check_at: datetime | None = None
    last_check_status: str | None = None


NOTHING_KNOWN = PlanStanding()

LookWithoutRun = Callable[[RunnablePlan, Library, Mapping[str, JsonValue]], PreflightOutcome]
"""Takes preflight without a run: plan, all plans, and the answers to the trigger form."""


@dataclass(frozen=True)
class PlanSources:
    """What the server gives.

    :param standings: a FastAPI dependency: gives what says how plans stand, by name
    :param may_read_problems: a FastAPI dependency: whether the caller may read what is wrong with broken files
    :param may_preflight: a FastAPI dependency that reads ``name`` from the path, and lets nobody through who may not
        start runs of that plan
    :param preflight: a FastAPI dependency: gives what takes preflight in the name of who asks
    :param stopped_parts: a FastAPI dependency: the parts of Airflow without which no run goes on, and that do not run
    """

    api: ApiSources
    history: HistorySources
    standings: Callable[..., Callable[[Library], Mapping[str, PlanStanding]]]
    may_read_problems: Callable[..., bool]
    may_preflight: Callable[..., Any]
    preflight: Callable[..., LookWithoutRun]
    stopped_parts: Callable[..., Sequence[str]]
