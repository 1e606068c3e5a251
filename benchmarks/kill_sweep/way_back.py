"""Whether a run that brings servers back has kept every rule, by what both Regions had meanwhile. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Place = tuple[str, str]
"""A Region, and an id there."""

_GONE: Final = frozenset({"TERMINATED", "SHUTTING-DOWN", ""})
_UNDOES: Final = frozenset({"StopReplication", "DisconnectSourceServer", "DeleteSourceServer"})
_NEVER: Final = frozenset({"TerminateInstances", "StartInstances", "DisconnectRecoveryInstance", "StopFailback"})


@dataclass(frozen=True)
class Back:
    """How a run ends that launches servers in their origin.

    :param servers: those that it launches, each exactly once
    :param into: those of them that DRS launches into the instance that they came from
    :param is_drill: what it launches is removed again, and nothing else is changed
    """

    servers: frozenset[str]
    into: frozenset[str] = frozenset()
    is_drill: bool = False


@dataclass(frozen=True)
class ServerThere:
    """A source server at a moment.

    :param instance: EC2 id of what it replicates
    :param settings: how DRS would launch it
    """

    direction: str
    replication: str
    instance: str
    settings: object = None


@dataclass(frozen=True)
class Facts:
    """What there is in both Regions at a moment.

    :param servers: source servers
    :param instances: EC2's word for each instance
    :param records: DRS's recovery instances: source server, and whether it is a drill's
    :param counts: by Region and kind, how many there are of what a drill's network or a launch could leave
    """

    servers: Mapping[Place, ServerThere]
    instances: Mapping[Place, str]
    records: Mapping[Place, tuple[str, bool]]
    counts: Mapping[Place, int] = field(default_factory=dict)

    def runs(self, region: str, instance: str) -> bool:
        """Tell whether an instance runs."""
        return self.instances.get((region, instance)) == "RUNNING"


@dataclass(frozen=True)
class Moment:
    """A call that changes something, and what there was right before it."""

    operation: str
    region: str
    request: Mapping[str, Any]
    facts: Facts


@dataclass(frozen=True)
class BackRecord:
    """What a run that brings servers back, and whatever went on with it, has met and done.

    :param here: the recovery Region; ``origin``: where the servers go back to
    :param strangers: servers that nothing may happen to
    :param jobs: DRS's jobs in the origin that began with the run
    :param protected: by instance that runs in the origin and that DRS has launched, whether EC2 protects it
    """

    here: str
    origin: str
    strangers: frozenset[str]
    before: Facts
    moments: Sequence[Moment]
    after: Facts
    jobs: Sequence[Mapping[str, Any]] = ()
    protected: Mapping[str, bool] = field(default_factory=dict)


def back_problems(expected: Back, record: BackRecord, *, is_elsewhere: bool = False) -> Iterator[str]:
    """Say which rules were broken.

    :param is_elsewhere: another Airflow went on: a drill is another one, with launches of its own
    """
    judge = _Judge(expected, record, is_elsewhere=is_elsewhere)
    yield from dict.fromkeys(judge.problems())


class _Judge:
    def __init__(self, expected: Back, record: BackRecord, *, is_elsewhere: bool) -> None:
        self.expected, self.record, self.is_elsewhere = expected, record, is_elsewhere
        self.here, self.origin, before = record.here, record.origin, record.before
        self.original = {
            name: server.instance
            for (region, name), server in before.servers.items()
            if region == self.here and server.direction == "FAILOVER"
        }
        """By server, what it came from."""
        self.recovered = {
            server: instance
            for (region, instance), (server, is_drill) in before.records.items()
            if region == self.here and not is_drill
        }
        owners = {instance: server for server, instance in self.recovered.items()}
        self.owner = {
            name: owners[server.instance]
            for (region, name), server in before.servers.items()
            if region == self.origin and server.direction == "FAILBACK"
        }
        """By FAILBACK server, the server that goes back."""

    def problems(self) -> Iterator[str]:
        yield from self._launches()
        for moment in self.record.moments:
            words = f"{moment.operation} in {moment.region}"
            yield from (f"{words}: {problem}" for problem in self._call(moment) if problem)
            yield from (f"before {words}: {problem}" for problem in self._everywhere(moment.facts))
        yield from (f"in the end: {problem}" for problem in self._everywhere(self.record.after))
        yield from self._reversals()
        yield from self._end_of_drill() if self.expected.is_drill else self._end()

    # -- launches ---------------------------------------------------------------------------------------------------

    def _launches(self) -> Iterator[str]:
        runs = Counter[tuple[str, str]]()
        for job in self.record.jobs:
            if job.get("type") != "LAUNCH":
                continue
            if (job.get("initiatedBy") == "START_DRILL") is not self.expected.is_drill:
                yield f"job {job.get('jobID')} was {job.get('initiatedBy')}"
            run = str((job.get("tags") or {}).get("drs-orchestrator:run")) if self.expected.is_drill else ""
            for part in job.get("participatingServers") or ():
                runs[run, self.owner.get(part["sourceServerID"], part["sourceServerID"])] += 1
        for (_, server), times in runs.items():
            if times > 1:
                yield f"{server} was launched {times} times in the origin"
        launched = {server for _, server in runs}
        if launched != self.expected.servers:
            yield f"launched in the origin were {sorted(launched)}, expected {sorted(self.expected.servers)}"

    def _start(self, moment: Moment) -> Iterator[str]:
        facts = moment.facts
        if moment.region != self.origin:
            yield "nothing is launched in the recovery Region"
            return
        if moment.request.get("isDrill") is not self.expected.is_drill:
            yield f"isDrill is {moment.request.get('isDrill')}"
        for each in moment.request.get("sourceServers") or ():
            server = self.owner.get(each["sourceServerID"], "")
            if running := self._failed_back(facts, server):
                yield f"{server} runs in the origin already: {running}"
            original = self.original.get(server, "")
            if server in self.expected.into and facts.instances.get((self.origin, original)) != "STOPPED":
                yield f"{original} of {server} is overwritten and {facts.instances.get((self.origin, original))}"
            if not each.get("recoverySnapshotID") and not self.expected.is_drill:
                yield f"{server} is launched from no recovery point that the last sync has proven"

    # -- calls ------------------------------------------------------------------------------------------------------

    def _call(self, moment: Moment) -> Iterator[str]:
        request, facts, operation = moment.request, moment.facts, moment.operation
        if operation == "StartRecovery":
            yield from self._start(moment)
        elif operation == "StopInstances":
            yield from (why for name in request["InstanceIds"] if (why := self._why_not_stopped(moment, name)))
        elif operation in _UNDOES:
            server = self.owner.get(str(request["sourceServerID"])) if moment.region == self.origin else None
            yield self._why_not_ended(facts, server or "", str(request["sourceServerID"]))
        elif operation == "DeleteRecoveryInstance" and not self.expected.is_drill:
            name = str(request["recoveryInstanceID"])
            server, _ = facts.records.get((moment.region, name), ("", False))
            yield self._why_not_ended(facts, self.owner.get(server, server), name)
        elif operation == "TerminateRecoveryInstances":
            for name in request["recoveryInstanceIDs"]:
                yield self._why_not_terminated(moment, str(name))
        elif operation == "ModifyInstanceAttribute":
            yield from self._unprotected(moment)
        elif operation in _NEVER:
            yield f"it is never called, and was for {dict(request)}"

    def _why_not_stopped(self, moment: Moment, name: str) -> str:
        server = next((server for server in self.expected.into if self.original[server] == name), "")
        if not server or moment.region != self.origin or self.expected.is_drill:
            return f"{name} is no original instance that is launched into"
        if self._failed_back(moment.facts, server):
            return f"{name} is production by then"
        return "" if moment.facts.runs(self.here, self.recovered[server]) else f"{server} has no other copy that runs"

    def _why_not_ended(self, facts: Facts, server: str, what: str) -> str:
        """Say why something of a server may not be removed: it is another's, or it is not protected again."""
        if server not in self.expected.servers or self.expected.is_drill:
            return f"{what} is of {server or 'nobody here'}"
        production, there = self._production(facts, server), facts.servers.get((self.here, server))
        if not production or not facts.runs(self.origin, production):
            return f"{what} is ended and nothing of {server} runs in the origin"
        if there is None or (there.replication, there.instance) != ("CONTINUOUS", production):
            return f"{what} is ended and {server} is not protected again: {there}"
        return ""

    def _why_not_terminated(self, moment: Moment, name: str) -> str:
        server, is_drill = moment.facts.records.get((moment.region, name), ("", False))
        if self.expected.is_drill:
            is_own = moment.region == self.origin and is_drill and self.owner.get(server) in self.expected.servers
            return "" if is_own else f"{name} is no instance of the drill"
        if moment.region != self.here or self.recovered.get(server) != name:
            return f"{name} was not recovered here"
        return self._why_not_ended(moment.facts, server, name)

    def _unprotected(self, moment: Moment) -> Iterator[str]:
        value = moment.request.get("DisableApiTermination")
        if value is not None and value.get("Value") is False:
            yield self._why_not_terminated(moment, str(moment.request["InstanceId"]))

    def _reversals(self) -> Iterator[str]:
        made = [moment for moment in self.record.moments if moment.operation == "ReverseReplication"]
        for moment in made:
            server, is_drill = moment.facts.records.get(
                (moment.region, str(moment.request["recoveryInstanceID"])), ("", False)
            )
            if moment.region != self.origin or is_drill or self.owner.get(server) not in self.expected.servers:
                yield f"ReverseReplication was asked for {moment.request['recoveryInstanceID']} in {moment.region}"
        if made and self.expected.is_drill:
            yield "a drill has reversed something"

    # -- at every moment --------------------------------------------------------------------------------------------

    def _everywhere(self, facts: Facts) -> Iterator[str]:
        for server in sorted(self.expected.servers):
            production = self._production(facts, server)
            if not facts.runs(self.here, self.recovered[server]) and not facts.runs(self.origin, production):
                yield f"no copy of {server} runs"
        if self.expected.is_drill:
            for server in sorted(self.expected.servers):
                if not facts.runs(self.here, self.recovered[server]):
                    yield f"production of {server} does not run"
        for server in sorted(self.record.strangers):
            if (then := self._of(self.record.before, server)) != (now := self._of(facts, server)):
                yield f"the stranger {server} has {now}, had {then}"

    def _of(self, facts: Facts, server: str) -> Mapping[str, object]:
        """Give everything that there is of a server."""
        backs = {name for name, owner in self.owner.items() if owner == server}
        records = {place: each for place, each in facts.records.items() if each[0] in {server, *backs}}
        known = {self.recovered[server], self.original[server], *(name for _, name in records)}
        return {
            "servers": {place: each for place, each in facts.servers.items() if place[1] in {server, *backs}},
            "records": records,
            "instances": {place: state for place, state in facts.instances.items() if place[1] in known},
        }

    def _failed_back(self, facts: Facts, server: str) -> str:
        """Give the instance that was launched for a server in the origin, as DRS shows it; empty: none."""
        return next(
            (
                instance
                for (region, instance), (back, _) in facts.records.items()
                if region == self.origin
                and self.owner.get(back) == server
                and facts.instances.get((region, instance), "") not in _GONE
            ),
            "",
        )

    def _production(self, facts: Facts, server: str) -> str:
        """Give what production of a server runs on in the origin: DRS's record, or what the server replicates."""
        there = facts.servers.get((self.here, server))
        named = there.instance if there and there.instance != self.recovered[server] else ""
        return self._failed_back(facts, server) or named

    # -- the end ----------------------------------------------------------------------------------------------------

    def _end(self) -> Iterator[str]:
        after = self.record.after
        ours = self.expected.servers
        for (region, name), (server, _) in after.records.items():
            if self.owner.get(server, server) in ours:
                yield f"recovery instance {name} of {server} is left in {region}"
        for (region, name), back in after.servers.items():
            if region == self.origin and self.owner.get(name) in ours:
                yield f"FAILBACK server {name} is left, {back.replication}"
        for server in sorted(ours):
            there = after.servers.get((self.here, server))
            if there is None or there.replication != "CONTINUOUS":
                yield f"{server} is {there.replication if there else 'gone'}"
                continue
            if there.settings != self.record.before.servers[self.here, server].settings:
                yield f"{server} is launched otherwise than before"
            yield from self._production_at_the_end(server, there.instance)
            if after.instances.get((self.here, self.recovered[server]), "") not in _GONE:
                yield f"{self.recovered[server]} of {server} still runs in the recovery Region"

    def _production_at_the_end(self, server: str, instance: str) -> Iterator[str]:
        original = self.original[server]
        if (instance == original) is not (server in self.expected.into):
            yield f"production of {server} runs on {instance}, it came from {original}"
        if not self.record.after.runs(self.origin, instance):
            yield f"{instance}, production of {server}, is {self.record.after.instances.get((self.origin, instance))}"
        if self.record.protected.get(instance) is not True:
            yield f"{instance}, production of {server}, has no termination protection"
        if instance != original and self.record.after.instances.get((self.origin, original)) != "STOPPED":
            yield f"{original}, which {server} came from, is {self.record.after.instances.get((self.origin, original))}"

    def _end_of_drill(self) -> Iterator[str]:
        before, after = self.record.before, self.record.after
        for what, then, now in (
            ("source server", before.servers, after.servers),
            ("recovery instance", _recorded(before), _recorded(after)),
            ("number of", before.counts, after.counts),
            ("instance", _living(before), _living(after)),
        ):
            for place in sorted({*then, *now}):
                if then.get(place) != now.get(place):
                    yield f"{what} {place}: {then.get(place)} before, {now.get(place)} after"


def _living(facts: Facts) -> dict[Place, str]:
    return {place: state for place, state in facts.instances.items() if state not in _GONE}


def _recorded(facts: Facts) -> dict[Place, tuple[str, bool]]:
    """Give DRS's records, but for those of instances that are gone: DRS shows them a while longer."""
    return {place: each for place, each in facts.records.items() if facts.instances.get(place, "") not in _GONE}
