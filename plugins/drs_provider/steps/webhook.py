"""``webhook``: posts a JSON body once to the address of an Airflow HTTP connection."""

import json
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from drs_provider.plan.fields import Flag, Json, Text
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step
from drs_provider.steps.one_shot import OneShot
from drs_provider.steps.work import Going

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from drs_provider.triggers.one_shot import Whose


class Webhook(Step):
    """Says something once to an HTTP endpoint."""

    MAY_START_INSTANCES: ClassVar[bool] = True
    FILLED: ClassVar[frozenset[str]] = frozenset({"payload"})

    kind: Literal["webhook"]
    http_conn_id: Text
    """The Airflow HTTP connection, which holds the address and the secret."""
    payload: Json = Field(default_factory=dict)
    """The JSON body."""
    repeatable: Flag = False
    """Whether it may be said again where nobody knows whether it was heard."""
    keep_answer: Flag = False
    """Whether the report keeps the beginning of the answer; what looks like a credential is masked."""


class SayByWebhook(OneShot[Webhook]):
    """Post the payload once."""

    what = "the webhook"

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be posted again."""
        return self.step.repeatable

    def trigger(self, going: Going, whose: "Whose") -> "BaseTrigger":
        """Give the trigger that posts it."""
        from drs_provider.triggers.one_shot import WebhookOnce

        return WebhookOnce(
            whose=whose,
            deadline=going.deadline.isoformat(),
            repeatable=self.step.repeatable,
            http_conn_id=self.step.http_conn_id,
            payload=json.dumps(going.fill(dict(self.step.payload))),
            event_id=going.key,
            keep_answer=self.step.keep_answer,
        )


KIND = StepKind(
    name="webhook",
    title="Webhook",
    model=Webhook,
    work=SayByWebhook,
    reaches_out="it would send a real request",
)
