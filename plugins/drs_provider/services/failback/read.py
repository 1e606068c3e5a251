"""Reading where many servers stand on their way there and back: both places, in few calls."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError, NotInitialized, RunRefused
from drs_provider.rules.failback.circle import (
    Circle,
    RegionFacts,
    ReplicationPlace,
    circles_of,
    instances_to_ask,
    origin_of,
)
from drs_provider.rules.failback.launches.conversion import jobs_to_ask
from drs_provider.rules.failback.next_step import NextStep
from drs_provider.rules.failback.state import CircleState, Stage, state_of
from drs_provider.rules.launch.jobs import LONGEST_JOB
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.rules.servers import hostname_of

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook

HookOf = Callable[[AwsArguments], "FailbackHook"]


@dataclass(frozen=True)
class CirclesRead:
    """What both places said of some servers at one look.

    :ivar place: account and Region in which the servers are protected
    :ivar circles: what belongs to each server, by its id
    :ivar states: where each stands
    :ivar hostnames: what a person calls each
    :ivar unread: origins that could not be looked at, and why; their servers are stuck
    :ivar at: when the look began
    """

    place: ReplicationPlace
    circles: Mapping[str, Circle]
    states: Mapping[str, CircleState]
    hostnames: Mapping[str, str]
    at: datetime
    unread: Mapping[ReplicationPlace, DrsProviderError] = field(default_factory=dict)

    def origin_of(self, server_id: str) -> ReplicationPlace | None:
        """Return where a server's source runs; None: in a data centre, or DRS does not know the server."""
        return self.circles[server_id].origin_place

    def name_of(self, server_id: str) -> str:
        """Return what messages call a server: its hostname with its id."""
        hostname = self.hostnames.get(server_id, server_id)
        return server_id if hostname == server_id else f"{hostname} ({server_id})"

    def in_pairs(self, server_ids: Sequence[str]) -> dict[str, tuple[CircleState, Circle]]:
        """Return state and circle of these servers."""
        return {server_id: (self.states[server_id], self.circles[server_id]) for server_id in server_ids}

    def ensure_answered(self) -> None:
        """Raise what may pass of why an origin could not be looked at: who writes waits for it.

        :raises DrsProviderError: an origin does not answer now; look again later
        """
        for error in self.unread.values():
            if error.retryable:
                raise error


