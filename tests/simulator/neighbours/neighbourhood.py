"""The fleet of these tests, and short ways to ask for things."""

from botocore.exceptions import ClientError

TOOLS, HOME = "999988887777", "111122223333"
DB1, WIN1 = "s-0db00000000000001", "s-0win0000000000001"

FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": HOME,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/24", "web": "10.20.1.0/24"}},
                    "quotas": {"L-D88FAC3A": 2, "L-B827C881": 3},
                    "servers": [
                        {
                            "hostname": "db1",
                            "id": DB1,
                            "tags": {"App": "shop", "Tier": "db"},
                            "launch": {"subnet": "prod"},
                        },
                        {
                            "hostname": "win1",
                            "id": WIN1,
                            "os": "windows",
                            "tags": {"App": "shop"},
                            "launch": {"subnet": "prod"},
                        },
                        {
                            "count": 6,
                            "id": "s-0app{n:013d}",
                            "hostname": "app{n}",
                            "tags": {"App": "shop", "Tier": "app"},
                            "launch": {"subnet": "web"},
                        },
                    ],
                }
            ],
            "roles": [
                {"name": "dr-operator", "trust": TOOLS, "external_id": "secret-1", "max_session": "2h"},
                {"name": "insider", "session": "1h"},
                {"name": "watcher", "trust": f"arn:aws:iam::{HOME}:role/insider"},
            ],
            "ssm": {
                "agent_online_after": "60s",
                "documents": {
                    "Shop-Check": {"takes": "30s", "output": "ok {hostname}", "exit_code": 0},
                    "Shop-Failover": {
                        "type": "Automation",
                        "takes": "1m",
                        "steps": ["promote", "verify"],
                        "outputs": {"promote.Endpoint": ["db.example.com"]},
                    },
                },
            },
            "lambda_functions": {
                "warm-caches": "echo",
                "flag": {"behaviour": "answer", "payload": {"maintenance": True}},
                "promote": {"behaviour": "fail", "error": "DatabaseBusy", "message": "not now"},
                "promote-python": {"behaviour": "call", "function": "checks:promote"},
                "unsayable": {"behaviour": "call", "function": "checks:unsayable"},
                "slow": {"behaviour": "sleep", "takes": "6s"},
                "too-slow": {"behaviour": "sleep", "takes": "20s", "timeout": "3s"},
            },
        },
        {"id": TOOLS},
    ],
}


def app(number: int) -> str:
    return f"s-0app{number:013d}"


def launch(sim, *servers) -> dict[str, str]:
    """Launch servers and let the time pass that it takes; returns instance ids by server."""
    drs = sim.client("drs")
    for first in range(0, len(servers), 3):
        drs.start_recovery(
            sourceServers=[{"sourceServerID": server} for server in servers[first : first + 3]], isDrill=True
        )
        sim.advance("20m")
    found = drs.describe_recovery_instances(filters={"sourceServerIDs": list(servers)})["items"]
    return {instance["sourceServerID"]: instance["recoveryInstanceID"] for instance in found}


def refusal(function, **request) -> tuple[str, int, str]:
    """Return code, HTTP status and message of a call that must be refused."""
    try:
        answer = function(**request)
    except ClientError as error:
        said = error.response
        return said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"], said["Error"].get("Message", "")
    raise AssertionError(f"not refused: {answer}")


def says(sim, ssm, instance_id: str, *lines: str, **more) -> str:
    """Send a shell script; returns the command's id."""
    request = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": list(lines)}, **more}
    if "Targets" not in request:
        request["InstanceIds"] = [instance_id]
    return ssm.send_command(**request)["Command"]["CommandId"]
