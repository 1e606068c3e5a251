"""Steps whose effect is sent once, from the triggerer: Lambda functions and webhooks."""

import json
from typing import Any

from drs_provider.dag.steps.base import Going, RunStep, StepOutcome
from drs_provider.exceptions import StepFailed
from drs_provider.plan.model import LambdaStep, Webhook

_ROUNDED_SECONDS = 1.0
"""Who waits for an answer may give up so much before the step's time is over."""


class OneShotStep(RunStep[Any]):
    """Send once, and never again where nobody knows whether it was heard, unless the step is ``repeatable``."""

    what = ""

    def trigger(self, going: Going, whose: Any) -> Any:
        """Give the trigger that sends it."""
        raise NotImplementedError

    def begin(self, going: Going) -> StepOutcome:
        """Remember that it is about to be sent, then leave it to the triggerer."""
        if going.memory.begun and not self.step.repeatable:
            raise self._unknown("the worker that waited for it has died")
        ti = going.context["ti"]
        whose = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "attempt": going.memory.attempt}
        trigger = self.trigger(going, whose)
        going.memory.begin(sent=True)
        self.wait(going, trigger)

    def heard(self, going: Going, event: Any) -> StepOutcome:
        """Judge the answer."""
        is_over = event["outcome"] != "answered" and going.seconds_left <= _ROUNDED_SECONDS
        why = self.timed_out(event["summary"]).why if is_over else event["summary"]
        if event["outcome"] == "unknown":
            raise self._unknown(why)
        if not event["succeeded"]:
            raise StepFailed(why, output=event["output"])
        return StepOutcome(event["summary"], event["output"])

    def _unknown(self, why: str) -> StepFailed:
        if self.step.repeatable:
            return StepFailed(why)
        hint = "look there, then clear this task to do it again, or write 'repeatable: true' into the step"
        return StepFailed(f"{self.what} may have run, and is not run again: {why}; {hint}", is_final=True)


class InvokeFunction(OneShotStep):
    """Invoke a Lambda function and wait for its answer."""

    step: LambdaStep
    what = "the function"

    def trigger(self, going: Going, whose: Any) -> Any:
        """Give the trigger that invokes it."""
        from drs_provider.triggers.one_shot import LambdaOnce

        conn, region = going.target(self.step.aws_conn_id, self.step.region)
        function = going.fill(self.step.function)
        self.log.info("Invoking %s", function)
        return LambdaOnce(
            whose=whose,
            deadline=going.deadline.isoformat(),
            repeatable=self.step.repeatable,
            aws_conn_id=conn,
            region_name=region,
            function=function,
            payload=json.dumps(going.fill(dict(self.step.payload))),
        )


class SayByWebhook(OneShotStep):
    """Post the payload once."""

    step: Webhook
    what = "the webhook"

    def trigger(self, going: Going, whose: Any) -> Any:
        """Give the trigger that posts it."""
        from drs_provider.triggers.one_shot import WebhookOnce

        return WebhookOnce(
            whose=whose,
            deadline=going.deadline.isoformat(),
            repeatable=self.step.repeatable,
            http_conn_id=self.step.http_conn_id,
            payload=json.dumps(going.fill(dict(self.step.payload))),
            event_id=going.key,
        )
