"""A source that EC2 has stopped: DRS does not see its agent, and makes no recovery point of it."""

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

SERVER = "s-00000000000000001"
FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "servers": [{"id": SERVER, "hostname": "db1", "origin": {"region": "us-east-1"}}],
                }
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def sim(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(FLEET)


def test_a_stopped_source_stalls_and_goes_on_when_it_runs_again(sim):
    drs, ec2 = sim.client("drs"), sim.client("ec2", region_name="us-east-1")

    def source():
        (found,) = drs.describe_source_servers()["items"]
        return found

    def newest():
        points = drs.describe_recovery_snapshots(sourceServerID=SERVER, order="DESC")["items"]
        return points[0]["snapshotID"]

    instance = source()["sourceProperties"]["identificationHints"]["awsInstanceID"]
    assert source()["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"

    ec2.stop_instances(InstanceIds=[instance])
    before = newest()
    sim.advance("25m")

    replication = source()["dataReplicationInfo"]
    assert (replication["dataReplicationState"], replication["dataReplicationError"]["error"]) == (
        "STALLED",
        "AGENT_NOT_SEEN",
    )
    assert newest() == before

    ec2.start_instances(InstanceIds=[instance])
    sim.advance("25m")

    assert source()["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"
    assert newest() != before
