"""A shop whose sources are EC2 instances of another Region, but for one of a data centre."""

import json
from pathlib import Path

ORIGIN = "us-east-1"
ACCOUNT = "111122223333"


def _server(number, hostname, tier):
    return {
        "id": f"s-{number:017d}",
        "hostname": hostname,
        "tags": {"App": "shop", "Tier": tier},
        "lag": "2s",
        "origin": {"region": ORIGIN},
    }


FLEET = {
    "accounts": [
        {
            "id": ACCOUNT,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    "servers": [
                        *(_server(number, f"db{number}", "db") for number in (1, 2)),
                        {**_server(3, "db3", "db"), "origin": None},
                        *(_server(number, f"web{number - 10}", "web") for number in (11, 12)),
                    ],
                }
            ],
        }
    ]
}
del FLEET["accounts"][0]["regions"][0]["servers"][2]["origin"]

EVERYTHING = (Path(__file__).parents[1] / "golden" / "migration.yaml").read_text()
"""A plan with every field that a migration may meet."""
GO = {"mode": "migration", "confirm": "shop", "reason": "the data centre moves"}


def connect(simulator, monkeypatch, account):
    """Let the connection for the origin be of an account."""
    endpoints = {"endpoint_url": simulator.url, "service_config": {"sts": {"endpoint_url": simulator.url}}}
    login = {"conn_type": "aws", "login": account, "password": "secret"}
    extra = {"region_name": ORIGIN, **endpoints}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ORIGIN", json.dumps({**login, "extra": extra}))


def sources(simulator):
    pages = simulator.client("ec2", region_name=ORIGIN).get_paginator("describe_instances").paginate()
    found = [instance for page in pages for each in page["Reservations"] for instance in each["Instances"]]
    return {
        next(tag["Value"] for tag in instance["Tags"] if tag["Key"] == "Name"): (
            instance["InstanceId"],
            instance["State"]["Name"],
        )
        for instance in found
    }
