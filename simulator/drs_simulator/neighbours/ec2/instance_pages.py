"""The pages of DescribeInstances: a page goes on behind the last one, whatever was ended or forgotten in between.

moto's token is the last shown reservation, and moto fails where that one is not in the listing any more.
"""

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import InvalidParameterCombination, InvalidParameterValueError
from moto.ec2.responses.instances import InstanceResponse

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

PAGE = 100
"""Reservations in a page where the caller does not say, as moto has it."""


def install(_simulator: "Simulator") -> None:
    """Let moto list instances with tokens that stay good."""
    InstanceResponse.describe_instances = _describe  # type: ignore[method-assign]  # moto has no place for more


def _describe(self: Any) -> ActionResult:
    """Answer DescribeInstances with one page of reservations, in the order of their launch."""
    self.error_on_dryrun()
    if "InstanceId.1" in self.data and "MaxResults" in self.data:
        raise InvalidParameterCombination("The parameter instancesSet cannot be used with the parameter maxResults")
    shown = _shown(self._get_param("NextToken"))
    filters, named = self._filters_from_querystring(), self._get_param("InstanceIds", [])
    backend = self.ec2_backend
    _number(backend)
    found = (
        backend.get_reservations_by_instance_ids(named, filters=filters)
        if named
        else backend.describe_instances(filters=filters)
    )
    left = [reservation for reservation in found if reservation.ordinal > shown]
    page = left[: int(self._get_param("MaxResults", PAGE))]
    token = f"r-{page[-1].ordinal:017d}" if len(page) < len(left) else None
    return ActionResult({"Reservations": page, "NextToken": token})


def _number(backend: Any) -> None:
    """Number the reservations that have come since the last listing: EC2 keeps them in the order of their launch."""
    for reservation in backend.reservations.values():
        if not hasattr(reservation, "ordinal"):
            reservation.ordinal = backend.last_ordinal = getattr(backend, "last_ordinal", 0) + 1


def _shown(token: str | None) -> int:
    """Return the number of the last reservation that an earlier page showed."""
    if not token:
        return 0
    try:
        return int(token.removeprefix("r-"))
    except ValueError:
        raise InvalidParameterValueError(token) from None
