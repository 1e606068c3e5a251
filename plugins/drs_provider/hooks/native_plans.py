"""The door to DRS's own recovery plans and their executions."""

from typing import Any

import botocore

from drs_provider.exceptions import AwsError, BotocoreTooOld
from drs_provider.formatting import parse_instant
from drs_provider.hooks.error_mapping import translated
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.native_plans import ENDED, KNOWN_SINCE, NativeExecution


def running_executions(client: Any) -> tuple[NativeExecution, ...]:
    """Return the executions of native recovery plans that are not over, with the servers that they hold.

    :param client: boto3's of DRS, for what may be asked twice
    :raises BotocoreTooOld: the installed botocore is older than native plans
    """
    if not hasattr(client, "list_recovery_plan_executions"):
        raise BotocoreTooOld("ListRecoveryPlanExecutions", botocore.__version__, KNOWN_SINCE)
    with translated("ListRecoveryPlanExecutions"):
        pages = client.get_paginator("list_recovery_plan_executions").paginate()
        found = [item for page in pages for item in page.get("recoveryPlanExecutions", ())]
    return tuple(_execution(client, item) for item in found if item.get("status") not in ENDED)


def _execution(client: Any, item: Answer) -> NativeExecution:
    arn, plan_arn = str(item["recoveryPlanExecutionArn"]), str(item["recoveryPlanArn"])
    with translated("ListRecoveryPlanExecutionSteps"):
        pages = client.get_paginator("list_recovery_plan_execution_steps").paginate(recoveryPlanExecutionArn=arn)
        steps = [step for page in pages for step in page.get("recoveryPlanExecutionSteps", ())]
    return NativeExecution(
        arn,
        _name(client, plan_arn),
        str(item.get("mode", "")),
        frozenset(
            str(server["serverArn"]).rsplit("/", 1)[-1]
            for step in steps
            for server in ((step.get("configuration") or {}).get("executionServerStepConfiguration") or {}).get(
                "servers", ()
            )
        ),
        parse_instant(str(item["startedAt"])) if item.get("startedAt") else None,
    )


def _name(client: Any, plan_arn: str) -> str:
    try:
        with translated("GetRecoveryPlan"):
            return str(client.get_recovery_plan(recoveryPlanArn=plan_arn)["recoveryPlan"]["name"])
    except AwsError:  # its ARN names it too
        return plan_arn.rsplit("/", 1)[-1]
