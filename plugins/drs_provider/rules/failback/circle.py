"""Which servers and instances of both Regions belong to one server on its way there and back.

Names as everywhere: the *server* protects its source in the recovery Region; a *recovered* instance was launched from
it; a *failback server* replicates that instance in the origin Region; a *failed-back* instance was launched from that.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple

from drs_provider.rules.answers import Answer
from drs_provider.rules.servers import GONE_STATES

EC2_GONE: Final = frozenset({"shutting-down", "terminated"})
"""EC2's words for an instance that is no more."""

STARTS_OF_RECOVERY: Final = frozenset({"START_RECOVERY", "START_DRILL"})
"""DRS's words for who began a job that launches servers in the recovery Region: it converts no failback client."""


class ReplicationPlace(NamedTuple):
    """An account and a Region."""

    account: str
    region: str


@dataclass(frozen=True)
class LastLaunch:
    """A LAUNCH job that is not over. ``initiated_by``: DRS's word for what began it."""

    job_id: str
    is_drill: bool
    initiated_by: str = ""


@dataclass(frozen=True)
class RegionFacts:
    """Everything that AWS says of one account and Region.

    :param servers: DescribeSourceServers
    :param instances: DescribeRecoveryInstances
    :param jobs: DescribeJobs, as far back as jobs may still run
    :param ec2_states: EC2's word (``running``) by instance id, of those of `instances_to_ask` that EC2 knows; None: it
        was not asked
    :param at: when it was asked; None: nobody knows
    """

    place: ReplicationPlace
    servers: Sequence[Answer] = ()
    instances: Sequence[Answer] = ()
    jobs: Sequence[Answer] = ()
    ec2_states: Mapping[str, str] | None = None
    at: datetime | None = None

    @cached_property
    def server_by_id(self) -> Mapping[str, Answer]:
        """Source servers by id."""
        return {str(server.get("sourceServerID")): server for server in self.servers}

    @cached_property
    def servers_of_instance(self) -> Mapping[str, Sequence[Answer]]:
        """Source servers by the EC2 instance that they replicate."""
        return _grouped(self.servers, replicated_instance)

    @cached_property
    def servers_reversed_from(self) -> Mapping[str, Sequence[Answer]]:
        """Source servers by the ARN of the server of the other direction, which goes stale (observed)."""
        return _grouped(self.servers, lambda server: str(server.get("reversedDirectionSourceServerArn") or ""))

    @cached_property
    def instances_of_server(self) -> Mapping[str, Sequence[Answer]]:
        """Recovery instances by source server."""
        return _grouped(self.instances, lambda instance: str(instance.get("sourceServerID") or ""))

    @cached_property
    def launches(self) -> Mapping[str, LastLaunch]:
        """Launch jobs that are not over, by source server."""
        return {
            str(server.get("sourceServerID")): LastLaunch(
                str(job.get("jobID")), job.get("initiatedBy") == "START_DRILL", str(job.get("initiatedBy") or "")
            )
            for job in self.jobs
            if job.get("type") == "LAUNCH" and job.get("status") != "COMPLETED"
            for server in job.get("participatingServers") or ()
        }

    def is_live(self, instance: Answer) -> bool:
        """Tell whether a recovery instance is there: neither DRS nor EC2 says that it is gone.

        One that EC2 does not list (yet) is there as long as DRS says so: it may have been launched a moment ago.
        """
        if instance.get("ec2InstanceState") in GONE_STATES:
            return False
        return self.state_in_ec2(ec2_id(instance)) not in EC2_GONE

    def state_in_ec2(self, instance_id: str) -> str | None:
        """Return EC2's word for an instance's state; empty: EC2 does not know it; None: EC2 was not asked."""
        return None if self.ec2_states is None else self.ec2_states.get(instance_id, "")


