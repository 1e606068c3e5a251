"""Where people are asked: before a recovery, before a wave, and at the end."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from drs_provider.plan.fields import LongerThanZero, Ordinal, PlanPart, Text

People = Annotated[tuple[Text, ...], Field(min_length=1)]
"""Airflow user names."""


class Approval(PlanPart):
    """Who must agree, before anything is done."""

    required: Ordinal = 1
    """How many must agree."""
    approvers: People
    """Airflow users who may agree."""
    timeout: LongerThanZero = timedelta(minutes=30)
    """How long the run waits for them."""


class Pause(PlanPart):
    """A question to people before a wave."""

    message: Text
    """What is asked."""
    approvers: People
    """Airflow users who may answer."""
    timeout: LongerThanZero = timedelta(hours=2)
    """How long the run waits for an answer."""
    on_timeout: Literal["fail", "continue"] = "fail"
    """What happens when nobody answers."""


class Commit(PlanPart):
    """The question at the end of a recovery: keep what was launched, or roll it back."""

    within: LongerThanZero = timedelta(hours=24)
    """How long people have for an answer."""
    on_timeout: Literal["ask", "commit", "roll_back"] = "ask"
    """What happens when nobody answers: ask goes on waiting for an answer."""
    approvers: People
    """Airflow users, any of whom may answer."""
