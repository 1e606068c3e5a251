"""moto's handle on the simulator: a back end per account and Region whose only content is that it can be reset."""

from moto.core.base_backend import BackendDict, BaseBackend

from drs_simulator.backend.simulator import Simulator


class DRSBackend(BaseBackend):
    """Holds the simulator of this process (in one place only: `HOME`), so that moto's reset ends it."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.simulator: Simulator | None = None


drs_backends: BackendDict[DRSBackend] = BackendDict(DRSBackend, "drs")
HOME = ("123456789012", "us-east-1")


def home() -> DRSBackend:
    """Return the back end that holds the simulator."""
    account, region = HOME
    return drs_backends[account][region]