@dataclass(frozen=True)
class Circle:
    """All that belongs to one server. ``server``: None where DRS does not know it.

    :param recovered: live instances that a recovery launched
    :param drills: live instances that a drill launched
    :param gone: records of instances that are no more
    :param failback_servers: FAILBACK servers that replicate one of its instances
    :param failed_back: live instances that were launched from those for good
    :param failback_drills: live instances that a failback drill launched
    :param failback_gone: records of instances in the origin Region that are no more
    :param twins: other FAILOVER servers that replicate the failed-back instance, or the server's own source
    :param launch: the job that launches the failback server, or converts a failback client
    :param is_origin_known: whether the origin Region was looked at, or there is none
    """

    server_id: str
    server: Answer | None
    recovery: RegionFacts
    origin: RegionFacts | None = None
    is_origin_known: bool = True
    recovered: Sequence[Answer] = ()
    drills: Sequence[Answer] = ()
    gone: Sequence[Answer] = ()
    failback_servers: Sequence[Answer] = ()
    failed_back: Sequence[Answer] = ()
    failback_drills: Sequence[Answer] = ()
    failback_gone: Sequence[Answer] = ()
    twins: Sequence[Answer] = ()
    launch: LastLaunch | None = None
    origin_place: ReplicationPlace | None = field(default=None)

    @property
    def is_in_one_region(self) -> bool:
        """Whether the source runs in the account and Region that it is recovered in."""
        return self.origin_place == self.recovery.place

    @property
    def why_in_doubt(self) -> str:
        """Why nobody can tell whether what runs in the origin is production; empty: nothing speaks against it."""
        jobs = self.origin.jobs if self.origin else ()
        of_drills = {str(job.get("jobID")) for job in jobs if job.get("initiatedBy") == "START_DRILL"}
        for record in self.failed_back:
            if (job_id := str(record.get("jobID") or "")) in of_drills:
                return (
                    f"{ec2_id(record)} in the origin was launched by {job_id}, the job of a drill, and DRS does not "
                    "call it a drill's: terminate it in DRS if production does not run on it"
                )
        return ""


def circles_of(
    server_ids: Iterable[str], recovery: RegionFacts, origins: Mapping[ReplicationPlace, RegionFacts]
) -> dict[str, Circle]:
    """Return the circle of every one of these servers.

    :param recovery: the account and Region in which the servers are protected
    :param origins: the accounts and Regions that they come from, as far as they were looked at
    """
    return {server_id: _circle(server_id, recovery, origins) for server_id in server_ids}


def without_failback_servers(servers: Iterable[Answer]) -> list[Answer]:
    """Leave out FAILBACK servers: a Region may be the origin of others, and those are servers of no group."""
    return [server for server in servers if server.get("replicationDirection") != "FAILBACK"]


def replicated_instance(server: Answer) -> str:
    """Return the id of the EC2 instance that a source server replicates; empty where DRS names none."""
    hints = (server.get("sourceProperties") or {}).get("identificationHints") or {}
    return str(hints.get("awsInstanceID") or "")


def ec2_id(instance: Answer) -> str:
    """Return the EC2 id of a recovery instance."""
    return str(instance.get("ec2InstanceID") or instance.get("recoveryInstanceID") or "")


def origin_of(server: Answer, protected_in: ReplicationPlace) -> ReplicationPlace | None:
    """Return where a server's source runs; None: in a data centre or another cloud."""
    cloud = server.get("sourceCloudProperties") or {}
    region = str(cloud.get("originRegion") or "")
    return ReplicationPlace(str(cloud.get("originAccountID") or protected_in.account), region) if region else None


def instances_to_ask(place: ReplicationPlace, facts: Iterable[RegionFacts]) -> tuple[str, ...]:
    """Return the EC2 instances of an account and Region that states hang on: EC2 is to be asked for their state.

    Not only those that DRS lists there: once the record of a failed-back instance is deleted, the server in the
    recovery Region alone names it.

    :param facts: of that account and Region, and of those in which servers from there are protected
    """
    looked_at = tuple(facts)
    own = {ec2_id(record) for found in looked_at if found.place == place for record in found.instances}
    sources = {
        replicated_instance(server)
        for found in looked_at
        for server in found.servers
        if origin_of(server, found.place) == place
    }
    return tuple(sorted((own | sources) - {""}))


