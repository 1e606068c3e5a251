"""What a failback drill asks of both places: before the run, and right before each of its launches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.drill_servers import DrillServers, drill_servers, in_waves, why_not_drilled
from drs_provider.rules.failback.drill_shape import FailbackDrillShape
from drs_provider.rules.findings import Finding
from drs_provider.rules.preflight.outcome import PreflightOutcome
from drs_provider.rules.run.roster import Place, Roster, Target
from drs_provider.services.failback.preflight import FailbackPreflight, FailbackSurvey, ReaderOf
from drs_provider.services.failback.read import CircleReader
from drs_provider.services.preflight.check import HookOf, Preflight

CONTINUES_NONE: Final = (
    "continue_run: a failback drill continues no run of another Airflow: drs sweep removes what that one has launched "
    "once its time is over; then start this drill without continue_run"
)


def ensure_drillable(reader: CircleReader, server_ids: Mapping[str, str]) -> None:
    """See that FAILBACK servers may be launched for a drill now.

    :param server_ids: FAILBACK server by the id of the server that it goes back for
    :raises RunRefused: some may not; it names all of them
    :raises AwsError: a place does not answer now
    """
    read = reader.read(list(server_ids))
    read.ensure_answered()
    against = why_not_drilled(server_ids, read.states, read.circles)
    if against:
        said = [f"{read.name_of(server_id)}: {why}" for server_id, why in against.items()]
        raise RunRefused(
            f"{len(against)} of {len(server_ids)} servers cannot be launched for a failback drill any more, and "
            f"nothing of this job was started: {some(said, MANY, '; ')}"
        )


@dataclass(frozen=True)
class FailbackDrillPreflight(Preflight):
    """One look at everything that may speak against a failback drill: at both places, then at the origins as a drill.

    :param found: the FAILBACK servers that it launches
    :param survey: what was seen in both places
    """

    shape: FailbackDrillShape
    found: DrillServers = field(default_factory=lambda: DrillServers({}, {}))
    survey: FailbackSurvey | None = None

    def after(self, back: FailbackPreflight, reader_of: ReaderOf, hook_of: HookOf) -> PreflightOutcome:
        """Look at both places, then at the origins.

        :param back: looks at the same servers as they are protected, with the launch settings that they shall have
        :raises AwsError: nothing can be said now, and asking again later may help
        """
        outcome = self._after(back, reader_of, hook_of)
        return replace(outcome, problems=(*back.beside, *outcome.problems))

    def _after(self, back: FailbackPreflight, reader_of: ReaderOf, hook_of: HookOf) -> PreflightOutcome:
        if self.request.continue_run:
            return self._refused([CONTINUES_NONE])
        survey = back.survey(reader_of)
        if survey.outcome.problems:
            return self._refused(survey.outcome.problems)
        found = _found(survey)
        problems = tuple(found.problems)
        if problems or not found.by_protected:
            return self._refused(problems, found.findings)
        regions = {target: next(iter(places)).region for target, places in found.places.items()}
        looked = replace(self, found=found, survey=survey)
        outcome = looked.take(lambda target: hook_of(Target(target.aws_conn_id, regions.get(target, target.region))))
        return replace(outcome, findings=(*found.findings, *outcome.findings))

    def _refused(self, problems: Sequence[str], findings: Sequence[Finding] = ()) -> PreflightOutcome:
        return PreflightOutcome(
            self.shape,
            self.request,
            self.now,
            problems=tuple(problems),
            findings=tuple(findings),
            installation=self.installation,
        )

    @property
    def targets(self) -> tuple[Target, ...]:
        """The origins from which servers are ready; the others are not asked."""
        return tuple(target for target in self.shape.chosen_targets if target in self.found.places)

    def _roster(
        self,
        sources: Mapping[Target, Sequence[Answer]],
        places: Mapping[Target, Place],
        elsewhere: Mapping[Target, Place],
    ) -> Roster:
        known = self.survey.outcome.roster if self.survey else Roster({}, (), ())
        return replace(known, waves=in_waves(known.waves, self.found.by_protected))

    def _everyone(self, sources: Mapping[Target, Sequence[Answer]]) -> Roster:
        return self._roster(sources, {}, {})

    def _others_in(self, places: Mapping[Target, Place], hook_of: HookOf) -> dict[Target, Place]:
        """Name no others: groups are compared where servers are protected."""
        return {}


def _found(survey: FailbackSurvey) -> DrillServers:
    states = {server: state for read in survey.reads.values() for server, state in read.states.items()}
    circles = {server: circle for read in survey.reads.values() for server, circle in read.circles.items()}
    return drill_servers(survey.outcome.roster.servers, states, circles, dict(_origins(survey)))


def _origins(survey: FailbackSurvey) -> Iterator[tuple[str, Target]]:
    for (_, origin), read in survey.reads.items():
        for server_id in read.states:
            yield server_id, origin
