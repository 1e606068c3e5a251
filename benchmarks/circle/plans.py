"""The plan and the fleet of a circle: three tiers of servers that came from another Region."""

from typing import Final

PLAN: Final = "circle"
WEST, EAST = "us-west-2", "us-east-1"
HOME: Final = "111122223333"
PEOPLE: Final = ("ann", "ben")
"""Whom the plan asks; somebody else starts the runs."""

_TIERS: Final = (("db", 1), ("app", 4), ("web", 5))
"""The tiers with their shares of ten servers."""


def fleet(servers: int) -> dict[str, object]:
    """Describe the accounts: every server came from an instance in EAST, and is protected in WEST."""
    counts = _counts(servers)
    return {
        "accounts": [
            {
                "id": HOME,
                "regions": [
                    {"name": EAST},
                    {
                        "name": WEST,
                        "network": {
                            "vpc": "10.20.0.0/16",
                            "subnets": {"db": "10.20.0.0/24", "app": "10.20.4.0/22", "web": "10.20.8.0/22"},
                        },
                        "servers": [
                            {
                                "count": count,
                                "id": f"s-0{tier:a<4}{{n:012d}}",
                                "hostname": f"{tier}{{n}}",
                                "tags": {"App": PLAN, "Tier": tier},
                                "disks": [8],
                                "lag": "2s",
                                "launch": {"subnet": tier},
                                "origin": {"region": EAST},
                            }
                            for tier, count in counts.items()
                        ],
                    },
                ],
            }
        ]
    }


def plan() -> str:
    """Write the groups and the plan, with the fields that people use."""
    groups = [
        f"""\
kind: ProtectionGroup
name: {tier}
region: {WEST}
select: {{tags: {{App: {PLAN}, Tier: {tier}}}}}
launch: {{protect: true}}
"""
        for tier, _ in _TIERS
    ]
    return "---\n".join([*groups, _PLAN])


_ASKED: Final = "[ann, ben]"
_PLAN: Final = f"""\
kind: RecoveryPlan
name: {PLAN}
title: A whole circle
owner: retail
rto: 45m
rpo: 5m
drill: {{network: isolated}}
recovery:
  approval: {{required: 1, approvers: {_ASKED}}}
  commit: {{within: 2h, approvers: {_ASKED}}}
failback:
  order: reversed
  max_lag: 15m
  approval: {{required: 1, approvers: {_ASKED}}}
  clean_up: {{approvers: {_ASKED}}}
  drill: {{network: isolated}}
before:
  - {{kind: wait, name: freeze, for: 1s, when: failback}}
after:
  - {{kind: wait, name: traffic, for: 1s, when: failback}}
waves:
  - {{name: database, groups: [db]}}
  - {{name: application, groups: [app], depends_on: [database], tolerate_failures: 10%}}
  - {{name: front, groups: [web], depends_on: [application], tolerate_failures: 10%}}
"""


def _counts(servers: int) -> dict[str, int]:
    counts = {tier: max(1, servers * share // 10) for tier, share in _TIERS}
    counts["web"] += max(0, servers - sum(counts.values()))
    return counts
