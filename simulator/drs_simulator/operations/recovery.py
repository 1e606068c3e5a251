"""Jobs: StartRecovery, TerminateRecoveryInstances, and what can be read of jobs."""

from collections import Counter
from typing import Any

from drs_simulator.clock import read_iso
from drs_simulator.errors import Conflict, Invalid, NotFound, QuotaExceeded
from drs_simulator.operations.registry import Answer, Context, Request, moment_in, operation, page
from drs_simulator.quotas import CONCURRENT_JOBS, SERVERS_IN_JOBS, SERVERS_PER_JOB, Quota, value_of
from drs_simulator.world import views
from drs_simulator.world.behind_drs import forget_job
from drs_simulator.world.failback import is_replicated
from drs_simulator.world.launch import create_launch_job, create_terminate_job
from drs_simulator.world.origins import ensure_origins
from drs_simulator.world.resources import Job, Region, SourceServer
from drs_simulator.world.world import World

BUSY = "One or more of the Source Servers included in API call are currently being processed by a Job"
MOST_TAGS = 50


@operation("StartRecovery")
def start_recovery(context: Context, request: Request) -> Answer:
    """Begin a launch of up to 100 servers, or refuse it whole."""
    world, region = context.world, context.region
    entries: list[dict[str, Any]] = request["sourceServers"]
    names = [entry["sourceServerID"] for entry in entries]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise Invalid(f"Source servers are named twice: {', '.join(twice)}", [("sourceServers", "duplicates")])
    check_tags(request.get("tags"))
    ensure_room(world, region, len(names))
    pinned = {entry["sourceServerID"]: _pinned(context, entry) for entry in entries}
    for name in names:
        _ensure_recoverable(world, context.server(name))
    _launch_into_sources(context, names)
    initiated_by = "START_DRILL" if request.get("isDrill") else "START_RECOVERY"
    job = create_launch_job(world, region, pinned, initiated_by=initiated_by, tags=request.get("tags") or {})
    _hide(context, job)
    return {"job": views.job(job)}


def _launch_into_sources(context: Context, names: list[str]) -> None:
    """Where the account says so, set the instance to launch into of servers that come back to where they run."""
    region = context.region
    if not any(template.get("launchIntoSourceInstance") for template in region.launch_templates.values()):
        return
    ensure_origins(context.world, *region.key)
    for server in map(context.server, names):
        origin, source = server.spec.origin, server.hints_instance_id
        if source and (origin.account or server.account, origin.region) == region.key:
            server.launch = server.launch | {"launchIntoInstanceProperties": {"launchIntoEC2InstanceID": source}}


def check_tags(tags: dict[str, str] | None) -> None:
    """Refuse more tags than a resource can have, and keys of AWS's own."""
    if len(tags or {}) > MOST_TAGS:
        raise Invalid(f"{len(tags or {})} tags, the most is {MOST_TAGS}", [("tags", f"more than {MOST_TAGS}")])
    own = [key for key in tags or {} if key.lower().startswith("aws:")]
    if own:
        raise Invalid(f"tag keys may not begin with aws: {', '.join(own)}", [("tags", "reserved prefix aws:")])


def _pinned(context: Context, entry: dict[str, Any]) -> float | None:
    """Return the simulated second of the recovery point that the request pins."""
    server = context.server(entry["sourceServerID"])
    wanted = entry.get("recoverySnapshotID")
    if wanted is None:
        return None
    for point in context.world.recovery_points_of(server):
        if point.id == wanted:
            return point.taken
    raise NotFound(f"Recovery snapshot {wanted} of {server.id} does not exist", wanted, "RecoverySnapshot")


def ensure_room(world: World, region: Region, servers: int) -> None:
    """Hold a new job of so many servers against the quotas. Raises QuotaExceeded."""
    jobs, in_jobs = in_flight(world, region)
    changed = region.spec.quotas
    if servers > value_of(SERVERS_PER_JOB, changed):
        raise _exceeded(SERVERS_PER_JOB, value_of(SERVERS_PER_JOB, changed), servers)
    if jobs + 1 > value_of(CONCURRENT_JOBS, changed):
        raise _exceeded(CONCURRENT_JOBS, value_of(CONCURRENT_JOBS, changed), jobs + 1)
    if in_jobs + servers > value_of(SERVERS_IN_JOBS, changed):
        raise _exceeded(SERVERS_IN_JOBS, value_of(SERVERS_IN_JOBS, changed), in_jobs + servers)


def in_flight(world: World, region: Region) -> tuple[int, int]:
    """Return how many jobs run, and how many servers are in them, those of `quota_used` faults included."""
    jobs = len(region.unfinished)
    servers = sum(len(job.participants) for job in region.unfinished.values())
    subject = Context(world, region, "StartRecovery").subject
    for armed in world.faults.all_holding("quota_used", subject):
        if armed.fault.do == "quota_used":
            jobs += armed.fault.jobs
            servers += armed.fault.in_jobs
    return jobs, servers


