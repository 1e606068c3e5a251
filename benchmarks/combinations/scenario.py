"""A combination as a plan, a fleet, and what the run is started with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.combinations.pairs import Row

HERE, THERE, STAGING = "111122223333", "444455556666", "777788889999"
REGION, SECOND_REGION = "us-west-2", "eu-west-1"
PLAN: Final = "shop"
NETWORK: Final = "10.0.0.0/16"
"""Range of production's network, and of the drill network that stands ready: that of the servers' own addresses."""

SUBNETS: Final = {"prod": "10.0.0.0/17", "second": "10.0.128.0/17"}


def server(number: int) -> str:
    """Give the id of a server."""
    return f"s-{number:017d}"


DATABASE: Final = (server(1), server(2), server(3))
WEB: Final = (server(11), server(12))
OUTSIDER: Final = server(21)
"""Production, in no plan: nothing may ever be done to it."""

FAILING: Final = server(2)
"""The server whose launch fails, where one does."""
HELD: Final = server(1)
"""The server that somebody else holds, has launched, or has changed."""

_FALLBACK = {"instance_type": "r5.large", "right_sizing": "none", "fallback": {"instance_types": ["r5a.large"]}}
_ACTION = {"code": "AWSDisasterRecovery-ValidateNetworkConnectivity", "name": "probe", "optional": True}
_LAUNCH: Final[Mapping[str, Mapping[str, object]]] = {
    "left": {},
    "instance_type": {"launch": {"instance_type": "m6i.large", "right_sizing": "none", "copy_tags": True}},
    "fallback": {"launch": _FALLBACK},
    "actions": {"launch": {"actions": [_ACTION]}},
    "drill_launch": {"launch": {"instance_type": "r5.large"}, "drill_launch": {"instance_type": "t3.medium"}},
    "unprotected": {"launch": {"protect": False, "copy_private_ip": True}},
    "stopped": {"launch": {"disposition": "stopped"}},
}


@dataclass(frozen=True)
class Place:
    """An account and Region, with the connection that leads there and the servers that recover there."""

    account: str
    region: str
    conn_id: str
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """One combination, as it is run."""

    number: int
    row: Row

    @property
    def is_drill(self) -> bool:
        """Whether its runs are drills."""
        return self.row["mode"] == "drill"

    @property
    def is_isolated(self) -> bool:
        """Whether its runs launch outside of production's network."""
        return self.is_drill and self.row["network"] != "shared"

    @property
    def places(self) -> tuple[Place, ...]:
        """Where its servers are."""
        match self.row["layout"]:
            case "two_accounts":
                return (
                    Place(HERE, REGION, "aws_default", (*DATABASE, OUTSIDER)),
                    Place(THERE, REGION, "aws_there", WEB),
                )
            case "two_regions":
                second = Place(HERE, SECOND_REGION, "aws_default", WEB)
                return (Place(HERE, REGION, "aws_default", (*DATABASE, OUTSIDER)), second)
        return (Place(HERE, REGION, "aws_default", (*DATABASE, *WEB, OUTSIDER)),)

    @property
    def chosen(self) -> frozenset[str]:
        """The servers that take part."""
        left_out = {"a_wave": WEB if self.row["waves"] != "one" else (), "without_a_server": WEB[1:]}
        return frozenset({*DATABASE, *WEB} - set(left_out.get(self.row["scope"], ())))

    @property
    def conf(self) -> dict[str, Any]:
        """What the run is started with, but for its instant."""
        conf: dict[str, Any] = {"mode": self.row["mode"]}
        if not self.is_drill:
            conf |= {"confirm": PLAN, "reason": "the region is dark"}
        if self.row["scope"] == "a_wave":
            conf["waves"] = ["database"]
        if self.row["scope"] == "without_a_server":
            conf["exclude_servers"] = [WEB[1]]
        if self.row["told"] != "nothing":
            conf[self.row["told"]] = True
        return conf

    def documents(self, standing_vpc: str = "vpc-00000000", *, edited: bool = False) -> list[dict[str, Any]]:
        """Return the YAML documents of the plan.

        :param standing_vpc: id of the drill network that stands ready
        :param edited: as somebody edits it while it runs: one more server in its last wave
        """
        row = self.row
        there = self.places[-1]
        groups = [
            self._group("db", self.places[0], DATABASE, edited=edited and row["waves"] == "one"),
            self._group("web", there, WEB, edited=edited and row["waves"] != "one"),
        ]
        plan: dict[str, Any] = {
            "kind": "RecoveryPlan",
            "name": PLAN,
            "drill": {
                "network": {"vpc": standing_vpc} if row["network"] == "standing" else row["network"],
                "keep_for": row["keep_for"] if row["keep_for"] != "0" else "0s",
            },
            "waves": self._waves(),
        }
        plan |= {"launch": "ahead"} if row["when"] == "ahead" else {}
        plan |= {"rto": "45m"} if row["objectives"] != "none" else {}
        plan |= {"rpo": "5m"} if row["objectives"] == "both" else {}
        if row["people"] in ("approval", "two_approvals"):
            required = 2 if row["people"] == "two_approvals" else 1
            plan["recovery"] = {"approval": {"required": required, "approvers": ["ann", "bob", "cyd"], "timeout": "2h"}}
        if row["steps"] == "plan":
            plan["before"] = [{"kind": "lambda", "name": "freeze", "function": "freeze"}]
            plan["after"] = [{"kind": "wait", "name": "settle", "for": "1m"}]
        return [*groups, plan]

    def _group(self, name: str, place: Place, servers: tuple[str, ...], *, edited: bool) -> dict[str, Any]:
        group: dict[str, Any] = {
            "kind": "ProtectionGroup",
            "name": name,
            "region": place.region,
            "aws_conn_id": place.conn_id,
            **_LAUNCH[self.row["launch"]],
        }
        more = [OUTSIDER] if edited and place == self.places[0] else []
        if self.row["members"] == "tags":
            return group | {"select": {"tags": {"Tier": [name, "none"] if more else name}}}
        return group | {"servers": [*map(self._member, servers), *more]}

    def _member(self, name: str) -> Any:
        member: dict[str, Any] = {"id": name}
        if self.row["order"] == "staged" and name in (DATABASE[0], WEB[0]):
            member["order"] = 2
        if self.row["members"] == "optional" and name in (FAILING, WEB[0]):
            member["critical"] = False
        return member if len(member) > 1 else name

    def _waves(self) -> list[dict[str, Any]]:
        row = self.row
        common: dict[str, Any] = {
            "tolerate_failures": row["tolerate"] if "%" in row["tolerate"] else int(row["tolerate"]),
            "retry_failed": int(row["retry_failed"]),
            "ready": row["ready"],
        }
        if row["waves"] == "one":
            waves = [{"name": "database", "groups": ["db", "web"], **common}]
        else:
            second = {"name": "web", "groups": ["web"], **common}
            if row["waves"] == "beside":
                second["depends_on"] = []
            waves = [{"name": "database", "groups": ["db"], **common}, second]
        if row["delay"] != "0":
            waves[-1]["delay_before"] = row["delay"]
        if row["people"] == "pause":
            waves[-1]["pause_before"] = {"message": "Does it look well?", "approvers": ["bob"]}
        steps: dict[str, dict[str, Any]] = {
            "wait": {"before": [{"kind": "wait", "name": "breath", "for": "1m"}]},
            "command": {"after": [_command("look")]},
            "function": {"before": [{"kind": "lambda", "name": "freeze", "function": "freeze"}]},
            "may_fail": {"after": [{"kind": "lambda", "name": "lost", "function": "lost", "on_failure": "continue"}]},
        }
        waves[0] |= steps.get(row["steps"], {})
        return waves

    def fleet(self) -> dict[str, Any]:
        """Return the fleet, with what the plan's steps call."""
        accounts: dict[str, Any] = {}
        for place in self.places:
            account = accounts.setdefault(
                place.account,
                {
                    "id": place.account,
                    "regions": [],
                    "lambda_functions": {"freeze": {"behaviour": "echo"}, "lost": {"behaviour": "fail"}},
                },
            )
            account["regions"].append(
                {
                    "name": place.region,
                    "network": {
                        "vpc": NETWORK,
                        "subnets": dict(SUBNETS),
                        "internet_gateway": True,
                    },
                    "servers": [self._server(name) for name in place.servers],
                }
            )
        if self.row["cloud"] == "extended_server":
            staging = {"id": STAGING, "regions": [{"name": REGION, "servers": []}]}
            return {"accounts": [*accounts.values(), staging]}
        return {"accounts": list(accounts.values())}

    def _server(self, name: str) -> dict[str, Any]:
        tier = "db" if name in DATABASE else "web" if name in WEB else "none"
        number = int(name.removeprefix("s-")) % 10
        known: dict[str, Any] = {
            "id": name,
            "hostname": f"{'crm' if tier == 'none' else tier}{number}",
            "tags": {"App": "shop", "Tier": tier},
            "lag": "2s",
            "launch": {"subnet": "second" if name in (DATABASE[1], *WEB) else "prod"},  # as their addresses have it
        }
        if self.row["cloud"] == "extended_server" and name == HELD:
            known["staging_account"] = STAGING
        return known


def _command(name: str) -> dict[str, Any]:
    document = {"document": "AWS-RunShellScript", "parameters": {"commands": ["hostname"]}, "timeout": "20m"}
    return {"kind": "ssm_command", "name": name, **document, "on_failure": "continue"}
