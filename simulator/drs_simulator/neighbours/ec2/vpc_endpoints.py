"""VPC endpoints are found by a filter of their ids too, as in EC2; moto refuses the filter."""

from typing import TYPE_CHECKING, Final

from moto.ec2.models.vpcs import VPCEndPoint

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

_BY_MOTO: Final = VPCEndPoint.get_filter_value


def install(_simulator: "Simulator") -> None:
    """Teach moto's endpoints the filter ``vpc-endpoint-id``."""
    VPCEndPoint.get_filter_value = _filter_value  # type: ignore[method-assign]  # moto has no place for more filters


def _filter_value(self: VPCEndPoint, filter_name: str, method_name: str | None = None) -> object:
    return self.id if filter_name == "vpc-endpoint-id" else _BY_MOTO(self, filter_name, method_name)
