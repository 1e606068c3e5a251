"""A client of a running simulator: boto3 clients that talk to it, and its control plane in Python.

Nothing here needs pytest: benchmarks and scripts use it as tests do.
"""

import json
import urllib.error
import urllib.request
from typing import Any

import boto3
from botocore.config import Config


class ControlPlaneError(Exception):
    """The control plane refused a request."""


class SimulatorHandle:
    """A running simulator, as tests and scripts use it."""

    def __init__(self, url: str, region: str = "us-west-2") -> None:
        self.url = url
        self.region = region

    def client(self, service: str, **more: Any) -> Any:
        """Return a boto3 client that talks to the simulator, without retries unless `config` says otherwise."""
        credentials = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret"}
        settings = {"region_name": self.region, "config": Config(retries={"total_max_attempts": 1})}
        return boto3.client(service, endpoint_url=self.url, **(credentials | settings | more))  # type: ignore[call-overload,no-any-return,unused-ignore]

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask the control plane, for example ``control("GET", "health")``. Raises ControlPlaneError."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/_simulator/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ControlPlaneError(json.load(error)["error"]) from None

    def health(self) -> object:
        """Return ``{"ready": …, "speed": …, "servers": …}``."""
        return self.control("GET", "health")

    def reset(self) -> object:
        """Go back to the fleet file."""
        return self.control("POST", "reset")

    def calls(self, since: int = 0) -> object:
        """Return the AWS calls that came in."""
        return self.control("GET", f"calls?since={since}")

    def state(self) -> object:
        """Return the whole world."""
        return self.control("GET", "state")

    def fault(self, *faults: dict[str, object]) -> list[str]:
        """Add faults; returns their ids."""
        return self.control("POST", "faults", list(faults))["ids"]

    def no_faults(self, name: str | None = None) -> object:
        """Take one fault back, or all."""
        return self.control("DELETE", f"faults/{name}" if name else "faults")

    def failback_client(self, recovery_instance: str, event: str = "paired", **more: Any) -> object:
        """Do what a person does with a failback client: ``paired``, ``lost``, ``found``; ``to_original=False``."""
        return self.control(
            "POST", "failback_clients", {"recovery_instance": recovery_instance, "event": event, **more}
        )

    def clock(self, **body: Any) -> Any:
        """Move the clock: ``advance="10m"``, ``freeze=True``, ``speed=600``."""
        return self.control("POST", "clock", body)

    def advance(self, how_long: str | float) -> object:
        """Let simulated time pass."""
        return self.clock(advance=how_long)
