"""What the preflight of a way back asks of both places of a plan's servers, and what comes of it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from drs_provider.exceptions import AwsError, PreflightRefused
from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import without_failback_servers
from drs_provider.rules.failback.preflight import NOTHING_RECOVERED, is_at_home, reversal_findings, unread_refusals
from drs_provider.rules.failback.progress import progress_line, server_progress
from drs_provider.rules.failback.shape import FailbackShape
from drs_provider.rules.findings import Finding
from drs_provider.rules.preflight.outcome import PreflightOutcome
from drs_provider.rules.preflight.permissions import permission_findings, permission_notes, way_back_questions
from drs_provider.rules.preflight.report_place import ReportPlace
from drs_provider.rules.preflight.table import grouped
from drs_provider.rules.run.handover import FailbackServer
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Place, Roster, RosterServer, Target, call_roll
from drs_provider.rules.run.shape import WayBack
from drs_provider.services.failback.read import CircleReader, CirclesRead

log = logging.getLogger(__name__)

Way = tuple[Target, Target]
"""The account and Region in which servers were recovered, and their origin."""

ReaderOf = Callable[[WayBack], CircleReader]
"""Gives who looks at both places of a way back."""


@dataclass(frozen=True)
class FailbackPreflightOutcome(PreflightOutcome):
    """What preflight has found before a way back; ``progress``: where every server stands, of whichever wave."""

    progress: tuple[FailbackServer, ...] = ()

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
    """

    shape: FailbackShape
    request: RunRequest
    now: datetime
    other_groups: Sequence[ProtectionGroup] = ()
    look_at_report_place: Callable[[], ReportPlace] = ReportPlace
    installation: str = ""

    def take(self, reader_of: ReaderOf) -> FailbackPreflightOutcome:
        """Look at both places of every way back of the chosen waves.

        :raises AwsError: nothing can be said now, and asking again later may help
        """
        outcome = FailbackPreflightOutcome(self.shape, self.request, self.now, installation=self.installation)
        ways = {(way.target, way.origin): way for wave in self.shape.chosen_waves for way in wave.ways_back}
        looked = _Looked({way: reader_of(found) for way, found in ways.items()})
        sources = looked.sources()
        if looked.problems:
            return replace(outcome, problems=tuple(looked.problems))
        places = {target: looked.place_of(target) for target in sources}
        roster = self._roster(sources, places)
        outcome = replace(outcome, roster=roster, places=places, problems=roster.problems)
        if roster.problems:
            return outcome
        reads = {way: looked.read(way, self._servers_on(way, roster)) for way in looked.readers}
        return self._judged(outcome, looked, reads)

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

    def _judged(
        self, outcome: FailbackPreflightOutcome, looked: "_Looked", reads: Mapping[Way, CirclesRead]
    ) -> FailbackPreflightOutcome:
        findings: list[Finding] = []
        progress: list[FailbackServer] = []
        problems, notes = [*outcome.problems], [*outcome.notes]
        home: set[str] = set()
        unread: dict[str, str] = {}
        unreadable: set[str] = set()
        for way, read in reads.items():
            servers = self._servers_on(way, outcome.roster)
            findings += reversal_findings(servers, read.states, read.circles)
            progress += [
                server_progress(read.states[server.server_id], read.circles[server.server_id], hostname=server.hostname)
                for server in servers
            ]
            home |= {server.server_id for server in servers if is_at_home(read.states[server.server_id])}
            unread |= {f"{place.region} of account {place.account}": str(why) for place, why in read.unread.items()}
            unreadable |= {server.server_id for server in servers if read.origin_of(server.server_id) in read.unread}
        for target in outcome.places:
            found, said = looked.permissions(target)
            findings += found
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
        return replace(
            outcome,
            roster=replace(outcome.roster, waves=waves),
            findings=tuple(findings),
            problems=tuple(problems),
            notes=tuple(notes),
            progress=tuple(progress),
        )


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

    def permissions(self, target: Target) -> tuple[Sequence[Finding], Sequence[str]]:
        """Ask IAM what the connection may not do; findings and notes."""
        from drs_provider.hooks.iam import permission_gaps
        from drs_provider.rules.purpose import REPROTECT

        asked = way_back_questions(in_origin=False, removes=False)
        gaps = permission_gaps(self._reader_in(target).recovery, asked)
        count = sum(len(question.actions) for question in asked)
        where = str(target)
        return permission_findings(where, gaps, REPROTECT), permission_notes(where, gaps, asked=count)

    def _reader_in(self, target: Target) -> CircleReader:
        return next(reader for (place, _), reader in self.readers.items() if place == target)
