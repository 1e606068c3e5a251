"""A plan that has a way back, and an account whose servers come from another Region."""

HERE = "111122223333"
WEST, EAST = "us-west-2", "us-east-1"


def sid(number):
    return f"s-{number:017d}"


DB, WEB, CENTRE = [sid(n) for n in (1, 2)], [sid(11)], sid(31)
FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": HERE,
            "regions": [
                {"name": EAST},
                {
                    "name": WEST,
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    "servers": [
                        {
                            "id": server_id,
                            "hostname": hostname,
                            "tags": {"Tier": tier},
                            "lag": "2s",
                            "disks": [8],
                            "origin": {"region": EAST},
                        }
                        for server_id, hostname, tier in (
                            (DB[0], "db1", "db"),
                            (DB[1], "db2", "db"),
                            (WEB[0], "web1", "web"),
                        )
                    ]
                    + [{"id": CENTRE, "hostname": "centre1", "disks": [8]}],
                },
            ],
        },
    ],
}

SHOP = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001, s-00000000000000002]
---
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {Tier: web}}
---
kind: RecoveryPlan
name: shop
title: Web shop
drill: {network: shared}
failback: {}
waves:
  - {name: database, groups: [db]}
  - {name: web, groups: [web]}
"""


def failback_servers(simulator):
    found = simulator.client("drs", region_name=EAST).describe_source_servers(filters={})["items"]
    return {
        server["sourceProperties"]["identificationHints"]["awsInstanceID"]: server["dataReplicationInfo"][
            "dataReplicationState"
        ]
        for server in found
        if server["replicationDirection"] == "FAILBACK"
    }


EVERYTHING = """\
kind: ProtectionGroup
name: db
description: Orders
region: us-west-2
servers:
  - s-00000000000000001
  - {id: s-00000000000000002, order: 2, critical: false, launch: {instance_type: r6i.large}}
launch: {instance_type: m6i.large, protect: true, fallback: {instance_types: [m6a.large]}}
drill_launch: {instance_type: t3.medium}
---
kind: ProtectionGroup
name: mail
region: us-west-2
aws_conn_id: aws_other
servers: [s-00000000000000021]
origin: {region: eu-west-1, aws_conn_id: aws_elsewhere}
---
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {Tier: web}, not: {tags: {Dr: excluded}}}
---
kind: RecoveryPlan
name: shop
title: Web shop
description: Three tiers
owner: retail
tags: [tier-1]
rto: 45m
rpo: 5m
drill: {schedule: "0 5 * * SUN", timezone: Europe/Berlin, network: isolated, keep_for: 1h, max_lag: 15m, max_cost: 50}
check: {schedule: "0 4 * * *"}
recovery: {approval: {required: 2, approvers: [dr-lead, ops-lead, cto], timeout: 30m}, max_lag: 1h}
failback: {origin: {aws_conn_id: aws_origin}, order: reversed}
notify:
  - {kind: webhook, http_conn_id: chat, on: [started, wave_failed, wave_completed, completed, failed]}
before:
  - {kind: wait, name: breathe, for: 1m}
waves:
  - {name: database, groups: [db, mail], tolerate_failures: 50%, retry_failed: 1, timeout: 60m, ready: status_checks}
  - name: announce
    after: [{kind: webhook, name: say, http_conn_id: chat}]
  - name: web
    groups: [web]
    delay_before: 2m
    pause_before: {message: "Is the database healthy?", approvers: [ops-lead]}
    after:
      - {kind: http, name: answers, url: "https://shop.example/health", timeout: 10m}
after:
  - {kind: approval, name: agree, message: "Is all well?", approvers: [cto], when: recovery}
"""
"""A plan with every optional field that there is."""
