"""Who is told what about a plan's runs, told apart by ``kind``."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from drs_provider.plan.fields import Like, PlanPart, Text, TopicArn

Event = Literal["started", "paused", "wave_failed", "wave_completed", "completed", "failed", "rto_at_risk"]
EVENTS: tuple[Event, ...] = (
    "started",
    "paused",
    "wave_failed",
    "wave_completed",
    "completed",
    "failed",
    "rto_at_risk",
)
DEFAULT_EVENTS: tuple[Event, ...] = tuple(event for event in EVENTS if event != "wave_completed")
"""All but the one that says nothing new: a run that goes well tells of its start and of its end."""

EmailAddress = Annotated[str, Like(r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+$", "an email address such as ops@example.org")]
Events = Annotated[tuple[Event, ...], Field(min_length=1)]


class SnsNotification(PlanPart):
    """Tells an SNS topic."""

    kind: Literal["sns"]
    topic_arn: TopicArn
    """The topic."""
    aws_conn_id: Text = "aws_default"
    """The Airflow connection."""
    on: Events = DEFAULT_EVENTS
    """What is told."""


class WebhookNotification(PlanPart):
    """Tells an HTTP endpoint."""

    kind: Literal["webhook"]
    http_conn_id: Text
    """The Airflow HTTP connection, which holds the address and the secret."""
    on: Events = DEFAULT_EVENTS
    """What is told."""


class EmailNotification(PlanPart):
    """Writes mails."""

    kind: Literal["email"]
    to: tuple[EmailAddress, ...] = ()
    """Addresses that all get the same mail."""
    people: Mapping[Text, EmailAddress] = Field(default_factory=dict)
    """Addresses of Airflow users, each with a mail of its own."""
    smtp_conn_id: Text = "smtp_default"
    """The Airflow connection: server, login, sender."""
    on: Events = DEFAULT_EVENTS
    """What is told."""


Notification = Annotated[SnsNotification | WebhookNotification | EmailNotification, Field(discriminator="kind")]
