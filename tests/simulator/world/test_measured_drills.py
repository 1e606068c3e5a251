"""What was measured of two drills of the real service (two small Linux servers each), held against the simulator.

The facts are event names, seconds between them and which members were there: `aws-samples/drs-tools`,
`drs-plan-automation/samples/sample_data/sample_result.json`, taken in us-west-2 in December 2022.
"""

import re
from datetime import datetime

import pytest
from simulator.small_fleet import app, job, start

FIRST, SECOND = app(1), app(2)

ORDER = [
    "JOB_START",
    *["SNAPSHOT_START"] * 2,
    *["SNAPSHOT_END"] * 2,
    *["CONVERSION_START"] * 2,
    *["CONVERSION_END"] * 2,
    *["LAUNCH_START"] * 2,
    *["LAUNCH_END"] * 2,
    "JOB_END",
]

MEASURED = [
    [0.0, 0.404, 0.429, 0.594, 0.620, 52.563, 52.589, 250.077, 250.138, 250.650, 250.840, 528.769, 530.170, 532.978],
    [0.0, 0.404, 0.432, 0.584, 0.611, 51.789, 51.818, 226.488, 226.548, 226.966, 227.176, 536.835, 536.887, 539.016],
]
"""Seconds from JOB_START, drill by drill, in the order of `ORDER`."""

CREATED_BEFORE = (0.304, 0.357)
"""Seconds from creationDateTime to JOB_START."""

EVENT_DATA = {
    "JOB_START": set(),
    "SNAPSHOT_START": {"sourceServerID"},
    "SNAPSHOT_END": {"sourceServerID"},
    "CONVERSION_START": {"sourceServerID"},
    "CONVERSION_END": {"sourceServerID", "conversionServerID"},
    "LAUNCH_START": {"sourceServerID"},
    "LAUNCH_END": {"sourceServerID", "targetInstanceID"},
    "JOB_END": set(),
}

JOB = {
    "arn",
    "creationDateTime",
    "endDateTime",
    "initiatedBy",
    "jobID",
    "participatingServers",
    "status",
    "tags",
    "type",
}

SOURCE_SERVER = {
    "arn": {},
    "dataReplicationInfo": {
        "dataReplicationInitiation": {"nextAttemptDateTime": {}, "startDateTime": {}, "steps": {}},
        "dataReplicationState": {},
        "lagDuration": {},
        "replicatedDisks": {},
    },
    "lastLaunchResult": {},
    "lifeCycle": {
        "addedToServiceDateTime": {},
        "elapsedReplicationDuration": {},
        "firstByteDateTime": {},
        "lastLaunch": {"initiated": {}},
        "lastSeenByServiceDateTime": {},
    },
    "sourceProperties": {
        "cpus": {},
        "disks": {},
        "identificationHints": {"awsInstanceID": {}, "fqdn": {}, "hostname": {}},
        "lastUpdatedDateTime": {},
        "networkInterfaces": {},
        "os": {"fullString": {}},
        "ramBytes": {},
        "recommendedInstanceType": {},
    },
    "sourceServerID": {},
    "tags": {},
}
"""Members of a server that replicated well and had never been launched."""

STEPS = [
    "WAIT",
    "CREATE_SECURITY_GROUP",
    "LAUNCH_REPLICATION_SERVER",
    "BOOT_REPLICATION_SERVER",
    "AUTHENTICATE_WITH_SERVICE",
    "DOWNLOAD_REPLICATION_SOFTWARE",
    "CREATE_STAGING_DISKS",
    "ATTACH_STAGING_DISKS",
    "PAIR_REPLICATION_SERVER_WITH_AGENT",
    "CONNECT_AGENT_TO_REPLICATION_SERVER",
    "START_DATA_TRANSFER",
]


@pytest.fixture
def drill(sim, drs):
    """A finished drill of two small Linux servers: the job and its log."""
    sim.clock(speed=1)
    job_id = start(drs, FIRST, SECOND, isDrill=True)
    sim.advance("15m")
    return job(drs, job_id), drs.describe_job_log_items(jobID=job_id)["items"]


