"""How the things of the world look in an answer of the API."""

from datetime import timedelta
from typing import Any

from drs_simulator import ids
from drs_simulator.durations import iso_duration
from drs_simulator.world import moto_ec2
from drs_simulator.world.launch import source_address
from drs_simulator.world.replication import GIB, Observed
from drs_simulator.world.resources import Job, RecoveryInstance, SourceNetwork, SourceServer
from drs_simulator.world.world import World

INITIATION_STEPS = (
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
)
AGENT_VERSION = "6.42.20"
NETWORK_IS_PROTECTED_AFTER = 180.0
"""Simulated seconds from starting a source network's replication to PROTECTED (ours: no measurement)."""


def source_server(world: World, server: SourceServer) -> dict[str, object]:
    """Return a SourceServer."""
    spec, origin = server.spec, server.spec.origin
    seen = world.replication_of(server)
    answer: dict[str, Any] = {
        "sourceServerID": server.id,
        "arn": server.arn,
        "tags": dict(server.tags),
        "lastLaunchResult": server.last_launch_result,
        "dataReplicationInfo": replication_info(world, server, seen),
        "lifeCycle": {
            "addedToServiceDateTime": server.added,
            "elapsedReplicationDuration": iso_duration(max(world.now + spec.protected_for, 0)),
            "lastSeenByServiceDateTime": world.stamp(seen.last_good if seen.error else world.now),
        },
        "sourceProperties": source_properties(server),
        "replicationDirection": server.direction,
        "agentVersion": AGENT_VERSION,
        "stagingArea": {"status": "EXTENDED" if server.staging_arn else "NOT_EXTENDED"},
    }
    if server.replication.first_consistent is not None or seen.done:
        answer["lifeCycle"]["firstByteDateTime"] = server.added
    answer["lifeCycle"]["lastLaunch"] = server.last_launch or {"initiated": {}}
    if server.instance_id:
        # The one member whose name ends in a small d.
        answer["recoveryInstanceId"] = server.instance_id
    if server.reversed_arn:
        answer["reversedDirectionSourceServerArn"] = server.reversed_arn
    if server.network_id:
        answer["sourceNetworkID"] = server.network_id
    if server.staging_arn:
        answer["stagingArea"] |= {
            "stagingAccountID": server.staging_arn.split(":")[4],
            "stagingSourceServerArn": server.staging_arn,
        }
    if origin.region:
        answer["sourceCloudProperties"] = {
            "originAccountID": origin.account or server.account,
            "originRegion": origin.region,
            "originAvailabilityZone": origin.zone or f"{origin.region}a",
        }
    return answer


def source_properties(server: SourceServer) -> dict[str, object]:
    """Return a SourceServer's sourceProperties."""
    spec = server.spec
    hints = {"hostname": spec.hostname, "fqdn": f"{spec.hostname}.example.internal"}
    if server.hints_instance_id:
        hints["awsInstanceID"] = server.hints_instance_id
    name = "Microsoft Windows Server 2022 Datacenter" if spec.os == "windows" else "Amazon Linux 2023 6.1.0 x86_64"
    return {
        "lastUpdatedDateTime": server.added,
        "recommendedInstanceType": spec.instance_type,
        "identificationHints": hints,
        "networkInterfaces": [{"macAddress": _mac(server.id), "ips": [source_address(server)], "isPrimary": True}],
        "disks": [
            {"deviceName": moto_ec2.device_name(number), "bytes": size * GIB} for number, size in enumerate(spec.disks)
        ],
        "cpus": [{"cores": spec.cores, "modelName": "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"}],
        "ramBytes": spec.ram * GIB,
        "os": {"fullString": name},
        "supportsNitroInstances": True,
        "architecture": "x86_64",
    }


def _mac(name: str) -> str:
    digits = ids.stable("", name, "mac")
    return ":".join(["0a", *(digits[at : at + 2] for at in range(0, 10, 2))])


