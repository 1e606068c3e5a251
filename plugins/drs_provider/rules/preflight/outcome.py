"""What preflight makes of everything that it has seen: reasons to refuse, whether people are asked, what it leaves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from drs_provider.exceptions import PreflightRefused
from drs_provider.formatting import duration
from drs_provider.plan.model import origin_of_group
from drs_provider.rules.ahead.eligibility import settings_ahead, settings_in_turn
from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.rules.findings import Finding
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.recovery_points import Point, in_words, skew
from drs_provider.rules.migration.source_instances import source_of
from drs_provider.rules.preflight.cost import Estimate, gigabytes_of
from drs_provider.rules.preflight.table import TableRow, grouped, refused_table, row_of, table
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.approvals import is_needed
from drs_provider.rules.run.handover import (
    LostPlace,
    Placement,
    PlanObjectives,
    PlanRunStart,
    PlanVerification,
    PredictedTimes,
    PreflightFinding,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
    ServerFingerprint,
    SourceInstance,
)
from drs_provider.rules.run.launch_times.both_ways import both_ways, predicted_in_words
from drs_provider.rules.run.launch_times.loads import closing_of, loads_of_run, opening_of
from drs_provider.rules.run.parts import approved_before
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Place, Roster, RosterServer, Target
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.servers import Answer
from drs_provider.rules.settings.candidates import SettingsFinding

AnyFinding = Finding | SettingsFinding


@dataclass(frozen=True)
class ServerLook:
    """What was seen of one server.

    :param source: the item of DescribeSourceServers; None: DRS did not return it
    :param newest_snapshot: its newest recovery point at or before the run's instant; None: there is none
    :param point: the recovery point that its launch must name; None: DRS takes the most recent data
    :param takes_latest: its recovery points were not asked for: it replicates continuously, and so has some
    """

    source: Answer | None = None
    newest_snapshot: Answer | None = None
    point: Point | None = None
    placement: Placement = field(default_factory=Placement)
    takes_latest: bool = False


@dataclass(frozen=True)
class PreflightOutcome:
    """Everything that preflight has found.

    :param shape: the compiled plan, with the waves and the purpose of the run
    :param now: when preflight looked
    :param problems: reasons to refuse that are of no server, one line each
    :param notes: lines for the log, and nothing more
    :param looks: what was seen, by account and Region and server id
    :param quotas: of the accounts and Regions that answered
    :param places: what those accounts and Regions are, resolved
    :param recoveries_seen: ids of recovery jobs
    :param lost: why accounts and Regions do not answer without which the run goes on
    :param part_of: the step of another plan that has started the run, with what it inherits; None: none has
    :param installation: id of the Airflow that the run is of
    :param continued_installation: id of the Airflow whose run it goes on with
    :param ahead: ids of the servers that are launched ahead of their waves
    """

    shape: RunShape
    request: RunRequest
    now: datetime
    roster: Roster = field(default_factory=lambda: Roster({}, (), ()))
    problems: tuple[str, ...] = ()
    findings: tuple[AnyFinding, ...] = ()
    notes: tuple[str, ...] = ()
    looks: Mapping[tuple[Target, str], ServerLook] = field(default_factory=dict)
    quotas: Mapping[Target, Quotas] = field(default_factory=dict)
    places: Mapping[Target, Place] = field(default_factory=dict)
    recoveries_seen: tuple[str, ...] = ()
    fingerprints: Mapping[str, ServerFingerprint] = field(default_factory=dict)
    cost: Estimate | None = None
    verified: PlanVerification | None = None
    lost: Mapping[Target, str] = field(default_factory=dict)
    part_of: PlanRunStart | None = None
    installation: str = ""
    continued_installation: str = ""
    ahead: frozenset[str] = frozenset()

    @property
    def purpose(self) -> Purpose:
        """What the run is for."""
        return self.request.purpose

    @property
    def plan(self) -> str:
        """The name of the plan."""
        return self.shape.plan.name

    @property
    def too_old(self) -> list[str]:
        """Hostnames of the servers whose data is so old that people are asked."""
        most = self.purpose.lag_that_asks(self.shape.plan)
        if most is None:
            return []
        return [server.hostname for server in self.roster.servers if (age := self._age(server)) and age > most]

    @property
    def needs_approval(self) -> bool:
        """Whether people must agree before anything is launched, and have not before this run began."""
        is_asked = is_needed(self.shape.policy, self.purpose, too_old=self.too_old)
        return is_asked and not approved_before(self.shape.policy, self.part_of)

    @property
    def refusals(self) -> list[str]:
        """Every reason not to launch, one line each."""
        return [*self.problems, *grouped([finding for finding in self.findings if finding.severity == "refusal"])]

    @property
    def rows(self) -> list[TableRow]:
        """Every server of the run with what was seen of it and what speaks against it."""
        against: dict[str, list[AnyFinding]] = {}
        for finding in self.findings:
            against.setdefault(finding.server_id, []).append(finding)
        return [
            row_of(
                wave,
                server.hostname,
                look.source,
                look.newest_snapshot,
                against.get(server.server_id, ()),
                takes_latest=look.takes_latest,
            )
            for wave, servers in self.roster.waves.items()
            for server in servers
            for look in [self.look(server)]
        ]

    @property
    def lost_findings(self) -> tuple[Finding, ...]:
        """A warning for every server, or group of unknown servers, that is lost with its account and Region."""
        return tuple(
            Finding(
                "warning", name, hostname, f"lost: {where} does not answer: {why}", self._when_it_answers(wave), "lost"
            )
            for wave, places in self._lost_places.items()
            for place in places
            for where, why in [(place.where, place.why)]
            for name, hostname in _named_in(place)
        ) + tuple(
            Finding(
                "warning",
                name,
                name,
                "it was asked to be left out, and no account and Region that answers has it",
                "check its spelling; where nobody answers nothing is launched",
                "lost",
            )
            for name in (self.roster.unsure if self.lost else ())
        )

    @property
    def _lost_places(self) -> dict[str, tuple[LostPlace, ...]]:
        return {wave: tuple(self._lost_in(groups)) for wave, groups in self.roster.lost.items()}

    def _lost_in(self, groups: Mapping[str, tuple[RosterServer, ...]]) -> Iterable[LostPlace]:
        for target, why in self.lost.items():
            here = {name: members for name, members in groups.items() if self.shape.target_of_group(name) == target}
            if here:
                servers = tuple(self._left_server(server) for members in here.values() for server in members)
                selections = tuple(name for name in here if self.shape.runnable.groups[name].select)
                yield LostPlace(where=str(target), why=why, servers=servers, selections=selections)

    def _when_it_answers(self, wave: str) -> str:
        return (
            "the run goes on without it; when its account and Region answer again: "
            f"drs run start {self.plan} --mode {self.purpose.section} --wave {wave}"
        )

    def look(self, server: RosterServer) -> ServerLook:
        """Return what was seen of a server."""
        return self.looks.get((server.target, server.server_id), ServerLook())

    @property
    def stops_sources(self) -> bool:
        """Whether the run stops the EC2 instances of its sources."""
        return self.purpose.quiesces and self.shape.stop_policy is not None

    def source(self, server: RosterServer) -> SourceInstance | None:
        """Return the EC2 instance that a server replicates, with the connection for there; None: it is none."""
        look, place = self.look(server), self.places.get(server.target, Place("", ""))
        found = source_of(look.source, ReplicationPlace(place.account, place.region)) if look.source else None
        if found is None:
            return None
        origin = origin_of_group(self.shape.plan, self.shape.runnable.groups[server.group])
        return SourceInstance(
            instance_id=found.instance_id,
            account=found.account,
            region=found.region,
            aws_conn_id=str(origin.aws_conn_id),
        )

    def refusal(self) -> str:
        """Word why nothing is launched: every reason, and the refused servers as a table."""
        lines = refused_table(self.rows, now=self.now)
        return "\n".join([str(PreflightRefused(self.plan, self.refusals)), *(["", *lines] if lines else [])])

    def log_lines(self) -> list[str]:
        """Word what goes into the task's log: the waves and their servers, then every finding."""
        lines = [f"{self.purpose} of {self.plan}, plan version {self.shape.digest[:12]}"]
        for wave, servers in self.roster.waves.items():
            chosen = "" if wave in self.request.waves else " (not chosen)"
            lines.append(f"  wave {wave}: {len(servers)} servers{chosen}")
        lines += [f"  excluded: {server.hostname} ({server.server_id})" for server in self.roster.excluded]
        lines += self._points_in_words()
        if self.cost:
            guess = "" if self.cost.is_certain else ", guessed in part"
            lines.append(f"  cost: about ${self.cost.dollars:.2f}{guess}: {self.cost.biggest()}")
        if self.predicted:
            lines.append(f"  predicted, from the first launch on: {predicted_in_words(self.predicted)}")
        if self.verified:
            lines.append(f"  verified: {'yes' if self.verified.verified else 'no'}: {self.verified.why}")
        lines += [f"  refusal: {problem}" for problem in self.problems]
        for severity in ("refusal", "warning"):
            said = grouped([finding for finding in self.findings if finding.severity == severity])
            lines += [f"  {severity}: {line}" for line in said]
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  {line}" for line in table(self.rows, now=self.now)] if self.roster.servers else []
        return lines

    def result(self) -> PreflightResult:
        """Return what preflight leaves for the waves, the report and the pages."""
        points = [look.point for look in self.looks.values() if look.point]
        return PreflightResult(
            plan=self.plan,
            digest=self.shape.digest,
            passed=not self.refusals,
            mode=self.purpose.name,
            reason=self.request.reason,
            point_in_time=self.request.point_in_time,
            replace_live_instances=self.request.replace_live_instances,
            replace_drills=self.request.replace_drills,
            launch="ahead" if self.shape.launches_ahead and self.shape.has_launch_ahead else "in_waves",
            continue_run=self.request.continue_run,
            installation=self.installation,
            continued_installation=self.continued_installation,
            checked_at=self.now,
            quotas={str(target): quotas for target, quotas in self.quotas.items()},
            recoveries_seen=self.recoveries_seen,
            skew=skew(points) if points else None,
            too_old=tuple(self.too_old),
            needs_approval=self.needs_approval,
            part_of=self.part_of,
            notes=self.notes,
            findings=(
                *(PreflightFinding(severity="refusal", what=problem) for problem in self.problems),
                *map(_left_finding, self.findings),
            ),
            cost=self.cost.as_cost() if self.cost else None,
            hourly=dict(self.cost.hourly) if self.cost else {},
            fingerprints=dict(self.fingerprints),
            verified=self.verified,
            objectives=PlanObjectives(
                rto=self.shape.plan.rto,
                rpo=self.shape.plan.rpo,
                has_failback=self.shape.plan.failback is not None,
            ),
            excluded=tuple(map(self._left_server, self.roster.excluded)),
            predicted=self.predicted,
            waves=dict(self._waves),
        )

    @cached_property
    def _waves(self) -> Mapping[str, PreflightWave]:
        return {
            wave: PreflightWave(
                selected=wave in self.request.waves,
                targets=self._by_target(servers),
                lost=self._lost_places.get(wave, ()),
                ready=shape.wave.ready,
                opening=opening_of(shape, self.purpose),
                closing=closing_of(shape, self.purpose),
            )
            for wave, servers in self.roster.waves.items()
            for shape in [self.shape.wave_of[wave]]
        }

    @cached_property
    def predicted(self) -> PredictedTimes | None:
        """What is foretold of the run as it launches, and in waves; None: it launches nothing, or goes back."""
        if not self.purpose.launches or self.purpose.is_on_the_way_back:
            return None
        chosen = {name: wave for name, wave in self._waves.items() if wave.selected}
        quotas = {str(target): found for target, found in self.quotas.items()}
        times = both_ways(loads_of_run(chosen, self.shape.depends_on), quotas)
        steps = (step.step for step in self.shape.after if self.purpose.takes_step(step.step))
        after = sum((step.length for step in steps), timedelta(0))
        return PredictedTimes(
            launch="ahead" if self.ahead else "in_waves",
            seconds=(times.as_launched.total + after).total_seconds(),
            in_waves_seconds=(times.in_waves.total + after).total_seconds(),
        )

    @cached_property
    def _groups_ahead(self) -> frozenset[str]:
        """The groups whose servers the plan launches ahead, as far as they may be."""
        return frozenset(name for wave in self.shape.waves if wave.launch_ahead_tasks for name in wave.wave.groups)

    def _age(self, server: RosterServer) -> timedelta | None:
        point = self.look(server).point
        if point is not None and point.why == "source_unreachable":
            return max(self.now - point.at, server.lag or timedelta(0))
        return server.lag

    def _points_in_words(self) -> list[str]:
        lines = []
        if self.request.as_of:
            lines.append(f"  point in time: {in_words(self.request.as_of)}; every server's newest point not after it")
        pinned = {server: point for server in self.roster.servers if (point := self.look(server).point)}
        lines += [
            f"  pinned: {server.hostname} to {in_words(point.at)} ({point.why})" for server, point in pinned.items()
        ]
        if pinned:
            lines.append(f"  {duration(skew(pinned.values()))} between the oldest and the newest pinned point")
        return lines

    def _by_target(self, servers: Iterable[RosterServer]) -> tuple[PreflightTarget, ...]:
        parts: dict[Target, list[PreflightServer]] = {}
        for server in servers:
            parts.setdefault(server.target, []).append(self._left_server(server))
        unknown = Place("", "")
        return tuple(
            PreflightTarget(
                aws_conn_id=target.aws_conn_id,
                region=target.region,
                servers=tuple(members),
                account=self.places.get(target, unknown).account,
                resolved_region=self.places.get(target, unknown).region,
            )
            for target, members in parts.items()
        )

    def _left_server(self, server: RosterServer) -> PreflightServer:
        look, is_ahead = self.look(server), server.server_id in self.ahead
        is_planned, settings = server.group in self._groups_ahead, dict(server.settings)
        if is_planned:
            settings = settings_ahead(settings) if is_ahead else settings_in_turn(settings)
        return PreflightServer(
            server_id=server.server_id,
            hostname=server.hostname,
            group=server.group,
            critical=server.critical,
            region=server.target.region,
            lag=server.lag,
            order=server.order,
            settings=settings,
            placement=look.placement,
            point=look.point,
            source=self.source(server) if self.stops_sources else None,
            goes_back_for=server.goes_back_for,
            ahead=is_ahead,
            is_started=is_planned and server.settings.get("disposition") != "stopped",
            gigabytes=gigabytes_of(look.source) if is_ahead else 0,
        )


def _named_in(place: LostPlace) -> Iterable[tuple[str, str]]:
    """Give id and hostname of the servers that are lost; of a group whose servers are not known, its name."""
    yield from ((server.server_id, server.hostname) for server in place.servers)
    yield from ((f"group {name}", f"group {name}") for name in place.selections)


def _left_finding(finding: AnyFinding) -> PreflightFinding:
    return PreflightFinding(
        severity=finding.severity,
        what=finding.what,
        next_step=finding.next_step,
        server_id=finding.server_id,
        hostname=finding.hostname,
        rule=finding.rule,
        kind=finding.kind,
        detail=finding.detail,
    )
