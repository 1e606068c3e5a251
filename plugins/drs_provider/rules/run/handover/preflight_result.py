"""What preflight found: who is launched where, and everything that speaks against it."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, JsonValue

from drs_provider.formatting import joined, some
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.launch.results import Ready
from drs_provider.rules.purpose import ALL_PURPOSES, Purpose, PurposeName, purpose_of
from drs_provider.rules.run.handover.cut_overs import ServerBack
from drs_provider.rules.run.handover.document import Document, Flag, Instant, OptionalInstant, Part
from drs_provider.rules.run.handover.migrations import SourceInstance
from drs_provider.rules.run.handover.plan_runs import PlanRunStart
from drs_provider.rules.run.request import read_as_of

if TYPE_CHECKING:
    from drs_provider.rules.run.roster import Target


class Placement(Part):
    """Where a launch would put a server by its settings and launch template; None: nobody knows.

    ``interfaces``: what its launch template says of network interfaces besides, in EC2's words
    (``rules.settings.interfaces.read_interfaces``).
    """

    subnet_id: str | None = None
    security_group_ids: tuple[str, ...] | None = None
    private_ip: str | None = None
    vpc_id: str | None = None
    availability_zone: str | None = None
    interfaces: tuple[dict[str, JsonValue], ...] | None = None

    @property
    def is_known(self) -> bool:
        """Whether it says at least in which network the server lands."""
        return bool(self.subnet_id or self.vpc_id)


class PreflightServer(Part):
    """A source server that the run launches, or that was excluded from it.

    ``order`` is its boot order in its group, ``lag`` the replication lag when preflight looked, ``settings`` are its
    effective launch settings by the plan's names. ``point``: the recovery point that its launch must name; None: DRS
    chooses. ``source``: the EC2 instance that a migration stops; None: it stops none. ``goes_back_for``: of a FAILBACK
    server, the server that it goes back for, as it is protected in the recovery Region. ``back``: where a failback
    launches it; None: the run is none. ``ahead``: it is launched ahead of its wave, stopped; ``is_started``: its wave
    starts its instance where that is stopped. ``gigabytes``: the size of its disks together, where it is launched
    ahead; 0: not known.
    """

    server_id: str
    hostname: str
    group: str = ""
    critical: Flag = True
    region: str = ""
    lag: timedelta | None = None
    order: int = 1
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    placement: Placement = Placement()
    point: Point | None = None
    source: SourceInstance | None = None
    goes_back_for: str = ""
    back: ServerBack | None = None
    ahead: Flag = False
    is_started: Flag = False
    gigabytes: int = 0


class PreflightTarget(Part):
    """The servers of a wave in one account and Region, named by its Airflow connection.

    ``account`` and ``resolved_region`` are what connection and ``region`` stood for when preflight looked.
    """

    aws_conn_id: str
    region: str
    servers: tuple[PreflightServer, ...] = ()
    account: str = ""
    resolved_region: str = ""

    @property
    def target(self) -> "Target":
        """The account and Region as plans and task wiring name them."""
        from drs_provider.rules.run.roster import Target

        return Target(self.aws_conn_id, self.region)

    @property
    def where(self) -> str:
        """Name account and Region for people, as far as preflight knows them."""
        return f"{self.resolved_region} of account {self.account}" if self.account else str(self.target)

    def is_in(self, target: "Target") -> bool:
        """Tell whether this is the given account and Region."""
        return (self.aws_conn_id, self.region) == (target.aws_conn_id, target.region)

    def holds(self, server_id: str) -> bool:
        """Tell whether a server is among its servers."""
        return any(server.server_id == server_id for server in self.servers)


class LostPlace(Part):
    """An account and Region of a wave that did not answer: nothing is launched there, and the run goes on without it.

    :param where: account and Region for people
    :param why: what AWS said, or that it said nothing
    :param servers: those of the wave's servers there that the plan names by id
    :param selections: the wave's groups there that select by tags: nobody knows which servers that are
    """

    where: str
    why: str
    servers: tuple[PreflightServer, ...] = ()
    selections: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Say what is lost, and why, without a full stop."""
        lost = [some([server.hostname for server in self.servers])] if self.servers else []
        lost += [f"what group {name} selects" for name in self.selections]
        return f"{joined(lost)} lost: {self.where} does not answer: {self.why}"