def replication_info(world: World, server: SourceServer, seen: Observed) -> dict[str, object]:
    """Return a SourceServer's dataReplicationInfo."""
    info: dict[str, object] = {"dataReplicationState": seen.state, "replicatedDisks": _disks(server, seen)}
    if seen.lag is not None:
        info["lagDuration"] = iso_duration(seen.lag)
    if seen.eta is not None:
        info["etaDateTime"] = world.stamp(world.now + seen.eta)
    if seen.error is not None:
        info["dataReplicationError"] = {"error": seen.error}
    if seen.state not in {"STOPPED", "DISCONNECTED"}:
        info["stagingAvailabilityZone"] = f"{server.region}a"
        info["dataReplicationInitiation"] = {
            "startDateTime": world.stamp(server.replication.began),
            "nextAttemptDateTime": _next_attempt(world),
            "steps": [
                {"name": name, "status": _step_status(number, seen.initiation_done)}
                for number, name in enumerate(INITIATION_STEPS)
            ],
        }
    return info


def _next_attempt(world: World) -> str:
    """Return the next five minutes of the wall clock, which the service writes without a fraction (observed)."""
    now = world.clock.now()
    passed = timedelta(minutes=now.minute % 5, seconds=now.second, microseconds=now.microsecond)
    return (now - passed + timedelta(minutes=5)).isoformat()


def _step_status(number: int, done: float) -> str:
    reached = done * len(INITIATION_STEPS)
    return "SUCCEEDED" if number + 1 <= reached else "IN_PROGRESS" if number <= reached else "NOT_STARTED"


def _disks(server: SourceServer, seen: Observed) -> list[dict[str, object]]:
    disks = []
    for number, size in enumerate(server.spec.disks):
        whole = size * GIB
        is_rescan = seen.state == "RESCAN" or server.replication.is_rescan
        disk: dict[str, object] = {
            "deviceName": moto_ec2.device_name(number),
            "totalStorageBytes": whole,
            "replicatedStorageBytes": whole if is_rescan else int(whole * seen.done),
            # An idle server was observed to have rescanned all of its disks.
            "rescannedStorageBytes": int(whole * seen.done) if is_rescan or seen.done >= 1 else 0,
            "backloggedStorageBytes": int((seen.lag or 0) * 1024 * 1024)
            if seen.state in {"BACKLOG", "STALLED", "PAUSED"}
            else 0,
            "volumeStatus": "MISSING_VOLUME_ATTRIBUTES" if server.spec.marketplace else "REGULAR",
        }
        disks.append(disk)
    return disks


def job(job: Job, at: float | None = None) -> dict[str, object]:
    """Return a Job; `at` a simulated second: as it was then (a stale read)."""
    status = _then(job.history, at, "PENDING") if at is not None else job.status
    answer: dict[str, object] = {
        "jobID": job.id,
        "arn": job.arn,
        "type": job.type,
        "initiatedBy": job.initiated_by,
        "creationDateTime": job.created,
        "status": status,
        "tags": dict(job.tags),
    }
    if job.is_network_job:
        answer["participatingServers"] = []
        answer["participatingResources"] = [
            {
                "participatingResourceID": {"sourceNetworkID": part.id},
                "launchStatus": _then(part.history, at, part.status),
            }
            for part in job.participants.values()
        ]
    else:
        answer["participatingServers"] = [_participant(part, at) for part in job.participants.values()]
    if job.ended is not None and status == "COMPLETED":
        answer["endDateTime"] = job.ended
    return answer


def _participant(part: Any, at: float | None) -> dict[str, object]:
    # recoveryInstanceID is a member of the model, absent from real answers.
    answer = {
        "sourceServerID": part.id,
        "launchStatus": part.status if at is None else _then(part.history, at, "PENDING"),
    }
    if part.actions is not None:
        answer["launchActionsStatus"] = part.actions
    return answer


def _then(history: list[tuple[float, str]], at: float | None, otherwise: str) -> str:
    if at is None:
        return history[-1][1] if history else otherwise
    return next((status for when, status in reversed(history) if when <= at), "PENDING")