def _exceeded(quota: Quota, limit: int, wanted: int) -> QuotaExceeded:
    return QuotaExceeded(f"{quota.name}: {wanted} would exceed the quota of {limit} ({quota.code})", quota.code)


def _ensure_recoverable(world: World, server: SourceServer) -> None:
    """The service's own checks, each of which refuses the whole request."""
    ensure_free(world, server)
    if server.is_disconnected or server.replication.steady in {"STOPPED", "DISCONNECTED"}:
        raise Conflict(f"Source server {server.id} is not replicating: its state does not allow a recovery")
    if server.spec.marketplace:
        raise Conflict(f"Source server {server.id} has volumes without the attributes that a launch needs")
    first = server.replication.first_consistent
    if first is None or first > world.now:
        raise Conflict(f"Source server {server.id} has no consistent recovery point")
    needs_a_point = not server.spec.reachable or world.replication_of(server).error is not None
    if needs_a_point and not world.recovery_points_of(server):
        raise Conflict(f"Source server {server.id} has no consistent recovery point")


def ensure_free(world: World, server: SourceServer) -> None:
    """Refuse a server that a job or a native Recovery Plan holds. Raises Conflict."""
    region = world.regions[server.key]
    if server.id in region.busy:
        raise Conflict(BUSY, resourceId=server.id, resourceType="SourceServer")
    if server.id in region.plan_held or world.holds("native_plan", server) is not None:
        raise Conflict(
            f"Source server {server.id} is part of a Recovery Plan execution that is in progress", resourceId=server.id
        )


def _hide(context: Context, job: Job) -> None:
    world = context.world
    servers = tuple(context.region.servers[name].facts for name in job.participants)
    fault = world.faults.match(
        "invisible_for", operation="StartRecovery", account=job.account, region=job.region, servers=servers, job=job.id
    )
    if fault is not None and fault.do == "invisible_for":
        job.visible_from_s = world.now + fault.seconds
        job.instances_invisible_s = fault.seconds


@operation("TerminateRecoveryInstances")
def terminate_recovery_instances(context: Context, request: Request) -> Answer:
    """Begin a job that terminates recovery instances, or refuse it whole."""
    world, region = context.world, context.region
    names = list(dict.fromkeys(request["recoveryInstanceIDs"]))
    instances = [context.instance(name) for name in names]
    ensure_room(world, region, len(names))
    for instance in instances:
        if instance.server_id in region.busy:
            raise Conflict(BUSY, resourceId=instance.server_id, resourceType="SourceServer")
        if instance.terminated_s is not None:
            raise Conflict(f"Recovery instance {instance.id} is already terminated", resourceId=instance.id)
        if is_replicated(world, instance):
            raise Conflict(
                f"Recovery instance {instance.id} cannot be terminated during failback", resourceId=instance.id
            )
    return {"job": views.job(create_terminate_job(world, region, instances))}


@operation("DescribeJobs")
def describe_jobs(context: Context, request: Request) -> Answer:
    """List jobs, newest first. Given ids and dates together: a job must fit both (not documented)."""
    world, region = context.world, context.region
    filters = request.get("filters") or {}
    wanted = filters.get("jobIDs")
    jobs = (
        [region.jobs[name] for name in dict.fromkeys(wanted) if name in region.jobs]
        if wanted
        else list(region.jobs.values())
    )
    jobs.sort(key=lambda job: job.created, reverse=True)
    now = world.now
    begin, end = moment_in(filters, "fromDate"), moment_in(filters, "toDate")
    shown = (
        job
        for job in jobs
        if job.visible_from_s <= now
        and (begin is None or read_iso(job.created) >= begin)
        and (end is None or read_iso(job.created) <= end)
    )
    at = _as_of(context)
    return page(
        context,
        request,
        shown,
        lambda job: views.job(job, at if job.created_s <= (at or 0.0) or at is None else job.created_s),
    )


def _as_of(context: Context) -> float | None:
    """Return the simulated second of a stale read, or None for the present."""
    armed = context.world.faults.strike(frozenset({"stale_reads"}), context.subject)
    return context.world.now - armed.fault.age if armed is not None and armed.fault.do == "stale_reads" else None


@operation("DescribeJobLogItems")
def describe_job_log_items(context: Context, request: Request) -> Answer:
    """List what has happened in a job, oldest first; an unknown job has no lines (the model has no such error)."""
    job = context.region.jobs.get(request["jobID"])
    at = _as_of(context)
    visible = job is not None and job.visible_from_s <= context.world.now
    lines = [line for when, line in job.log if at is None or when <= at] if job is not None and visible else []
    return page(context, request, lines, lambda line: line)


@operation("DeleteJob")
def delete_job(context: Context, request: Request) -> Answer:
    """Forget a finished job. It cancels nothing."""
    job = context.region.jobs.get(request["jobID"])
    if job is None:
        raise NotFound(f"Job {request['jobID']} does not exist", request["jobID"], "Job")
    if job.status != "COMPLETED":
        raise Conflict(f"Job {job.id} is {job.status}: only a completed job can be deleted", resourceId=job.id)
    forget_job(context.world, context.world.now, context.region, job)
    return {}
