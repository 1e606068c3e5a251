"""What the preflight of a way back asks of both places of a plan's servers, and what comes of it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from drs_provider.exceptions import AwsError, PreflightRefused
from drs_provider.formatting import MANY, some
from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import without_failback_servers
from drs_provider.rules.failback.cut_over import adopted_words, cut_over_findings
from drs_provider.rules.failback.preflight import (
    NOTHING_RECOVERED,
    NOTHING_STOPS_WRITES,
    is_at_home,
    reversal_findings,
    unread_refusals,
)
from drs_provider.rules.failback.progress import progress_line, server_progress
from drs_provider.rules.failback.shape import FailbackShape
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.findings import Finding
from drs_provider.rules.preflight.outcome import AnyFinding, PreflightOutcome
from drs_provider.rules.preflight.permissions import permission_findings, permission_notes, way_back_questions
from drs_provider.rules.preflight.report_place import ReportPlace
from drs_provider.rules.preflight.table import grouped
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.approvals import clean_up_policy_of, too_few
from drs_provider.rules.run.handover import FailbackServer, PlanObjectives, PreflightResult, PreflightServer, ServerBack
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Place, Roster, RosterServer, Target, call_roll
from drs_provider.rules.run.shape import WayBack
from drs_provider.rules.settings.failback_settings import failback_settings
from drs_provider.services.failback.cut_over import OriginsLook, SettingsHookOf, look_at_origins
from drs_provider.services.failback.read import CircleReader, CirclesRead

log = logging.getLogger(__name__)

Way = tuple[Target, Target]
"""The account and Region in which servers were recovered, and their origin."""

ReaderOf = Callable[[WayBack], CircleReader]
"""Gives who looks at both places of a way back."""


@dataclass(frozen=True)
class FailbackPreflightOutcome(PreflightOutcome):
    """What preflight has found before a way back.

    :param progress: where every server stands, of whichever wave
    :param backs: of a cut-over: where every server goes that is on its way
    :param asks_because: why people are asked before a cut-over although the plan does not say so
    """

    progress: tuple[FailbackServer, ...] = ()
    backs: Mapping[str, ServerBack] = field(default_factory=dict)
    asks_because: tuple[str, ...] = ()

    @property
    def needs_approval(self) -> bool:
        """Whether people must agree before production goes back."""
        return self.purpose.asks_for_approval and (bool(self.asks_because) or super().needs_approval)

    def result(self) -> PreflightResult:
        """Return what preflight leaves; a way back has no time that a plan promises."""
        found = super().result()
        return found.model_copy(update={"objectives": PlanObjectives(rpo=self.shape.plan.rpo, has_failback=True)})

    def _left_server(self, server: RosterServer) -> PreflightServer:
        left = super()._left_server(server)
        return left.model_copy(update={"back": self.backs.get(server.server_id)})

    def refusal(self) -> str:
        """Word why nothing is called: every reason."""
        return str(PreflightRefused(self.plan, self.refusals))

    def log_lines(self) -> list[str]:
        """Word what goes into the task's log: where every server stands, then every finding."""
        lines = [f"{self.purpose} of {self.plan}, plan version {self.shape.digest[:12]}"]
        lines += [f"  wave {wave}: {len(servers)} servers on their way" for wave, servers in self.roster.waves.items()]
        lines += [f"  excluded: {server.hostname} ({server.server_id})" for server in self.roster.excluded]
        lines += [f"  {progress_line(server, now=self.now)}" for server in self.progress]
        lines += [f"  refusal: {problem}" for problem in self.problems]
        for severity in ("refusal", "warning"):
            said = grouped([finding for finding in self.findings if finding.severity == severity])
            lines += [f"  {severity}: {line}" for line in said]
        return [*lines, *(f"  {note}" for note in self.notes)]


