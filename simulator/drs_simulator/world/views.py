"""How the things of the world look in an answer of the API."""

from datetime import timedelta
from typing import Any

from drs_simulator import ids
from drs_simulator.durations import iso_duration
from drs_simulator.world import moto_ec2
from drs_simulator.world.failback import agent_is_seen, client_replication, reverse_server, state_of
from drs_simulator.world.launch import source_address
from drs_simulator.world.replication import GIB, Observed, Replication
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
FAILBACK_STEPS = (
    "LINK_FAILBACK_CLIENT_WITH_RECOVERY_INSTANCE",
    "COMPLETE_VOLUME_MAPPING",
    "ESTABLISH_RECOVERY_INSTANCE_COMMUNICATION",
    "DOWNLOAD_REPLICATION_SOFTWARE_TO_FAILBACK_CLIENT",
    "CONFIGURE_REPLICATION_SOFTWARE",
    "PAIR_AGENT_WITH_REPLICATION_SOFTWARE",
    "ESTABLISH_AGENT_REPLICATOR_SOFTWARE_COMMUNICATION",
)
"""What a failback client does before the steps of every replication."""

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
    info: dict[str, object] = {
        "dataReplicationState": seen.state,
        "replicatedDisks": _disks(server, server.replication, seen),
    }
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
            "steps": _steps(INITIATION_STEPS, seen),
        }
    return info


def _steps(names: tuple[str, ...], seen: Observed) -> list[dict[str, str]]:
    """Return the steps of an initiation; an error that names one of them has failed it, and none after it begins."""
    failed = names.index(step) if (step := (seen.error or "").removeprefix("FAILED_TO_")) in names else None
    if failed is None or seen.error == step:
        return [
            {"name": name, "status": _step_status(number, len(names), seen.initiation_done)}
            for number, name in enumerate(names)
        ]
    return [
        {
            "name": name,
            "status": "SUCCEEDED" if number < failed else "FAILED" if number == failed else "NOT_STARTED",
        }
        for number, name in enumerate(names)
    ]


def _next_attempt(world: World) -> str:
    """Return the next five minutes of the wall clock, which the service writes without a fraction (observed)."""
    now = world.clock.now()
    passed = timedelta(minutes=now.minute % 5, seconds=now.second, microseconds=now.microsecond)
    return (now - passed + timedelta(minutes=5)).isoformat()


def _step_status(number: int, steps: int, done: float) -> str:
    reached = done * steps
    return "SUCCEEDED" if number + 1 <= reached else "IN_PROGRESS" if number <= reached else "NOT_STARTED"


def _disks(server: SourceServer, replication: Replication, seen: Observed) -> list[dict[str, object]]:
    disks = []
    for number, size in enumerate(server.spec.disks):
        whole = size * GIB
        is_rescan = seen.state == "RESCAN" or replication.is_rescan
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


def _failback(world: World, record: RecoveryInstance) -> dict[str, object]:
    server = world.regions[record.account, record.region].servers.get(record.server_id)
    answer: dict[str, object] = {"state": state_of(world, record)}
    if server is not None and agent_is_seen(world, record, server) and record.terminated_s is None:
        answer["agentLastSeenByServiceDateTime"] = world.stamp()
    if record.failback_began:
        to_original = record.client is not None and record.client.to_original
        answer |= {"failbackInitiationTime": record.failback_began, "failbackToOriginalServer": to_original}
    if record.failback_job is not None:
        answer |= {"failbackJobID": record.failback_job, "failbackLaunchType": record.failback_launch_type}
    if record.client is not None:
        answer["failbackClientID"] = record.client.id
        seen = world.now if record.client.lost_s is None else record.client.lost_s
        answer["failbackClientLastSeenByServiceDateTime"] = world.stamp(seen)
    return answer


def _reverse_replication(world: World, record: RecoveryInstance) -> dict[str, object]:
    server = world.regions[record.account, record.region].servers.get(record.server_id)
    if record.is_disconnected:
        return {"dataReplicationState": "DISCONNECTED"}
    if record.client is not None and server is not None:
        seen = client_replication(world, record, record.client)
        return _instance_replication(
            world, server, record.client.replication, seen, (*FAILBACK_STEPS, *INITIATION_STEPS)
        )
    back = reverse_server(world, record)
    if back is None:
        return {"dataReplicationState": "NOT_STARTED"}
    return _instance_replication(world, back, back.replication, world.replication_of(back), INITIATION_STEPS)


def _instance_replication(
    world: World, server: SourceServer, replication: Replication, seen: Observed, steps: tuple[str, ...]
) -> dict[str, object]:
    """Return a RecoveryInstanceDataReplicationInfo: that of what replicates the instance."""
    info: dict[str, object] = {
        "dataReplicationState": seen.state,
        "replicatedDisks": [
            {key: value for key, value in disk.items() if key != "volumeStatus"}
            for disk in _disks(server, replication, seen)
        ],
    }
    if seen.lag is not None:
        info["lagDuration"] = iso_duration(seen.lag)
    if seen.eta is not None:
        info["etaDateTime"] = world.stamp(world.now + seen.eta)
    if seen.error is not None:
        info["dataReplicationError"] = {"error": seen.error}
    if seen.state not in {"STOPPED", "DISCONNECTED"}:
        info["stagingAvailabilityZone"] = f"{server.region}a"
        info["dataReplicationInitiation"] = {
            "startDateTime": world.stamp(replication.began),
            "steps": _steps(steps, seen),
        }
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
