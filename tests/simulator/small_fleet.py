"""Fleets for tests."""

HOME = "111122223333"
STAGING = "444455556666"
ORIGIN = {"account": HOME, "region": "us-east-1"}
NETWORK = {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/24", "web": "10.20.1.0/24"}}


def server(name: str, **more):
    return {"hostname": name, "origin": ORIGIN, **more}


SMALL = {
    "jitter": 0,
    "accounts": [
        {
            "id": HOME,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": NETWORK,
                    "servers": [
                        server(
                            "db1",
                            id="s-0db00000000000001",
                            tags={"App": "shop", "Tier": "db"},
                            disks=[50, 200],
                            lag="3s",
                        ),
                        server("db2", id="s-0db00000000000002", tags={"App": "shop", "Tier": "db"}),
                        {
                            "count": 30,
                            "id": "s-0app{n:013d}",
                            "hostname": "app{n}",
                            "tags": {"App": "shop", "Tier": "app"},
                            "origin": ORIGIN,
                        },
                        server("win1", id="s-0win0000000000001", os="windows"),
                        server("fast1", id="s-0fast000000000001", fast=True),
                        server("away1", id="s-0away000000000001", reachable=False),
                        server("bare1", id="s-0bare000000000001", launch_template="bare"),
                        server("ext1", id="s-0ext0000000000001", staging_account=STAGING),
                        server("new1", id="s-0new0000000000001", replication="INITIATING"),
                        server("off1", id="s-0off0000000000001", replication="STOPPED"),
                        server("market1", id="s-0mkt0000000000001", marketplace=True),
                        server("web1", id="s-0web0000000000001", launch={"subnet": "web", "instance_type": "t3.large"}),
                        {"hostname": "onprem1", "id": "s-0onprem0000000001"},
                    ],
                },
                {"name": "eu-central-1", "initialized": False},
            ],
        },
        {"id": STAGING, "regions": [{"name": "us-west-2"}], "roles": [{"name": "any", "trust": HOME}]},
    ],
}

DB1, DB2 = "s-0db00000000000001", "s-0db00000000000002"
WEB1, WIN1, FAST1, AWAY1 = "s-0web0000000000001", "s-0win0000000000001", "s-0fast000000000001", "s-0away000000000001"
BARE1, EXT1, NEW1, OFF1 = "s-0bare000000000001", "s-0ext0000000000001", "s-0new0000000000001", "s-0off0000000000001"
MARKET1, ONPREM1 = "s-0mkt0000000000001", "s-0onprem0000000001"


def app(number: int) -> str:
    return f"s-0app{number:013d}"


def start(drs, *servers, **more) -> str:
    return drs.start_recovery(sourceServers=[{"sourceServerID": server} for server in servers], **more)["job"]["jobID"]


def job(drs, job_id: str):
    return drs.describe_jobs(filters={"jobIDs": [job_id]})["items"][0]


def statuses(drs, job_id: str):
    return {server["sourceServerID"]: server["launchStatus"] for server in job(drs, job_id)["participatingServers"]}


def events(drs, job_id: str, server_id: str | None = None):
    lines = drs.describe_job_log_items(jobID=job_id)["items"]
    return [
        line["event"] for line in lines if server_id is None or line["eventData"].get("sourceServerID") == server_id
    ]


def instance_of(drs, server_id: str):
    return drs.describe_recovery_instances(filters={"sourceServerIDs": [server_id]})["items"][0]


def ec2_instances(sim, **more):
    answer = sim.client("ec2", **more).describe_instances()
    return {instance["InstanceId"]: instance for group in answer["Reservations"] for instance in group["Instances"]}
