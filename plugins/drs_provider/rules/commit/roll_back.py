"""What a roll back may terminate, and what speaks against it: the cloud's word of this moment, and every doubt keeps.

Two questions, asked of each instance. *Is it this run's, and no source?* What is not, or of which nobody can tell, is
kept whatever people say. *Would rolling it back lose a server?* Where reverse replication has begun, or nothing
protects the source any more, the roll back is refused; only the second may be insisted on.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.commit.refusals import Refusal
from drs_provider.rules.commit.source_runs import SourceNow, why_source_stays_down
from drs_provider.rules.launch.existing_instance import tags_of
from drs_provider.rules.launch.replication import difficulty
from drs_provider.rules.launch.tags import MODE, PREFIX, read_expiry, read_mark, tag_value, written
from drs_provider.rules.purpose import RECOVERY
from drs_provider.rules.run.handover import CommitDecision, LaunchedInstance
from drs_provider.rules.servers import hostname_of

COMMITTED: Final = f"{PREFIX}committed"
"""On instances that people have committed: when and by whom. A roll back of any Airflow keeps them."""

ALIVE: Final = frozenset({"CONTINUOUS", "BACKLOG", "CREATING_SNAPSHOT", "RESCAN"})
"""DRS's words for the replication of a source that sends its data and has recovery points."""

_NO_ANSWER: Final = frozenset({"REPLICATION_STATE_NOT_AVAILABLE", "FAILBACK_LAUNCH_STATE_NOT_AVAILABLE"})
"""DRS's words where it could not ask the other Region."""

_NOT_REVERSED: Final = frozenset({"", "NOT_STARTED"}) | _NO_ANSWER
_NO_FAILBACK: Final = frozenset({"", "FAILBACK_NOT_STARTED"}) | _NO_ANSWER
_POLICY: Final = "on_timeout"
"""Who is named in the tag where nobody answered, and the plan's policy committed."""

_EC2_GONE: Final = frozenset({"terminated", "shutting-down"})


@dataclass(frozen=True)
class OwnLaunches:
    """What is this run's in an account and Region.

    :param job_ids: its launch jobs, and those of the run that it continues
    :param runs: the keys that tags of its things carry
    :param servers: the source servers that it may have launched: a tag on somebody else's job makes nothing its own
    :param sources: ids of the EC2 instances that any source server there replicates
    """

    job_ids: frozenset[str]
    runs: frozenset[str]
    servers: frozenset[str]
    sources: frozenset[str]


@dataclass(frozen=True)
class ReversedSource:
    """The server of the other direction that a source server names, as its own Region knows it now.

    :param server: as DRS describes it; None: it is not there any more, so the name is an old one
    :param problem: why nobody could look; empty: somebody has
    """

    server: Answer | None = None
    problem: str = ""


@dataclass(frozen=True)
class RollBackSurvey:
    """What of a run is up in an account and Region, and what may become of it.

    :param up: what a roll back would terminate
    :param committed: by instance id, what its tag says of who committed it when
    :param kept: by instance id, why it is not this run's to terminate
    :param refusals: what speaks against rolling back servers of ``up``
    :param replication: by source server, DRS's word for its replication
    :param ending: by instance id, the source server of what EC2 calls going or gone already, and DRS still live
    :param job_ids: the launch jobs that were looked at
    :param running: those of them that still run, so more may come up
    """

    up: tuple[LaunchedInstance, ...] = ()
    committed: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    replication: Mapping[str, str] = field(default_factory=dict)
    ending: Mapping[str, str] = field(default_factory=dict)
    job_ids: tuple[str, ...] = ()
    running: tuple[str, ...] = ()

    def targets(self, *, insisted: Collection[str]) -> Mapping[str, str]:
        """Return what may be terminated now: source server by instance id.

        :param insisted: source servers that people roll back although nothing protects them; see ``insisted_on``
        """
        refused = {each.server_id for each in self.refusals if not each.is_lifted(insisted)}
        return {found.instance_id: found.server_id for found in self.up if found.server_id not in refused}

    def why_kept(self, instance_id: str, *, insisted: Collection[str]) -> str | None:
        """Say why an instance must not be terminated now; None: it may. What was not looked at is kept."""
        if instance_id in self.ending or instance_id in self.targets(insisted=insisted):
            return None
        if instance_id in self.kept:
            return self.kept[instance_id]
        server = next((found.server_id for found in self.up if found.instance_id == instance_id), None)
        refused = [each for each in self.refusals if each.server_id == server and not each.is_lifted(insisted)]
        return refused[0].reason if refused else "it was not there a moment ago: it is kept until it was looked at"


def insisted_on(decision: CommitDecision) -> frozenset[str]:
    """Return the source servers that people insisted on: those that were not replicated when it was decided.

    A source that has stopped to replicate since is another thing, which nobody has seen.
    """
    if not decision.insists:
        return frozenset()
    return frozenset(server for server, state in decision.replication.items() if state not in ALIVE)