class PreflightWave(Part):
    """A wave of the plan. ``selected``: whether it was chosen for this run; one that was not launches nothing.

    ``lost``: where it was to launch and cannot, because nobody answers there. ``ready``: what its servers are waited
    for. ``opening``, ``closing``: what the plan lets pass before its launch, and after its last server is ready.
    """

    selected: Flag
    targets: tuple[PreflightTarget, ...] = ()
    lost: tuple[LostPlace, ...] = ()
    ready: Ready = "running"
    opening: timedelta = timedelta(0)
    closing: timedelta = timedelta(0)

    @property
    def servers(self) -> tuple[PreflightServer, ...]:
        """Every server of the wave, in all its accounts and Regions."""
        return tuple(server for target in self.targets for server in target.servers)

    @property
    def why_lost(self) -> str | None:
        """Say what of it is lost with accounts and Regions that do not answer; None: nothing is."""
        return "; ".join(place.words for place in self.lost) or None


class PreflightFinding(Part):
    """One thing that preflight saw. ``refusal`` stops the run, ``warning`` does not.

    ``rule``: what it is about. ``kind`` and ``detail`` are ``what``, taken apart where servers differ.
    """

    severity: Literal["refusal", "warning"]
    what: str
    next_step: str = ""
    server_id: str | None = None
    hostname: str | None = None
    rule: str = ""
    kind: str = ""
    detail: str = ""


class CostPart(Part):
    """One part of a cost in US dollars. ``is_certain``: the price table names the thing."""

    what: str
    dollars: float
    is_certain: Flag = True


class Cost(Part):
    """What a drill costs in US dollars; ``prices_of`` is the day of the price table, ``parts`` the biggest first."""

    dollars: float
    is_certain: Flag = True
    prices_of: str = ""
    parts: tuple[CostPart, ...] = ()


class ServerFingerprint(Part):
    """What of a server's configuration a drill proves; ``launch`` is a digest of its launch settings."""

    hostname: str
    disks: str = ""
    launch: str = ""


class PredictedTimes(Part):
    """What preflight foretold, in seconds from the first launch until everything is there.

    :param launch: how the run launches
    :param seconds: launched so
    :param in_waves_seconds: launched in waves
    """

    launch: Literal["in_waves", "ahead"]
    seconds: float
    in_waves_seconds: float


class PlanObjectives(Part):
    """What a plan promised when its run began; None: nothing. ``has_failback``: whether it said how to go back."""

    rto: timedelta | None = None
    rpo: timedelta | None = None
    has_failback: Flag = False


class PlanVerification(Part):
    """Whether a passed drill has proven the plan: which ``run``, when, and until when that counts."""

    verified: Flag
    why: str
    run: str | None = None
    at: OptionalInstant = None
    until: OptionalInstant = None


class RefusedAtFirst(Document):
    """Preflight refused the run in its first try, so that nothing of the run can be anywhere: nothing is asked for it.

    A later try leaves none: what an earlier one let begin may still be there.
    """

    KEY: ClassVar[str] = "refused_at_first"
    TITLE: ClassVar[str] = "the record of a run that never began"


