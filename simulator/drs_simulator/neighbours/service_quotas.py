"""Service Quotas that knows DRS: moto's has only quotas of VPC."""

from functools import partial
from typing import TYPE_CHECKING, Any

from drs_simulator.ids import arn
from drs_simulator.neighbours.answers import Asked, Refused, answers, paged
from drs_simulator.protocol.wire import Reply
from drs_simulator.quotas import QUOTAS, Quota

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator


def install(simulator: "Simulator") -> None:
    """Answer for the service code ``drs``; every other one is moto's."""
    table = {
        "ListServiceQuotas": partial(list_quotas, default=False),
        "ListAWSDefaultServiceQuotas": partial(list_quotas, default=True),
        "GetServiceQuota": partial(get_quota, default=False),
        "GetAWSDefaultServiceQuota": partial(get_quota, default=True),
    }
    answers(simulator, "servicequotas", table)


def list_quotas(asked: Asked, *, default: bool) -> dict[str, object] | Reply:
    """Return DRS's quotas: what holds in the Region, or AWS's defaults."""
    if asked.request.get("ServiceCode") != "drs":
        return asked.forward()
    shown = [_shown(asked, quota, default=default) for quota in QUOTAS.values()]
    return paged(asked.request, shown, "Quotas", most=100, refuse="InvalidPaginationTokenException")


def get_quota(asked: Asked, *, default: bool) -> dict[str, object] | Reply:
    """Return one quota of DRS."""
    if asked.request.get("ServiceCode") != "drs":
        return asked.forward()
    code = str(asked.request.get("QuotaCode"))
    if code not in QUOTAS:
        raise Refused("NoSuchResourceException", f"The request failed because quota {code} does not exist.")
    return {"Quota": _shown(asked, QUOTAS[code], default=default)}


def _shown(asked: Asked, quota: Quota, *, default: bool) -> dict[str, Any]:
    account, name = asked.key
    region = asked.world.regions.get(asked.key)
    value = quota.value if default or region is None else region.spec.quotas.get(quota.code, quota.value)
    return {
        "ServiceCode": "drs",
        "ServiceName": "AWS Elastic Disaster Recovery (DRS)",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "QuotaArn": arn("servicequotas", name, account, "drs", quota.code),
        "Value": float(value),
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": False,
    }