def offsets(lines, since=None):
    times = [datetime.fromisoformat(line["logDateTime"]) for line in lines]
    return [(moment - (since or times[0])).total_seconds() for moment in times]


def missing(expected, seen, path=""):
    lost = [f"{path}{name}" for name in expected if name not in seen]
    return lost + [
        text
        for name, inner in expected.items()
        if inner and name in seen
        for text in missing(inner, seen[name], f"{path}{name}.")
    ]


def test_the_events_come_in_the_measured_order(drill):
    _, log = drill

    assert [line["event"] for line in log] == ORDER


def test_every_event_carries_what_it_carried(drill):
    _, log = drill

    assert {line["event"]: set(line["eventData"]) for line in log} == EVENT_DATA
    assert {line["eventData"]["sourceServerID"] for line in log[1:-1]} == {FIRST, SECOND}


def test_every_event_comes_when_the_two_drills_had_it_or_between_them(drill):
    _, log = drill
    earliest, latest = map(min, zip(*MEASURED, strict=True)), map(max, zip(*MEASURED, strict=True))
    strays = [
        (event, first, seen, last)
        for event, first, seen, last in zip(ORDER, earliest, offsets(log), latest, strict=True)
        if not first - 0.05 <= seen <= last + 0.05
    ]

    assert strays == []


def test_the_job_says_what_it_said(drill):
    finished, log = drill
    created = datetime.fromisoformat(finished["creationDateTime"])
    ended = datetime.fromisoformat(finished["endDateTime"])

    assert set(finished) == JOB
    assert (finished["type"], finished["initiatedBy"], finished["status"], finished["tags"]) == (
        "LAUNCH",
        "START_DRILL",
        "COMPLETED",
        {},
    )
    assert finished["participatingServers"] == [
        {"sourceServerID": FIRST, "launchStatus": "LAUNCHED"},
        {"sourceServerID": SECOND, "launchStatus": "LAUNCHED"},
    ]
    assert CREATED_BEFORE[0] <= offsets(log, created)[0] <= CREATED_BEFORE[1] + 0.01
    assert -0.03 < (ended - datetime.fromisoformat(log[-1]["logDateTime"])).total_seconds() < 0


def test_the_launch_status_stays_pending_until_launch_end(sim, drs):
    job_id = start(drs, FIRST, isDrill=True)
    sim.advance(530)
    waiting = job(drs, job_id)["participatingServers"]
    sim.advance(4)

    assert waiting == [{"sourceServerID": FIRST, "launchStatus": "PENDING"}]
    assert job(drs, job_id)["participatingServers"] == [{"sourceServerID": FIRST, "launchStatus": "LAUNCHED"}]


def test_timestamps_are_written_as_they_were(drill):
    finished, log = drill
    texts = [finished["creationDateTime"], finished["endDateTime"], *(line["logDateTime"] for line in log)]

    assert [text for text in texts if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", text)] == []


def test_a_source_server_has_the_members_that_it_had(drs):
    server = drs.describe_source_servers(filters={"sourceServerIDs": [FIRST]})["items"][0]
    initiation = server["dataReplicationInfo"]["dataReplicationInitiation"]
    disk = server["dataReplicationInfo"]["replicatedDisks"][0]

    assert missing(SOURCE_SERVER, server) == []
    assert server["lifeCycle"]["lastLaunch"] == {"initiated": {}}
    assert (server["lastLaunchResult"], server["dataReplicationInfo"]["lagDuration"]) == ("NOT_STARTED", "P0D")
    assert [step["name"] for step in initiation["steps"]] == STEPS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d[05]:00\+00:00", initiation["nextAttemptDateTime"])
    assert disk["rescannedStorageBytes"] == disk["replicatedStorageBytes"] == disk["totalStorageBytes"]
    assert disk["backloggedStorageBytes"] == 0