@dataclass(frozen=True)
class FailbackPreflight:
    """One look at everything that may speak against a run of the way back.

    :param shape: the compiled way back, for the request
    :param now: the present instant
    :param other_groups: the groups of all other plans
    :param look_at_report_place: says what is known of the place where the report of this run will be written
    :param installation: id of the Airflow that the run is of
    :param triggered_by: who started the run; None: Airflow does not say
    :param hook_of: makes what reads launch settings in an origin; only a cut-over asks
    :param beside: what other runs of the same DAG have against this one
    """

    shape: FailbackShape
    request: RunRequest
    now: datetime
    other_groups: Sequence[ProtectionGroup] = ()
    look_at_report_place: Callable[[], ReportPlace] = ReportPlace
    installation: str = ""
    triggered_by: str | None = None
    hook_of: SettingsHookOf | None = None
    beside: tuple[str, ...] = ()

    def take(self, reader_of: ReaderOf) -> FailbackPreflightOutcome:
        """Look at both places of every way back of the chosen waves.

        :raises AwsError: nothing can be said now, and asking again later may help
        """
        survey = self.survey(reader_of)
        outcome = survey.outcome if survey.outcome.problems else self._judged(survey)
        return replace(outcome, problems=(*self.beside, *outcome.problems))

    def survey(self, reader_of: ReaderOf) -> "FailbackSurvey":
        """Resolve the groups, and look where every server of the chosen waves stands; judge nothing of that.

        :raises AwsError: nothing can be said now, and asking again later may help
        """
        outcome = FailbackPreflightOutcome(self.shape, self.request, self.now, installation=self.installation)
        ways = {(way.target, way.origin): way for wave in self.shape.chosen_waves for way in wave.ways_back}
        looked = _Looked({way: reader_of(found) for way, found in ways.items()})
        sources = looked.sources()
        if looked.problems:
            return FailbackSurvey(replace(outcome, problems=tuple(looked.problems)), looked)
        places = {target: looked.place_of(target) for target in sources}
        roster = self._roster(sources, places)
        outcome = replace(outcome, roster=roster, places=places, problems=roster.problems)
        if roster.problems:
            return FailbackSurvey(outcome, looked)
        reads = {way: looked.read(way, self._servers_on(way, roster)) for way in looked.readers}
        return FailbackSurvey(outcome, looked, reads)

    def _roster(self, sources: Mapping[Target, Sequence[Answer]], places: Mapping[Target, Place]) -> Roster:
        waves = {wave.name: wave.wave.groups for wave in self.shape.waves}
        named = {name for groups in waves.values() for name in groups}
        return call_roll(
            {name: group for name, group in self.shape.runnable.groups.items() if name in named},
            waves,
            sources,
            self.request.purpose,
            chosen=self.request.waves,
            exclude=self.request.exclude_servers,
            other_groups=self.other_groups,
            places=places,
        )

    def _servers_on(self, way: Way, roster: Roster) -> list[RosterServer]:
        groups = {
            name
            for wave in self.shape.chosen_waves
            for found in wave.ways_back
            if (found.target, found.origin) == way
            for name in found.groups
        }
        return [server for server in roster.servers if server.group in groups]

    def _judged(self, survey: "FailbackSurvey") -> FailbackPreflightOutcome:
        outcome, looked, reads = survey.outcome, survey.looked, survey.reads
        findings: list[AnyFinding] = []
        progress: list[FailbackServer] = []
        problems, notes = [*outcome.problems], list[str]()
        home: set[str] = set()
        unread: dict[str, str] = {}
        unreadable: set[str] = set()
        for way, read in reads.items():
            servers = self._servers_on(way, outcome.roster)
            if self.request.purpose.cuts_over:
                outcome, found = self._before_cut_over(outcome, looked.readers[way], read, servers)
                findings += found
            else:
                findings += reversal_findings(servers, read.states, read.circles)
            progress += [
                server_progress(read.states[server.server_id], read.circles[server.server_id], hostname=server.hostname)
                for server in servers
            ]
            home |= {server.server_id for server in servers if is_at_home(read.states[server.server_id])}
            unread |= {f"{place.region} of account {place.account}": str(why) for place, why in read.unread.items()}
            unreadable |= {server.server_id for server in servers if read.origin_of(server.server_id) in read.unread}
        clients = self._with_clients(outcome)
        for target in outcome.places:
            missing, said = looked.permissions(target, self.request.purpose, clients=target in clients)
            findings += missing
            notes += said
        waves = {
            name: tuple(server for server in servers if server.server_id not in home)
            for name, servers in outcome.roster.waves.items()
        }
        left = {server.server_id for servers in waves.values() for server in servers}
        problems += unread_refusals(left, unreadable, unread)
        if not left and not any(finding.severity == "refusal" for finding in findings):
            problems.append(NOTHING_RECOVERED)
        findings += self.look_at_report_place().findings(self.shape.plan.name, "warning")
        if self.request.purpose.cuts_over:
            problems += self._people()
            findings += self._writes()
            if not self.shape.stops_writes:
                outcome = replace(outcome, asks_because=(*outcome.asks_because, NOTHING_STOPS_WRITES[0]))
        return replace(
            outcome,
            roster=replace(outcome.roster, waves=waves),
            findings=tuple(findings),
            problems=tuple(problems),
            notes=(*outcome.notes, *notes),
            progress=tuple(progress),
        )

    @staticmethod
    def _with_clients(outcome: FailbackPreflightOutcome) -> set[Target]:
        """Give where failback clients are converted: DRS is asked for that in the recovery Region."""
        return {
            server.target
            for server in outcome.roster.servers
            if (back := outcome.backs.get(server.server_id)) and back.from_data_centre
        }

    def _before_cut_over(
        self,
        outcome: FailbackPreflightOutcome,
        reader: CircleReader,
        read: CirclesRead,
        servers: Sequence[RosterServer],
    ) -> tuple[FailbackPreflightOutcome, list[AnyFinding]]:
        """Look at the origins of some servers; note where each goes, with what lag and which settings."""
        groups, plan = self.shape.runnable.groups, self.shape.plan
        settings = {s.server_id: failback_settings(plan, groups[s.group], s.server_id) for s in servers}
        waves = {
            wave: [server.server_id for server in found if server in servers]
            for wave, found in outcome.roster.waves.items()
        }
        look = OriginsLook()
        if self.hook_of is not None:
            look = look_at_origins(reader, read, settings, waves, self.hook_of)
        findings: list[AnyFinding] = [*cut_over_findings(servers, read.states, read.circles, look.originals)]
        asked = outcome.asks_because
        if running := [read.name_of(name) for name, original in look.originals.items() if original.is_running]:
            asked = (*asked, f"the original instances of {some(running, MANY)} are stopped and overwritten")

        if adopted := [
            read.name_of(each.server_id)
            for each in servers
            if adopted_words(read.states[each.server_id], read.circles[each.server_id])
        ]:
            asked = (*asked, f"what runs in the origin already of {some(adopted, MANY)} is taken for production")
        if machines := [read.name_of(name) for name, back in look.backs.items() if back.is_converted]:
            asked = (*asked, f"the machines of {some(machines, MANY)} are converted, and their last sync is not proven")
        backs = {
            name: back if back.from_data_centre else back.model_copy(update={"already": read.states[name].failed_back})
            for name, back in look.backs.items()
        }

        def seen(server: RosterServer) -> RosterServer:
            if server.server_id not in settings:
                return server
            copy = read.states[server.server_id].copy
            lag = copy.lag if copy and read.states[server.server_id].stage is Stage.READY else None
            return replace(server, lag=lag, settings=settings[server.server_id])

        roster_waves = {wave: tuple(map(seen, found)) for wave, found in outcome.roster.waves.items()}
        return (
            replace(
                outcome,
                roster=replace(outcome.roster, waves=roster_waves),
                backs={**outcome.backs, **backs},
                asks_because=asked,
                notes=(*outcome.notes, *look.notes),
            ),
            [*findings, *look.findings],
        )

    def _people(self) -> Iterator[str]:
        """Refuse a cut-over that nobody could ever approve, or clean up after."""
        failback = self.shape.plan.failback
        if self.shape.policy is None or failback is None:
            return
        asked = {
            "failback.approval": self.shape.policy if self.shape.policy.always else None,
            "failback.clean_up": clean_up_policy_of(failback),
        }
        for name, policy in asked.items():
            if policy and (why := too_few(policy, triggered_by=self.triggered_by, field=name)):
                yield why

    def _writes(self) -> Iterator[Finding]:
        """Say what the plan does not do for itself: stop the writes; and refuse what no failback can do."""
        name = self.shape.plan.name
        if not self.shape.stops_writes:
            yield Finding("warning", name, name, *NOTHING_STOPS_WRITES, "way_back")
        for step in self.shape.steps:
            if step.step.runs_plan and (step.wave is None or self.shape.wave_of[step.wave].is_chosen):
                what = f"{step.where} runs plan {step.step.runs_plan}, which a failback does not do"
                yield Finding("refusal", name, name, what, "write when: recovery or when: drill there", "plan_step")


