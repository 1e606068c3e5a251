"""The simulator's control plane, and the EC2 that it plays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
import httpx
from botocore.config import Config

from demo.board import Phase, instant
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
        calls: list[dict[str, Any]] = self._get("/_simulator/calls", since=since)
        return calls

    def add_faults(self, faults: Any) -> None:
        """Add one fault or a list of them.

        :raises ValueError: with the simulator's own words when it refuses one.
        """
        answer = self._http.post("/_simulator/faults", json=faults)
        if answer.is_client_error:
            raise ValueError(answer.text)
        answer.raise_for_status()

    def clear_faults(self) -> None:
        """Take every fault back."""
        self._http.delete("/_simulator/faults").raise_for_status()

    def _get(self, path: str, **query: Any) -> Any:
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()


@dataclass(frozen=True)
class Job:
    """A launch job of DRS as the simulator's state shows it; :attr:`ended_at` is None while it runs."""

    job_id: str
    created_at: datetime
    ended_at: datetime | None
    servers: Mapping[str, Phase]


def jobs(state: Mapping[str, Any]) -> list[Job]:
    """Return the launch jobs of every account and Region, oldest first."""
    regions = [region for account in state["accounts"].values() for region in account.values()]
    found = [_job(job) for region in regions for job in region["jobs"].values() if job["type"] == "LAUNCH"]
    return sorted(found, key=lambda job: job.created_at)


def _job(job: Mapping[str, Any]) -> Job:
    ended = job.get("endDateTime")
    return Job(
        job_id=job["jobID"],
        created_at=instant(job["creationDateTime"]),
        ended_at=instant(ended) if ended else None,
        servers={server: phase(progress["status"], progress["stages"]) for server, progress in job["timeline"].items()},
    )


def phase(status: str, stages: Sequence[str]) -> Phase:
    """Say how far a server is: by its launch status when that is final, else by what DRS has logged of it last."""
    if status in _FINAL:
        return _FINAL[status]
    begun = [_BEGINS[stage] for stage in stages if stage in _BEGINS]
    return begun[-1] if begun else Phase.WAITING


_FINAL = {"LAUNCHED": Phase.LAUNCHED, "FAILED": Phase.FAILED, "TERMINATED": Phase.LAUNCHED}
"""A server that has been terminated since had been launched."""

_BEGINS = {
    "SNAPSHOT_START": Phase.SNAPSHOT,
    "CONVERSION_START": Phase.CONVERSION,
    "CONVERSION_END": Phase.LAUNCHING,
    "LAUNCH_START": Phase.LAUNCHING,
}


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
