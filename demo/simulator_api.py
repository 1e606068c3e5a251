"""The simulator's control plane, and the EC2 that it plays."""

from typing import Any

import boto3
import httpx
from botocore.config import Config

from demo.environment import REGION


class SimulatorApi:
    """A running simulator.

    :param address: ``http://127.0.0.1:5555``.
    :raises httpx.HTTPError: when it does not answer or answers with an error.
    """

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        self.address = address
        self._http = httpx.Client(base_url=address, timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def ready(self) -> bool:
        """Say whether it can be used."""
        try:
            return bool(self._get("/_simulator/health")["ready"])
        except httpx.HTTPError:
            return False

    def state(self) -> dict[str, Any]:
        """Return accounts, servers, jobs with their timelines, recovery instances."""
        state: dict[str, Any] = self._get("/_simulator/state")
        return state

    def calls(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the AWS calls that it has received, oldest first."""
        answer = self._get("/_simulator/calls", since=since)
        calls: list[dict[str, Any]] = answer["calls"] if isinstance(answer, dict) else answer
        return calls

    def add_faults(self, faults: Any) -> None:
        """Add one fault or a list of them.

        :raises ValueError: with the simulator's own words when it refuses one.
        """
        answer = self._http.post("/_simulator/faults", json=faults)
        if answer.is_client_error:
            raise ValueError(answer.text)
        answer.raise_for_status()

    def _get(self, path: str, **query: Any) -> Any:
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()


def client(service: str, address: str, region: str = REGION) -> Any:
    """Return a boto3 client that can only reach the simulator."""
    session = boto3.session.Session(aws_access_key_id="demo", aws_secret_access_key="demo", region_name=region)  # noqa: S106
    return session.client(service, endpoint_url=address, config=Config(retries={"mode": "standard"}, proxies={}))  # type: ignore[call-overload]  # the name is a variable


def instances(address: str, region: str = REGION) -> dict[str, str]:
    """Ask EC2 for every instance in the recovery Region; return instance id → state.

    EC2 shows terminated instances for a while, so what a drill launched can be counted after its clean-up.
    """
    pages = client("ec2", address, region).get_paginator("describe_instances").paginate()
    found = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
    return {i["InstanceId"]: i["State"]["Name"] for i in found}
