"""``lambda``: invokes a Lambda function and waits for its answer."""

import json
import re
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from drs_provider.plan.fields import Flag, Json, Region, Text
from drs_provider.plan.step_kinds import Needed, StepKind
from drs_provider.plan.steps import Step
from drs_provider.steps.one_shot import OneShot
from drs_provider.steps.work import Going

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from drs_provider.triggers.one_shot import Whose


class LambdaStep(Step):
    """Invokes a Lambda function and waits for its answer."""

    MAY_START_INSTANCES: ClassVar[bool] = True
    FILLED: ClassVar[frozenset[str]] = frozenset({"function", "payload"})

    kind: Literal["lambda"]
    function: Text
    """The function's name or ARN."""
    payload: Json = Field(default_factory=dict)
    """What the function is given."""
    repeatable: Flag = False
    """Whether it may be invoked again where nobody knows whether it has run."""
    region: Region | None = None
    """Where the function is; left out, the recovery Region."""
    aws_conn_id: Text | None = None
    """The Airflow connection; left out, the one of the groups."""


class InvokeFunction(OneShot[LambdaStep]):
    """Invoke a Lambda function and wait for its answer."""

    what = "the function"

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be invoked again."""
        return self.step.repeatable

    def trigger(self, going: Going, whose: "Whose") -> "BaseTrigger":
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


def _needs(step: LambdaStep) -> Needed | str:
    name = step.function.rsplit("function:", 1)[-1].split(":")[0]
    is_name = re.fullmatch(r"[\w-]+", name)
    return Needed("lambda", name) if is_name else "which function it invokes is known only in a run"


KIND = StepKind(
    name="lambda",
    title="Lambda function",
    model=LambdaStep,
    work=InvokeFunction,
    actions=("lambda:InvokeFunction",),
    needs=_needs,
)