class PreflightResult(Document):
    """What preflight found. It is there also when preflight refused the run.

    ``quotas`` are by the text of a target, ``hourly`` (US dollars an hour) and ``fingerprints`` by server id.
    ``skew``: between the oldest and the newest pinned recovery point. ``too_old``: hostnames above ``max_lag``.
    ``recoveries_seen``: ids of recovery jobs that preflight has seen. ``part_of``: the step of another plan that has
    started the run, with what it inherits. ``installation``: id of the Airflow that the run is of, by which everything
    of the run is found; empty: the run began before runs had one. ``continued_installation``: that of the run that it
    goes on with. ``launch``: ``ahead``: servers whose ``ahead`` says so are launched before their waves' turns.
    """

    KEY: ClassVar[str] = "preflight"
    TITLE: ClassVar[str] = "the result of preflight"
    VERSION: ClassVar[int] = 2
    RENAMED: ClassVar[Mapping[str, str]] = {"skew_seconds": "skew"}

    plan: str
    digest: str
    passed: Flag
    mode: PurposeName
    reason: str = ""
    point_in_time: str = "latest"
    replace_live_instances: Flag = False
    replace_drills: Flag = False
    launch: Literal["in_waves", "ahead"] = "in_waves"
    continue_run: str | None = None
    installation: str = ""
    continued_installation: str = ""
    checked_at: Instant
    quotas: dict[str, Quotas] = Field(default_factory=dict)
    recoveries_seen: tuple[str, ...] = ()
    skew: timedelta | None = None
    too_old: tuple[str, ...] = ()
    needs_approval: Flag
    part_of: PlanRunStart | None = None
    notes: tuple[str, ...] = ()
    findings: tuple[PreflightFinding, ...] = ()
    cost: Cost | None = None
    hourly: dict[str, float] = Field(default_factory=dict)
    fingerprints: dict[str, ServerFingerprint] = Field(default_factory=dict)
    verified: PlanVerification | None = None
    objectives: PlanObjectives | None = None
    predicted: PredictedTimes | None = None
    excluded: tuple[PreflightServer, ...] = ()
    waves: dict[str, PreflightWave]

    @property
    def purpose(self) -> Purpose:
        """What the run is for."""
        return purpose_of(self.mode, ALL_PURPOSES)

    @property
    def is_drill(self) -> bool:
        """Whether the run is a drill."""
        return self.purpose.is_drill

    @property
    def as_of(self) -> datetime | None:
        """The instant that the run goes back to; None: the most recent data."""
        return read_as_of(self.point_in_time)

    @property
    def chosen_waves(self) -> dict[str, PreflightWave]:
        """The waves that were chosen for this run, in the plan's order."""
        return {name: wave for name, wave in self.waves.items() if wave.selected}

    @property
    def warnings(self) -> tuple[PreflightFinding, ...]:
        """The findings that do not stop the run."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def lost_servers(self) -> tuple[PreflightServer, ...]:
        """The servers that are lost with accounts and Regions that do not answer, as far as the plan names them."""
        return tuple(server for wave in self.chosen_waves.values() for place in wave.lost for server in place.servers)

    @property
    def hostnames(self) -> dict[str, str]:
        """Hostname by id of every server that the run launches."""
        return {server.server_id: server.hostname for server in self.servers()}

    def leaves_alone(self, waves: Collection[str], digest: str) -> bool:
        """Tell whether the run has nothing to do with an account and Region, so that nobody is asked there.

        Never where the run continues another, which may have launched there, nor where it cannot be told.

        :param waves: the waves that launch there
        :param digest: of the plan that says so
        """
        if self.continue_run or digest != self.digest or not self.waves.keys() >= set(waves):
            return False
        return not any(self.waves[wave].selected for wave in waves)

    def wave(self, name: str) -> PreflightWave:
        """Return a wave of the plan; raises HandoverUnreadable where preflight knows none of that name."""
        if name not in self.waves:
            raise self.unreadable(f"it has no wave {name}")
        return self.waves[name]

    def servers(self, target: "Target | None" = None) -> tuple[PreflightServer, ...]:
        """Return every server of the chosen waves, of one account and Region where that is given."""
        return tuple(
            server for _, part in self._parts() if target is None or part.is_in(target) for server in part.servers
        )

    @property
    def may_be_launched(self) -> frozenset[str]:
        """The ids of the servers that the run may have launched; of every wave where it continues another run."""
        waves = self.waves if self.continue_run else self.chosen_waves
        return frozenset(server.server_id for wave in waves.values() for server in wave.servers)

    def servers_of(self, wave: str, target: "Target | None" = None) -> tuple[PreflightServer, ...]:
        """Return the servers that a wave launches, in one account and Region where given; none if it is not chosen."""
        found = self.wave(wave)
        parts = found.targets if found.selected else ()
        return tuple(server for part in parts if target is None or part.is_in(target) for server in part.servers)

    def launched_ahead(self, wave: str, servers: Collection[str]) -> "PreflightResult":
        """Return the same, of a wave those servers alone that were launched ahead, and these without a boot order.

        What waits stopped is launched all at once: the boot order is that of the starts.

        :param servers: the ids of those that its jobs hold
        """

        def ahead(part: PreflightTarget) -> PreflightTarget:
            mine = (server for server in part.servers if server.ahead and server.server_id in servers)
            return part.model_copy(update={"servers": tuple(each.model_copy(update={"order": 1}) for each in mine)})

        found = self.wave(wave)
        narrowed = found.model_copy(update={"targets": tuple(map(ahead, found.targets))})
        return self.model_copy(update={"waves": {**self.waves, wave: narrowed}})

    def server(self, server_id: str) -> PreflightServer | None:
        """Return a server that the run launches, by its id."""
        return next((server for server in self.servers() if server.server_id == server_id), None)

    def server_named(self, name: str) -> PreflightServer | None:
        """Return a server that the run launches, by its id or its hostname."""
        return self.server(name) or next((server for server in self.servers() if server.hostname == name), None)

    def target_of(self, server_id: str) -> "Target | None":
        """Return the account and Region of a server that the run launches."""
        return next((part.target for _, part in self._parts() if part.holds(server_id)), None)

    def wave_of(self, server_id: str) -> str | None:
        """Return the wave that launches a server."""
        return next(
            (wave for wave, part in self._parts() if any(server.server_id == server_id for server in part.servers)),
            None,
        )

    def quotas_of(self, target: "Target") -> Quotas | None:
        """Return the quotas of an account and Region; None: preflight has not asked there."""
        return self.quotas.get(str(target))

    def _parts(self) -> Iterator[tuple[str, PreflightTarget]]:
        for name, wave in self.chosen_waves.items():
            for part in wave.targets:
                yield name, part