def survey_of(
    instances: Iterable[Answer],
    *,
    ec2: Mapping[str, Answer],
    servers: Mapping[str, Answer],
    own: OwnLaunches,
    reversed_sources: Mapping[str, ReversedSource],
    source_states: Mapping[str, SourceNow] = MappingProxyType({}),
    where: str,
) -> RollBackSurvey:
    """Judge the live instances of a run's jobs.

    :param instances: items of DescribeRecoveryInstances, those that DRS calls live
    :param ec2: items of DescribeInstances by id
    :param servers: items of DescribeSourceServers by id
    :param reversed_sources: by source server, the server of the other direction, of those that name one
    :param source_states: by source server, the EC2 instance that it replicates, of those that were looked at
    :param where: account and Region as messages name them
    """
    up: list[LaunchedInstance] = []
    committed: dict[str, str] = {}
    kept: dict[str, str] = {}
    ending: dict[str, str] = {}
    refusals: list[Refusal] = []
    for instance in instances:
        name, server_id = str(instance["recoveryInstanceID"]), str(instance.get("sourceServerID") or "")
        there, server = ec2.get(name), servers.get(server_id)
        if there is not None and str((there.get("State") or {}).get("Name")) in _EC2_GONE:
            if not _committed(instance, there) and why_not_own(instance, there, own) is None:
                ending[name] = server_id
            continue
        if said := _committed(instance, there):
            committed[name] = said
            kept[name] = f"it is committed: {said}"
        elif why := why_not_own(instance, there, own):
            kept[name] = why
        else:
            host = hostname_of(server, server_id)
            state = str(((there or {}).get("State") or {}).get("Name") or "")
            job = str(instance["jobID"])
            up.append(
                LaunchedInstance(
                    instance_id=name, server_id=server_id, hostname=host, where=where, state=state, job_id=job
                )
            )
            refusals += why_refused(
                instance, server, reversed_sources.get(server_id), source=source_states.get(server_id)
            )
    replication = {found.server_id: replication_of(servers.get(found.server_id)) for found in up}
    return RollBackSurvey(tuple(up), committed, kept, tuple(refusals), replication, ending)


def why_not_own(instance: Answer, there: Answer | None, own: OwnLaunches) -> str | None:
    """Say why an instance is not this run's to terminate, or why nobody can tell; None: it is.

    :param instance: item of DescribeRecoveryInstances
    :param there: the same as EC2 describes it; None: EC2 does not know it
    """
    return _why_not_own_in_drs(instance, own) or _why_not_own_in_ec2(instance, there, own)


def _why_not_own_in_drs(instance: Answer, own: OwnLaunches) -> str | None:
    name, job = str(instance["recoveryInstanceID"]), instance.get("jobID")
    in_ec2 = str(instance.get("ec2InstanceID") or name)
    if job not in own.job_ids:
        return f"it was launched by {job or 'no job that DRS knows'}, which is not this run's: it is kept"
    if (server := instance.get("sourceServerID")) not in own.servers:
        return f"its server {server or 'is not named, and'} is none that this run launches: it is kept"
    if instance.get("isDrill") is not False:
        return "DRS does not say that a recovery launched it: it is kept"
    if in_ec2 != name:
        return f"DRS says that it is {in_ec2} in EC2: it is kept"
    return "DRS replicates it as a source: it is kept" if name in own.sources else None


def _why_not_own_in_ec2(instance: Answer, there: Answer | None, own: OwnLaunches) -> str | None:
    if there is None:
        return "DRS calls it live and EC2 does not show it: it is kept until both agree"
    for tags in (instance.get("tags") or {}, tags_of(there)):
        mode, mark = tags.get(MODE), read_mark(tags)
        if mode not in (None, "", RECOVERY.name):
            return f"its tag {MODE} is {mode!r}: it is kept"
        if mark and mark.run not in own.runs:
            return f"its tags say that it is of {mark}, which is another run: it is kept"
    return None


def why_refused(
    instance: Answer,
    server: Answer | None,
    reversed_source: ReversedSource | None,
    *,
    source: SourceNow | None = None,
) -> list[Refusal]:
    """Say what speaks against rolling back a server whose instance is this run's.

    :param server: item of DescribeSourceServers; None: DRS does not know it
    :param reversed_source: of a server that names one of the other direction
    :param source: the EC2 instance that the server replicates; None: it is none, or nobody had to look
    """
    server_id = str(instance.get("sourceServerID") or "")
    host = hostname_of(server, server_id)
    if server is None:
        why = "DRS does not know its source server any more, so nothing would be left of it"
        return [Refusal(server_id, host, why)]
    if why := _reversal(instance, server, reversed_source):
        return [Refusal(server_id, host, why)]
    if source is not None and (why := why_source_stays_down(source)):
        return [Refusal(server_id, host, why)]
    state = replication_of(server)
    if state in ALIVE:
        return []
    said = difficulty(server.get("dataReplicationInfo") or {})
    why = (
        f"its source is not replicated ({state or 'DRS does not say how'}{f': {said}' if said else ''}): the recovered "
        "instance may be all that is left of it"
    )
    return [Refusal(server_id, host, why, may_be_insisted_on=True)]