def _circle(server_id: str, recovery: RegionFacts, origins: Mapping[ReplicationPlace, RegionFacts]) -> Circle:
    server = recovery.server_by_id.get(server_id)
    if server is None:
        return Circle(server_id, None, recovery)
    place = origin_of(server, recovery.place)
    origin = None if place is None else recovery if place == recovery.place else origins.get(place)
    records = recovery.instances_of_server.get(server_id, ())
    live = [record for record in records if recovery.is_live(record)]
    failback_servers = _failback_servers(server, records, origin) if origin is not None else []
    back = [
        record
        for found in failback_servers
        for record in (origin.instances_of_server.get(str(found.get("sourceServerID")), ()) if origin else ())
    ]
    back_live = [record for record in back if origin is not None and origin.is_live(record)]
    failed_back = [record for record in back_live if record.get("isDrill") is not True]
    return Circle(
        server_id=server_id,
        server=server,
        recovery=recovery,
        origin=origin,
        origin_place=place,
        is_origin_known=place is None or origin is not None,
        # What DRS does not call a drill is production, as everywhere (rules.servers).
        recovered=[record for record in live if record.get("isDrill") is not True],
        drills=[record for record in live if record.get("isDrill") is True],
        gone=[record for record in records if record not in live],
        failback_servers=failback_servers,
        failed_back=failed_back,
        failback_drills=[record for record in back_live if record.get("isDrill") is True],
        failback_gone=[record for record in back if record not in back_live],
        twins=_twins(server, failed_back, recovery),
        launch=_conversion(server_id, recovery)
        if origin is None or any(record.get("originEnvironment") == "ON_PREMISES" for record in live)
        else _launch(failback_servers, origin),
    )


def _failback_servers(server: Answer, records: Sequence[Answer], origin: RegionFacts) -> list[Answer]:
    """By the instance that they replicate; by the ARN of the other direction only where no instance tells it."""
    named = [found for record in records for found in origin.servers_of_instance.get(ec2_id(record), ())]
    named += [
        found
        for found in origin.servers_reversed_from.get(str(server.get("arn") or "-"), ())
        if replicated_instance(found) not in {ec2_id(record) for record in records}
    ]
    by_id = {
        str(found.get("sourceServerID")): found for found in named if found.get("replicationDirection") == "FAILBACK"
    }
    return list(by_id.values())


def _twins(server: Answer, failed_back: Sequence[Answer], recovery: RegionFacts) -> list[Answer]:
    ids = dict.fromkeys([*(ec2_id(record) for record in failed_back), replicated_instance(server)])
    return [
        found
        for instance_id in ids
        if instance_id
        for found in recovery.servers_of_instance.get(instance_id, ())
        if found is not server
        and found.get("replicationDirection") != "FAILBACK"
        and (found.get("dataReplicationInfo") or {}).get("dataReplicationState") != "DISCONNECTED"
    ]


def _conversion(server_id: str, recovery: RegionFacts) -> LastLaunch | None:
    """What launches a recovered instance in the recovery Region converts nothing."""
    found = recovery.launches.get(server_id)
    return found if found is not None and found.initiated_by not in STARTS_OF_RECOVERY else None


def _launch(failback_servers: Sequence[Answer], origin: RegionFacts) -> LastLaunch | None:
    ids = (str(found.get("sourceServerID")) for found in failback_servers)
    return next((origin.launches[name] for name in ids if name in origin.launches), None)


def _grouped(answers: Iterable[Answer], key: Callable[[Answer], str]) -> Mapping[str, Sequence[Answer]]:
    groups: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[key(answer)].append(answer)
    return groups
