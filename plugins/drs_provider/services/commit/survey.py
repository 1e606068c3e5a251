"""Looking at what a recovery has launched in an account and Region, and at what speaks against rolling it back."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import DrsProviderError, RunRefused, ServiceUnavailable
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.terminate import running
from drs_provider.rules.commit.roll_back import (
    ALIVE,
    OwnLaunches,
    ReversedSource,
    RollBackSurvey,
    replication_of,
    sources_of,
    survey_of,
)
from drs_provider.rules.commit.source_runs import SourceNow
from drs_provider.rules.failback.answers import ReversedServer
from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.rules.migration.source_instances import source_of
from drs_provider.rules.servers import is_live
from drs_provider.services.drill.terminate import instances_of_jobs

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.hooks.drs import DrsHook

ServersThere = Callable[[str, str, Sequence[str]], Sequence[Answer]]
"""Describe source servers of another Region: account, Region, and their ids."""

_ENDED: Final = "DISCONNECTED"


def survey(
    hook: "TracesHook",
    job_ids: Collection[str],
    runs: Collection[str],
    *,
    own_servers: Collection[str],
    where: str,
    elsewhere: "OtherRegions",
    stops_sources: bool,
) -> RollBackSurvey:
    """Ask DRS and EC2 what of these jobs is up, and judge it.

    :param job_ids: launch jobs of the run in this account and Region
    :param runs: the keys that tags of the run's things carry
    :param own_servers: the source servers that the run may have launched
    :param where: account and Region as messages name them
    :param elsewhere: asks other Regions
    :param stops_sources: whether the run, or the one that it continues, may have stopped sources
    """
    if not job_ids:
        return RollBackSurvey()
    launches = hook.jobs(sorted(job_ids))
    found = [instance for instance in instances_of_jobs(hook, job_ids, launches) if is_live(instance)]
    if not found:
        return RollBackSurvey(job_ids=tuple(sorted(job_ids)), running=running(launches))
    everything = hook.source_servers()
    servers = {str(server["sourceServerID"]): server for server in everything}
    chosen = [servers[name] for instance in found if (name := str(instance.get("sourceServerID"))) in servers]
    judged = survey_of(
        found,
        ec2=hook.ec2_instances([str(instance["recoveryInstanceID"]) for instance in found]),
        servers=servers,
        own=OwnLaunches(frozenset(job_ids), frozenset(runs), frozenset(own_servers), sources_of(everything)),
        reversed_sources=reversed_sources(chosen, elsewhere.servers),
        source_states=source_states(
            chosen, ReplicationPlace(hook.caller_account(), hook.region), elsewhere, stops_sources=stops_sources
        ),
        where=where,
    )
    return replace(judged, job_ids=tuple(sorted(job_ids)), running=running(launches))


def reversed_sources(servers: Iterable[Answer], servers_there: ServersThere) -> Mapping[str, ReversedSource]:
    """Ask for the servers of the other direction that some servers name, each in its own account and Region.

    What cannot be asked is unknown, and an unknown one refuses a roll back.
    """
    named: dict[str, ReversedServer] = {}
    found: dict[str, ReversedSource] = {}
    for server in servers:
        if arn := str(server.get("reversedDirectionSourceServerArn") or ""):
            try:
                named[str(server["sourceServerID"])] = ReversedServer.of({"reversedDirectionSourceServerArn": arn})
            except DrsProviderError as error:
                found[str(server["sourceServerID"])] = ReversedSource(problem=str(error))
    for account, region in sorted({(back.account, back.region) for back in named.values()}):
        places = {server: (back.account, back.region) for server, back in named.items()}
        here = {server: back.server_id for server, back in named.items() if places[server] == (account, region)}
        try:
            there = servers_there(account, region, sorted(set(here.values())))
            answers = {str(item["sourceServerID"]): item for item in there}
        except DrsProviderError as error:
            found |= {server: ReversedSource(problem=str(error)) for server in here}
        else:
            found |= {server: ReversedSource(_replicating(answers.get(back))) for server, back in here.items()}
    return found


def _replicating(server: Answer | None) -> Answer | None:
    state = ((server or {}).get("dataReplicationInfo") or {}).get("dataReplicationState")
    return None if state == _ENDED else server


def source_states(
    servers: Iterable[Answer],
    here: ReplicationPlace,
    elsewhere: "OtherRegions",
    *,
    stops_sources: bool,
) -> Mapping[str, SourceNow]:
    """Ask EC2 for the instances that some source servers replicate, each in its own account and Region.

    Where no migration may have stopped one, it is asked for only while DRS calls its replication alive: else DRS's
    word speaks against a roll back already, and its Region may be the one that does not answer.

    :param here: where the servers are protected
    :param stops_sources: whether the run, or the one that it continues, may have stopped sources
    """
    asked = (server for server in servers if stops_sources or replication_of(server) in ALIVE)
    named = [source for server in asked if (source := source_of(server, here))]
    found: dict[str, SourceNow] = {}
    for account, region in sorted({(source.account, source.region) for source in named}):
        sources = [source for source in named if (source.account, source.region) == (account, region)]
        try:
            states = elsewhere.instance_states(account, region, sorted({source.instance_id for source in sources}))
            problem = ""
        except DrsProviderError as error:
            states, problem = {}, str(error)
        found |= {
            source.server_id: SourceNow(source, states.get(source.instance_id), problem, stops_sources)
            for source in sources
        }
    return found


class OtherRegions:
    """Ask other Regions with those of some connections that work in the account; what none can see, nobody knows.

    A Region that is silent is asked once: people wait for the whole of a look.

    :param patience: seconds for which a call is repeated
    """

    def __init__(self, connections: Iterable[str | None], *, patience: float | None = None) -> None:
        self._connections = tuple(dict.fromkeys(connections))
        self._patience = patience
        self._able: dict[tuple[str, str], list[DrsHook]] = {}
        self._silent: dict[tuple[str, str], ServiceUnavailable] = {}

    def servers(self, account: str, region: str, ids: Sequence[str]) -> Sequence[Answer]:
        """Describe source servers there, by id."""
        with self._once(account, region):
            return [server for hook in self._hooks(account, region) for server in hook.source_servers(ids)]

    def instance_states(self, account: str, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Return EC2's word for the state of instances there; those that it does not know are absent."""
        with self._once(account, region):
            found = [hook.instance_states(ids) for hook in self._hooks(account, region)]
        return {name: state for states in found for name, state in states.items()}

    @contextmanager
    def _once(self, account: str, region: str) -> Iterator[None]:
        """Raise the error of a place that was silent before, instead of asking it again."""
        if known := self._silent.get((account, region)):
            raise known
        try:
            yield
        except ServiceUnavailable as error:
            self._silent[account, region] = error
            raise

    def _hooks(self, account: str, region: str) -> "list[DrsHook]":
        from drs_provider.hooks.quick import QUICK_SECONDS, QuickHook

        if (account, region) not in self._able:
            patience = QUICK_SECONDS if self._patience is None else self._patience
            hooks = [
                QuickHook(aws_conn_id=connection, region_name=region, patience=patience)
                for connection in self._connections
            ]
            self._able[account, region] = [hook for hook in hooks if hook.caller_account() == account]
        able = self._able[account, region]
        if not able:
            # To another account the server is not there, be it alive or not.
            raise RunRefused(
                f"no connection that the plan names for the way back works in account {account}: name one as "
                "failback.origin.aws_conn_id, or the group's own origin"
            )
        return able