class CircleReader:
    """Reads the circles of servers that are protected in one account and Region.

    One look is four kinds of question to each place (source servers, recovery instances, jobs, and EC2 about what
    states hang on), however many servers are asked for.

    :param aws: connection and Region in which the servers are protected
    :param origin: connection of where they came from, another account perhaps; its Region may be None: each server's
        own. None: the same connection in each server's own origin Region
    :param hook_of: makes the hook of a place
    """

    def __init__(
        self,
        aws: AwsArguments,
        *,
        origin: AwsArguments | None = None,
        hook_of: HookOf | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.aws, self.origin, self.now = aws, origin, now
        self._hook_of = hook_of or _hook_of
        self._hooks: dict[ReplicationPlace, FailbackHook] = {}

    @cached_property
    def recovery(self) -> "FailbackHook":
        """The hook of the account and Region in which the servers are protected."""
        return self._hook_of(self.aws)

    @cached_property
    def place(self) -> ReplicationPlace:
        """The account and Region in which the servers are protected."""
        return ReplicationPlace(self.recovery.caller_account(), self.recovery.region)

    def renew(self) -> None:
        """Ask through new sessions from now on: one that has expired does not come back by itself."""
        self.__dict__.pop("recovery", None)
        self._hooks.clear()

    def aws_in(self, place: ReplicationPlace) -> AwsArguments:
        """Return with which connection a place is asked.

        :raises RunRefused: the origin was given a Region that servers do not come from
        """
        if place == self.place:
            return self.aws
        given = self.aws if self.origin is None else self.origin
        if self.origin is not None and self.origin["region_name"] not in {None, place.region}:
            raise RunRefused(
                f"the origin is said to be {self.origin['region_name']}, but DRS replicates back to where a server "
                f"came from, {place.region}: correct the Region of the origin, or leave it out"
            )
        return {**given, "region_name": place.region}

    def hook_in(self, place: ReplicationPlace) -> "FailbackHook":
        """Return the hook of the recovery place or of an origin, after a look at whose account it works in.

        :raises RunRefused: the connection works in another account
        """
        if place == self.place:
            return self.recovery
        if place not in self._hooks:
            hook = self._hook_of(self.aws_in(place))
            account = hook.caller_account()
            if account != place.account:
                raise RunRefused(
                    f"servers come from account {place.account}, but the connection of the origin works in {account}: "
                    f"give a connection to account {place.account}"
                )
            self._hooks[place] = hook
        return self._hooks[place]

    def hook_for(self, read: CirclesRead, server_id: str, step: NextStep) -> "FailbackHook":
        """Return the hook of the place in which a step of a server is called."""
        origin = read.origin_of(server_id) if step.in_origin else None
        return self.hook_in(origin or read.place)

    def read(self, server_ids: Sequence[str]) -> CirclesRead:
        """Look at both places, and say where each of these servers stands.

        An origin that cannot be looked at is named in ``unread`` and hides nothing of the others.

        :raises AwsError: the account and Region in which they are protected does not answer
        """
        at = self.now()
        here = self._listed(self.recovery, self.place, server_ids, at)
        servers = [here.server_by_id[server_id] for server_id in server_ids if server_id in here.server_by_id]
        places = dict.fromkeys(origin for server in servers if (origin := origin_of(server, self.place)))
        unread: dict[ReplicationPlace, DrsProviderError] = {}
        never_set_up: set[ReplicationPlace] = set()
        origins: dict[ReplicationPlace, RegionFacts] = {}
        for place in places:
            if place == self.place:
                continue
            try:
                hook = self.hook_in(place)
                try:
                    there = self._listed(hook, place, (), at)
                except NotInitialized:
                    never_set_up.add(place)
                    there = RegionFacts(place, at=at)  # nothing of DRS can be there
                origins[place] = _asked(hook, there, (_narrowed(here, server_ids), there))
            except (AwsError, RunRefused) as error:
                unread[place] = error
        here = _asked(self.recovery, here, (_narrowed(here, server_ids), *origins.values()))
        circles = circles_of(server_ids, here, origins)
        return CirclesRead(
            place=self.place,
            circles=circles,
            states={server_id: _state(circle, unread, never_set_up) for server_id, circle in circles.items()},
            hostnames={server_id: hostname_of(circle.server, server_id) for server_id, circle in circles.items()},
            at=at,
            unread=unread,
        )

    def _listed(
        self, hook: "FailbackHook", place: ReplicationPlace, server_ids: Collection[str], at: datetime
    ) -> RegionFacts:
        """Ask DRS of one place. All source servers: those that replicate an instance can only be found among all.

        Jobs before instances: one that ends in between has left its instance, or is seen at work.
        """
        jobs = hook.jobs_since(at - LONGEST_JOB)
        servers = hook.source_servers()
        reversed_ones = [
            str(server.get("sourceServerID")) for server in servers if server.get("replicationDirection") == "FAILBACK"
        ]
        owners = tuple(dict.fromkeys((*server_ids, *reversed_ones)))
        instances = hook.recovery_instances(source_server_ids=owners) if owners else ()
        older = jobs_to_ask(instances, jobs)
        return RegionFacts(place, servers, instances, (*jobs, *hook.jobs(older)) if older else jobs, at=at)


def _hook_of(aws: AwsArguments) -> "FailbackHook":
    from drs_provider.hooks.failback import FailbackHook

    return FailbackHook(**aws)


def _narrowed(facts: RegionFacts, server_ids: Collection[str]) -> RegionFacts:
    """Leave out the servers that were not asked for: nobody needs to ask EC2 about theirs."""
    wanted = set(server_ids)
    return replace(facts, servers=[server for server in facts.servers if server.get("sourceServerID") in wanted])


def _asked(hook: "FailbackHook", facts: RegionFacts, known: Sequence[RegionFacts]) -> RegionFacts:
    """Add what EC2 says of the instances of a place that states hang on."""
    wanted = instances_to_ask(facts.place, known)
    return replace(facts, ec2_states=hook.instance_states(wanted) if wanted else {})


def _state(
    circle: Circle,
    unread: Mapping[ReplicationPlace, DrsProviderError],
    never_set_up: Collection[ReplicationPlace],
) -> CircleState:
    state = state_of(circle)
    if circle.origin_place is not None and circle.origin_place in never_set_up and state.stage is not Stage.RESTING:
        note = f"DRS was never set up in its origin, {circle.origin_place.region}: open the DRS console there once"
        return replace(state, notes=(*state.notes, note))
    error = unread.get(circle.origin_place) if circle.origin_place else None
    if circle.origin_place is None or error is None or state.stage is not Stage.STUCK:
        return state
    account, region = circle.origin_place
    why = f"its origin, {region} of account {account}, could not be looked at: {error}"
    return replace(state, why=why, passes=error.retryable)