def _reversal(instance: Answer, server: Answer, reversed_source: ReversedSource | None) -> str:
    """Say that reverse replication has begun, or that nobody can tell; empty: it has not."""
    name = str(instance["recoveryInstanceID"])
    state = str((instance.get("dataReplicationInfo") or {}).get("dataReplicationState") or "")
    failback = str((instance.get("failback") or {}).get("state") or "")
    if server.get("replicationDirection") == "FAILBACK":
        return "its server is a FAILBACK server, so this recovery is part of a way back"
    if state not in _NOT_REVERSED or failback not in _NO_FAILBACK:
        return f"reverse replication of {name} has begun ({state if state not in _NOT_REVERSED else failback})"
    back = str(server.get("reversedDirectionSourceServerArn") or "").rpartition("/")[2]
    if not back:
        return ""
    unknown = f"its server names {back} for the way back, and whether that still replicates {name} is unknown: "
    if silent := next((word for word in (state, failback) if word in _NO_ANSWER), ""):
        return f"{unknown}DRS says {silent} of the instance"
    if reversed_source is None or reversed_source.problem:
        return unknown + (reversed_source.problem if reversed_source else "it was not looked at")
    return _reversal_there(name, back, reversed_source.server)


def _reversal_there(name: str, back: str, there: Answer | None) -> str:
    """Say that the server of the other direction replicates an instance; empty: it does not.

    :param back: id of that server
    """
    if there is None:
        return ""  # an old name: DRS leaves it there (observed)
    hints = (there.get("sourceProperties") or {}).get("identificationHints") or {}
    is_other = hints.get("awsInstanceID") not in (name, None, "")
    return "" if is_other else f"reverse replication has begun: FAILBACK server {back} replicates {name}"


def replication_of(server: Answer | None) -> str:
    """Return DRS's word for the replication of a source server; empty: there is none."""
    return str(((server or {}).get("dataReplicationInfo") or {}).get("dataReplicationState") or "")


def sources_of(servers: Iterable[Answer]) -> frozenset[str]:
    """Return the ids of the EC2 instances that source servers replicate."""
    hints = ((server.get("sourceProperties") or {}).get("identificationHints") or {} for server in servers)
    return frozenset(str(found["awsInstanceID"]) for found in hints if found.get("awsInstanceID"))


def why_not_replicated(*, before: str | None, now: str) -> str | None:
    """Say that a source is neither up to date nor as it was before the roll back; None: it is.

    :param before: DRS's word when the roll back was decided; None: nobody looked
    """
    if now == "CONTINUOUS" or (now and now == before):
        return None
    was = f", was {before}" if before else ""
    return f"its replication is {now or 'unknown to DRS'}{was}"


def committed_tags(decision: CommitDecision) -> dict[str, str]:
    """Return the tags that say that an instance is committed, when and by whom.

    The mode is among them: policies let nobody tag what a recovery launched without saying so again.
    """
    return {COMMITTED: tag_value(f"{written(decision.at)} by {decision.by or _POLICY}"), MODE: RECOVERY.name}


def committed_before(found: RollBackSurvey, *, now: datetime) -> CommitDecision | None:
    """Read from the tags of instances that they are committed, be it in another Airflow; None: no tag says so.

    :param now: when the decision was taken, where its tag says nothing that can be read
    """
    said = next(iter(found.committed.values()), None)
    if said is None:
        return None
    at, _, by = said.partition(" by ")
    who = by if by != _POLICY else None
    return CommitDecision(
        kind="commit", by=who or None, at=read_expiry(at) or now, expired=who is None, is_of_tags=True
    )


def _committed(instance: Answer, there: Answer | None) -> str:
    tags = instance.get("tags") or {}
    return str(tags.get(COMMITTED) or (tags_of(there) if there else {}).get(COMMITTED) or "")


def merged(surveys: Iterable[RollBackSurvey]) -> RollBackSurvey:
    """Put together what was seen in several accounts and Regions."""
    parts = tuple(surveys)
    return RollBackSurvey(
        up=tuple(found for part in parts for found in part.up),
        committed={name: said for part in parts for name, said in part.committed.items()},
        kept={name: why for part in parts for name, why in part.kept.items()},
        refusals=tuple(refusal for part in parts for refusal in part.refusals),
        replication={server: state for part in parts for server, state in part.replication.items()},
        ending={name: server for part in parts for name, server in part.ending.items()},
        job_ids=tuple(sorted({job for part in parts for job in part.job_ids})),
        running=tuple(sorted({job for part in parts for job in part.running})),
    )