def recovery_instance(world: World, record: RecoveryInstance, instance: object) -> dict[str, object]:
    """Return a RecoveryInstance; `instance` is moto's, or None."""
    region = world.regions[record.account, record.region]
    server = region.servers.get(record.server_id)
    answer: dict[str, object] = {
        "recoveryInstanceID": record.id,
        "ec2InstanceID": record.id,
        "ec2InstanceState": _state(record, instance),
        "jobID": record.job_id,
        "sourceServerID": record.server_id,
        "arn": record.arn,
        "tags": dict(record.tags),
        "isDrill": record.is_drill,
        "pointInTimeSnapshotDateTime": record.point_in_time,
        "originEnvironment": "AWS" if record.origin_zone else "ON_PREMISES",
        "failback": _failback(world, record),
        "dataReplicationInfo": _reverse_replication(world, record),
        "agentVersion": AGENT_VERSION,
    }
    if record.origin_zone:
        answer["originAvailabilityZone"] = record.origin_zone
    if server is not None:
        answer["recoveryInstanceProperties"] = _instance_properties(server, record, instance)
    return answer


def _state(record: RecoveryInstance, instance: object) -> str:
    if record.terminated_s is not None:
        return "TERMINATED"
    state = moto_ec2.state_of(instance)
    return "NOT_FOUND" if state == "TERMINATED" else state


def _instance_properties(server: SourceServer, record: RecoveryInstance, instance: Any) -> dict[str, Any]:
    properties: dict[str, object] = {
        "lastUpdatedDateTime": record.point_in_time,
        "identificationHints": {
            "hostname": server.spec.hostname,
            "fqdn": f"{server.spec.hostname}.example.internal",
            "awsInstanceID": record.id,
        },
        "cpus": [{"cores": server.spec.cores}],
        "ramBytes": server.spec.ram * GIB,
        "os": {"fullString": "Windows" if server.spec.os == "windows" else "Linux"},
    }
    if instance is not None and moto_ec2.state_of(instance) != "TERMINATED":
        properties["networkInterfaces"] = [
            {"macAddress": _mac(record.id), "ips": [str(instance.private_ip)], "isPrimary": True}
        ]
        properties["disks"] = [
            {"internalDeviceName": name, "bytes": device.size * GIB, "ebsVolumeID": device.volume_id}
            for name, device in instance.get_block_device_mapping
            if device.size
        ]
    return properties


def reverse_server(world: World, record: RecoveryInstance) -> SourceServer | None:
    """Return the source server that replicates this instance back, if there is one."""
    if record.reverse_server is None:
        return None
    account, region, server_id = record.reverse_server
    found = world.regions.get((account, region))
    return found.servers.get(server_id) if found else None


def _failback(world: World, record: RecoveryInstance) -> dict[str, object]:
    state = record.failback_state
    back = reverse_server(world, record)
    if state == "FAILBACK_IN_PROGRESS" and back is not None and world.replication_of(back).state == "CONTINUOUS":
        state = "FAILBACK_READY_FOR_LAUNCH"
    answer: dict[str, object] = {"state": state}
    if record.failback_began:
        answer |= {"failbackInitiationTime": record.failback_began, "failbackToOriginalServer": False}
        answer["agentLastSeenByServiceDateTime"] = world.stamp()
    return answer


def _reverse_replication(world: World, record: RecoveryInstance) -> dict[str, object]:
    back = reverse_server(world, record)
    if back is None:
        return {"dataReplicationState": "NOT_STARTED"}
    seen = world.replication_of(back)
    info: dict[str, object] = {
        "dataReplicationState": seen.state,
        "replicatedDisks": [
            {key: value for key, value in disk.items() if key != "volumeStatus"} for disk in _disks(back, seen)
        ],
    }
    if seen.lag is not None:
        info["lagDuration"] = iso_duration(seen.lag)
    if seen.eta is not None:
        info["etaDateTime"] = world.stamp(world.now + seen.eta)
    return info


def source_network(world: World, network: SourceNetwork) -> dict[str, object]:
    """Return a SourceNetwork."""
    status = "STOPPED"
    if network.began_s is not None:
        status = "PROTECTED" if world.now - network.began_s >= NETWORK_IS_PROTECTED_AFTER else "IN_PROGRESS"
    answer: dict[str, object] = {
        "sourceNetworkID": network.id,
        "sourceVpcID": network.vpc,
        "arn": network.arn,
        "tags": dict(network.tags),
        "replicationStatus": status,
        "sourceRegion": network.origin_region,
        "sourceAccountID": network.origin_account,
    }
    optional = {
        "cfnStackName": network.stack,
        "launchedVpcID": network.launched_vpc,
        "lastRecovery": network.last_recovery,
    }
    return answer | {key: value for key, value in optional.items() if value is not None}
