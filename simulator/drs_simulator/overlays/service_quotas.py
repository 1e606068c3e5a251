"""Service Quotas that knows DRS: moto's has only quotas of VPC."""

import json
from typing import TYPE_CHECKING, Any

from drs_simulator.calls import AwsCall
from drs_simulator.extension import Forward
from drs_simulator.ids import arn
from drs_simulator.quotas import QUOTAS, Quota
from drs_simulator.refusing import injected
from drs_simulator.wire import Reply

if TYPE_CHECKING:
    from drs_simulator.simulator import Simulator

JSON_11 = {"Content-Type": "application/x-amz-json-1.1"}


def install(simulator: "Simulator") -> None:
    """Answer for the service code ``drs``; every other one is moto's."""

    def value(call: AwsCall, quota: Quota, *, default: bool) -> float:
        region = simulator.world.regions.get((call.account, call.region))
        return quota.value if default or region is None else region.spec.quotas.get(quota.code, quota.value)

    def shown(call: AwsCall, quota: Quota, *, default: bool = False) -> dict[str, Any]:
        return {
            "ServiceCode": "drs",
            "ServiceName": "AWS Elastic Disaster Recovery (DRS)",
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "QuotaArn": arn("servicequotas", call.region, call.account, "drs", quota.code),
            "Value": float(value(call, quota, default=default)),
            "Unit": "None",
            "Adjustable": quota.adjustable,
            "GlobalQuota": False,
        }

    def list_quotas(call: AwsCall, forward: Forward, *, default: bool) -> Reply:
        if call.request.get("ServiceCode") != "drs":
            return forward()
        start = int(call.request.get("NextToken") or 0)
        size = int(call.request.get("MaxResults") or len(QUOTAS))
        quotas = list(QUOTAS.values())
        answer: dict[str, Any] = {
            "Quotas": [shown(call, quota, default=default) for quota in quotas[start : start + size]]
        }
        if start + size < len(quotas):
            answer["NextToken"] = str(start + size)
        return Reply(200, json.dumps(answer).encode(), JSON_11)

    def get_quota(call: AwsCall, forward: Forward, *, default: bool) -> Reply:
        if call.request.get("ServiceCode") != "drs":
            return forward()
        quota = QUOTAS.get(str(call.request.get("QuotaCode")))
        if quota is None:
            return injected(
                call,
                (
                    "NoSuchResourceException",
                    400,
                    f"The request failed because quota {call.request.get('QuotaCode')} does not exist.",
                ),
            )
        return Reply(200, json.dumps({"Quota": shown(call, quota, default=default)}).encode(), JSON_11)

    on = simulator.overlays.on
    on("servicequotas", "ListServiceQuotas", lambda call, forward: list_quotas(call, forward, default=False))
    on("servicequotas", "ListAWSDefaultServiceQuotas", lambda call, forward: list_quotas(call, forward, default=True))
    on("servicequotas", "GetServiceQuota", lambda call, forward: get_quota(call, forward, default=False))
    on("servicequotas", "GetAWSDefaultServiceQuota", lambda call, forward: get_quota(call, forward, default=True))
