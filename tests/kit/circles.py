"""Answers of AWS about one server on its way there and back, in the shapes of botocore's model."""

from drs_provider.rules.failback.circle import RegionFacts, ReplicationPlace, circles_of
from drs_provider.rules.failback.state import state_of

WEST, EAST = ReplicationPlace("111122223333", "us-west-2"), ReplicationPlace("111122223333", "us-east-1")
B1, A2, OTHER = "s-00000000000000001", "s-00000000000000002", "s-00000000000000003"
A1, B3, A4, DRILL = "i-0000000000000000a", "i-0000000000000000b", "i-0000000000000000c", "i-0000000000000000d"
JOB = "drsjob-00000000000000001"


def replication(state, *, rescanned=True, copied=100, error=None, failed_step=None):
    """A dataReplicationInfo of one disk of 100 bytes."""
    info = {
        "dataReplicationState": state,
        "replicatedDisks": [
            {
                "deviceName": "/dev/sda1",
                "totalStorageBytes": 100,
                "replicatedStorageBytes": copied,
                "rescannedStorageBytes": 100 if rescanned else 30,
                "backloggedStorageBytes": 0,
            }
        ],
    }
    if error:
        info["dataReplicationError"] = {"error": error}
    if failed_step:
        info["dataReplicationInitiation"] = {"steps": [{"name": failed_step, "status": "FAILED"}]}
    return info


def server(name=B1, instance=A1, state="CONTINUOUS", *, place=WEST, origin=EAST, direction="FAILOVER", **more):
    rescanned = {key: more.pop(key) for key in ("rescanned", "copied", "error", "failed_step") if key in more}
    return {
        "sourceServerID": name,
        "arn": f"arn:aws:drs:{place.region}:{place.account}:source-server/{name}",
        "replicationDirection": direction,
        "sourceProperties": {"identificationHints": {"awsInstanceID": instance} if instance else {}},
        "sourceCloudProperties": {"originAccountID": origin.account, "originRegion": origin.region} if origin else {},
        "dataReplicationInfo": replication(state, **rescanned),
        **more,
    }


def failback_server(state="CONTINUOUS", instance=B3, name=A2, **more):
    return server(name, instance, state, place=EAST, origin=WEST, direction="FAILBACK", **more)


def instance(
    name=B3,
    of=B1,
    state="NOT_STARTED",
    *,
    ec2="RUNNING",
    is_drill=False,
    failback=None,
    to_original=None,
    origin="AWS",
    job_id=None,
    **more,
):
    to_machine = {} if to_original is None else {"failbackToOriginalServer": to_original}
    return {
        "recoveryInstanceID": name,
        "ec2InstanceID": name,
        "ec2InstanceState": ec2,
        "sourceServerID": of,
        "isDrill": is_drill,
        "originEnvironment": origin,
        "dataReplicationInfo": replication(state, **more),
        **({"jobID": job_id} if job_id else {}),
        "failback": {"state": failback, **to_machine} if failback else {},
    }


def job(of=A2, status="STARTED", initiated_by="START_RECOVERY", kind="LAUNCH"):
    return {
        "jobID": JOB,
        "type": kind,
        "status": status,
        "initiatedBy": initiated_by,
        "participatingServers": [{"sourceServerID": of}],
    }


def facts(place, servers=(), instances=(), jobs=(), ec2=None):
    return RegionFacts(place, servers, instances, jobs, ec2)


def circle(
    *,
    west=(),
    west_instances=(),
    west_jobs=(),
    east=(),
    east_instances=(),
    east_jobs=(),
    ec2=None,
    west_ec2=None,
    name=B1,
):
    recovery = facts(WEST, west or (server(),), west_instances, west_jobs, west_ec2)
    origin = facts(EAST, east, east_instances, east_jobs, ec2)
    return circles_of([name], recovery, {EAST: origin})[name]


def where(**given):
    return state_of(circle(**given))
