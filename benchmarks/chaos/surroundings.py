"""What the runs of a campaign find in the simulated accounts beside their servers, and what they leave in EC2."""

import json
from collections.abc import Mapping
from typing import Any

import boto3
import httpx
from botocore.config import Config
from drs_provider.rules.launch.tags import RUN

from benchmarks.chaos.scenarios import ACCOUNTS, LARGE, REGION, Account

MORE_ROOM = "100.64.0.0/16"
"""A second range of production's network, which copies of it need too."""


def connections() -> dict[str, str]:
    """Return Airflow's connections to the accounts that the stack itself does not know, as environment.

    The endpoint comes from the stack's own environment; the access key says which account is meant.
    """
    return {
        f"AIRFLOW_CONN_{account.conn_id.upper()}": json.dumps(
            {"conn_type": "aws", "login": account.id, "password": "demo", "extra": {"region_name": REGION}}
        )
        for account in ACCOUNTS
        if account is not LARGE
    }


def prepare(address: str) -> None:
    """Give production's networks a second range, and make the topic that runs tell of themselves."""
    for account in ACCOUNTS:
        ec2 = _client("ec2", address, account)
        (vpc,) = (vpc for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["CidrBlock"] == "10.20.0.0/16")
        ec2.associate_vpc_cidr_block(VpcId=vpc["VpcId"], CidrBlock=MORE_ROOM)
    _client("sns", address, LARGE).create_topic(Name="chaos")


def networks_left(address: str) -> dict[str, str]:
    """Return what EC2 still has of drill networks: the run's key by id. Ends all faults, for it is the last look."""
    httpx.delete(f"{address}/_simulator/faults", timeout=30, trust_env=False).raise_for_status()
    found: dict[str, str] = {}
    for account in ACCOUNTS:
        ec2 = _client("ec2", address, account)
        for operation, list_of, name in _PARTS:
            answer = getattr(ec2, operation)(Filters=[{"Name": "tag-key", "Values": [RUN]}])
            found |= {part[name]: _run_of(part) for part in answer[list_of] if _is_there(part)}
    return found


_PARTS = (
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
    ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
)


def _run_of(part: Mapping[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in part["Tags"] if tag["Key"] == RUN), "")


def _is_there(part: Mapping[str, object]) -> bool:
    return str(part.get("State", "")).lower() not in ("deleted", "deleting")


def _client(service: str, address: str, account: Account) -> Any:
    session = boto3.session.Session(aws_access_key_id=account.id, aws_secret_access_key="demo", region_name=REGION)  # noqa: S106
    return session.client(service, endpoint_url=address, config=Config(retries={"mode": "standard"}, proxies={}))  # type: ignore[call-overload]  # the name is a variable