@dataclass(frozen=True)
class FailbackSurvey:
    """What was seen before a way back.

    :ivar outcome: the servers of every wave; its problems refuse the run before any server was looked at
    :ivar looked: who has looked
    :ivar reads: where every server stands, by way back
    """

    outcome: FailbackPreflightOutcome
    looked: "_Looked"
    reads: Mapping[Way, CirclesRead] = field(default_factory=dict)


class _Looked:
    """What the places of some ways back have said; ``problems``: reasons to refuse."""

    def __init__(self, readers: Mapping[Way, CircleReader]) -> None:
        self.readers = readers
        self.problems: list[str] = []

    def sources(self) -> dict[Target, Sequence[Answer]]:
        """Ask every recovery Region for the servers that protect a source there, once."""
        found: dict[Target, Sequence[Answer]] = {}
        for target, _ in self.readers:
            if target in found:
                continue
            try:
                servers = self._reader_in(target).recovery.source_servers()
            except AwsError as error:
                if error.retryable:
                    raise
                self.problems.append(f"{target}: {error}")
                continue
            found[target] = without_failback_servers(servers)
        return found

    def place_of(self, target: Target) -> Place:
        """Return what account and Region a recovery Region is, resolved."""
        return Place(*self._reader_in(target).place)

    def read(self, way: Way, servers: Sequence[RosterServer]) -> CirclesRead:
        """Look at both places of a way.

        :raises AwsError: one of them does not answer now
        """
        read = self.readers[way].read([server.server_id for server in servers])
        read.ensure_answered()
        return read

    def permissions(
        self, target: Target, purpose: Purpose, *, clients: bool = False
    ) -> tuple[Sequence[Finding], Sequence[str]]:
        """Ask IAM what the connection may not do; findings and notes.

        :param clients: whether failback clients are converted there
        """
        from drs_provider.hooks.iam import permission_gaps

        asked = way_back_questions(in_origin=False, clients=clients, removes=purpose.cuts_over)
        gaps = permission_gaps(self._reader_in(target).recovery, asked)
        count = sum(len(question.actions) for question in asked)
        where = str(target)
        return permission_findings(where, gaps, purpose), permission_notes(where, gaps, asked=count)

    def _reader_in(self, target: Target) -> CircleReader:
        return next(reader for (place, _), reader in self.readers.items() if place == target)
