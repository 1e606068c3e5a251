"""What preflight asks of every account and Region of a plan, and what comes of it.

Only the task of preflight needs this: no DAG file pays for it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import AwsError
from drs_provider.formatting import joined
from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.findings import Finding
from drs_provider.rules.launch.continuation import Continuation, continuation_problems, installation_of
from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.migration.stopped_writes import why_not_migrated
from drs_provider.rules.preflight.cost import Machine, PricesUnreadable
from drs_provider.rules.preflight.drill_forecast import estimate_drill, too_expensive
from drs_provider.rules.preflight.outcome import PreflightOutcome, ServerLook
from drs_provider.rules.preflight.report_place import ReportPlace
from drs_provider.rules.preflight.step_names import step_name_findings
from drs_provider.rules.preflight.stopped import stopped_findings
from drs_provider.rules.run.approvals import too_few, unproven_starter
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Place, Roster, Target, call_roll, named_twice, target_of
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.servers import Answer
from drs_provider.services.preflight.account import AccountCheck, Scope, check_account
from drs_provider.services.preflight.drill_forecast import ReadReports, read_price_table, verify_plan
from drs_provider.services.preflight.places import PlaceAnswers, ask_side_by_side

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.run.handover import PlanRunStart

_ACCOUNT = 5
"""So many parts of an ARN must be there for its account, the fifth, to be."""

log = logging.getLogger(__name__)

GoingOn = Callable[[str, Sequence[str]], str | None]
"""Gives the run of this Airflow that still goes on with a run; asked with its key and the run ids in its jobs' tags."""

HookOf = Callable[[Target], "LaunchSettingsHook"]
"""Gives the hook of an account and Region."""

SERVERS_WITHIN: Final = timedelta(minutes=4)
"""How long all accounts and Regions have to name their source servers: a hook's own patience, and an answer."""

OTHERS_WITHIN: Final = timedelta(seconds=30)
"""How long those have that only other plans name: without them a server that is in two groups may go unnoticed."""

CHECKED_WITHIN: Final = timedelta(minutes=20)
"""How long they have for everything else: a call or two for each server, where the API is throttled."""


@dataclass(frozen=True)
class Preflight:
    """One look at everything that may speak against a run.

    :param shape: the compiled plan, for the request
    :param run: DAG id and run id
    :param now: the present instant
    :param read_reports: reads the stored reports of the plan's runs
    :param look_at_report_place: says what is known of the place where the report of this run will be written
    :param triggered_by: who started the run, where Airflow says so
    :param other_groups: the groups of all other plans
    :param going_on: asks Airflow whether a run that is to be continued is still active here
    :param started_by: the step of another plan that has started the run, proven; None: none has
    :param of_parts: what speaks against the plans that the plan runs as steps
    :param installation: id of the Airflow that the run is of
    """

    shape: RunShape
    request: RunRequest
    run: tuple[str, str]
    now: datetime
    read_reports: ReadReports = tuple
    look_at_report_place: Callable[[], ReportPlace] = ReportPlace
    triggered_by: str | None = None
    other_groups: Sequence[ProtectionGroup] = ()
    going_on: GoingOn = lambda _key, _run_ids: None
    started_by: "PlanRunStart | None" = None
    of_parts: Sequence[Finding] = ()
    installation: str = ""

    def take(self, hook_of: HookOf) -> PreflightOutcome:
        """Ask every account and Region of the chosen waves, all at once, and return everything that was found.

        :raises AwsError: nothing can be said now, and asking again later may help
        """
        hooks = {target: hook_of(target) for target in self.targets}
        limits = (SERVERS_WITHIN, CHECKED_WITHIN) if len(hooks) > 1 else (None, None)
        heard = ask_side_by_side(hooks, _sources_of, within=limits[0])
        problems, lost = self._silent(heard)
        sources = {target: found for target, (found, _) in heard.found.items()}
        places = {target: place for target, (_, place) in heard.found.items()}
        roster, checks, named = Roster({}, (), ()), dict[Target, AccountCheck](), tuple[Finding, ...]()
        if not problems:
            elsewhere = self._others_in(places, hook_of)
            roster = self._roster(sources, places, elsewhere)
            looked = ask_side_by_side(
                {target: hooks[target] for target in sources},
                lambda target, hook: check_account(hook, self._scope(target, roster, places), sources[target]),
                within=limits[1],
            )
            problems, lost_later = self._silent(looked)
            checks, lost = dict(looked.found), {**lost, **lost_later}
            if lost_later:
                sources = {target: sources[target] for target in checks}
                places = {target: places[target] for target in checks}
                roster = self._roster(sources, places, elsewhere)
            problems += [*roster.problems, *self._two_networks(places)]
            problems += [problem for check in checks.values() for problem in check.problems]
            named = step_name_findings(self.shape, self.request, roster)
        named = (*self.of_parts, *named)
        stopped = {server for check in checks.values() for server in check.stopped}
        named += stopped_findings(self.shape, self.request, roster, stopped)
        if self.request.continue_run and sources:
            is_sound = not (problems or lost)
            problems += self._wrongly_continued(self.request.continue_run, sources, checks, is_sound=is_sound)
        outcome = PreflightOutcome(
            self.shape,
            self.request,
            self.now,
            roster=roster,
            problems=tuple(problems),
            findings=(*(finding for check in checks.values() for finding in check.findings), *named),
            notes=(*self._part_of(), *(note for check in checks.values() for note in check.notes)),
            looks=_looks(checks),
            quotas={target: check.quotas for target, check in checks.items()},
            places=places,
            recoveries_seen=tuple(job for check in checks.values() for job in check.recoveries_seen),
            fingerprints={server: mark for check in checks.values() for server, mark in check.fingerprints.items()},
            lost={target: str(error) for target, error in lost.items()},
            ahead=frozenset(server for check in checks.values() for server in check.ahead),
            part_of=self.started_by,
            installation=self.installation,
            continued_installation=installation_of(job for check in checks.values() for job in check.continued),
        )
        outcome = replace(outcome, findings=(*outcome.lost_findings, *outcome.findings))
        if self.request.purpose.quiesces:
            outcome = self._with_sources(outcome, hook_of)
        machines = {server: machine for check in checks.values() for server, machine in check.machines.items()}
        return self._with_approvers(self._with_forecast(self._with_report_place(outcome), machines))

    @property
    def targets(self) -> tuple[Target, ...]:
        """The accounts and Regions that are asked."""
        return self.shape.chosen_targets

    def _with_sources(self, outcome: PreflightOutcome, hook_of: HookOf) -> PreflightOutcome:
        """Refuse a migration of a plan that does not say how writes stop, and one whose sources cannot be stopped."""
        from drs_provider.services.preflight.sources import look_at_sources

        if why := why_not_migrated(self.shape):
            return _refused(outcome, why)
        policy = self.shape.stop_policy
        if policy is None or outcome.refusals:
            return outcome
        if problem := too_few(policy, triggered_by=self.triggered_by, field="migration.stop_sources"):
            outcome = _refused(outcome, problem)
        sources = {server.server_id: (server.hostname, outcome.source(server)) for server in outcome.roster.servers}
        findings, notes = look_at_sources(sources, hook_of, self.request.purpose)
        return replace(outcome, findings=(*outcome.findings, *findings), notes=(*outcome.notes, *notes))

    def _part_of(self) -> Iterator[str]:
        """Say for the log whose part the run is, and which approvals it inherits."""
        if start := self.started_by:
            yield f"started by {start.words}"
            if start.approvals:
                yield f"approved there by {joined([approval.by for approval in start.approvals])}"

    def _silent(self, answers: PlaceAnswers[object]) -> tuple[list[str], Mapping[Target, AwsError]]:
        """Return the reasons to refuse, and the accounts and Regions without which the run goes on."""
        refused = answers.refused
        if answers.found and self.request.purpose.loses_silent_places:
            return [], refused
        for error in refused.values():
            if error.retryable:
                raise error
        return [f"{target}: {error}" for target, error in refused.items()], {}

    def _others_in(self, places: Mapping[Target, Place], hook_of: HookOf) -> dict[Target, Place]:
        """Return how groups of other plans name the same accounts and Regions in other ways.

        What another plan names must neither keep this one from running nor hold it up.
        """
        regions = {place.region for place in places.values()}
        asked = sorted({target_of(group) for group in self.other_groups} - places.keys())
        hooks = {target: hook_of(target) for target in asked if not target.region or target.region in regions}
        answers = ask_side_by_side(hooks, lambda _, hook: place_of(hook), within=OTHERS_WITHIN)
        for target, error in answers.refused.items():
            log.warning("%s, which groups of other plans name, is not compared: %s", target, error)
        return {target: place for target, place in answers.found.items() if place in places.values()}

    def _two_networks(self, places: Mapping[Target, Place]) -> Iterator[str]:
        """Refuse what would make two networks of a drill for one account and Region."""
        if not self.request.purpose.has_own_network(self.shape.plan):
            return
        for place, targets in named_twice(places).items():
            yield (
                f"groups of the plan name {place} in {len(targets)} ways, {' and '.join(map(str, targets))}: the drill "
                "would make a network for each, and their servers would not reach each other. Write the same "
                "aws_conn_id and region in all of them"
            )

    def _roster(
        self,
        sources: Mapping[Target, Sequence[Answer]],
        places: Mapping[Target, Place],
        elsewhere: Mapping[Target, Place],
    ) -> Roster:
        other = {target: place for target, place in elsewhere.items() if place in places.values()}
        return call_roll(
            self.shape.runnable.groups,
            {wave.name: wave.wave.groups for wave in self.shape.waves},
            {**_as_found(other, places, sources), **sources},
            self.request.purpose,
            chosen=self.request.waves,
            exclude=self.request.exclude_servers,
            other_groups=self.other_groups,
            places={**other, **places},
        )

    def _scope(self, target: Target, roster: Roster, places: Mapping[Target, Place]) -> Scope:
        waves = {
            wave: here
            for wave, servers in roster.waves.items()
            if (here := tuple(server for server in servers if server.target == target))
        }
        same = {other for other, place in places.items() if other != target and place == places[target]}
        beside = {
            wave: sum(server.known and server.target in same for server in servers)
            for wave, servers in roster.waves.items()
        }
        return Scope(target, self.shape, self.request, self.run, self.now, waves, beside, self.installation)

    def _wrongly_continued(
        self,
        key: str,
        sources: Mapping[Target, Sequence[Answer]],
        checks: Mapping[Target, AccountCheck],
        *,
        is_sound: bool,
    ) -> list[str]:
        """Say what speaks against continuing a run.

        :param is_sound: whether nothing else speaks against the run: only then a missing job is a problem of its own
        """
        jobs = [job for check in checks.values() for job in check.continued]
        if not jobs and (self.started_by or not is_sound):
            return []  # the run that is continued may not have come as far as this part
        whole = self._everyone(sources)
        asked = Continuation(
            key,
            jobs,
            self.shape.plan.name,
            run_key(*self.run, self.installation),
            self.run[0],
            {server.server_id: wave for wave, servers in whole.waves.items() for server in servers},
            installation=self.installation,
        )
        asked = replace(asked, going_on=self.going_on(key, asked.run_ids))
        return [*continuation_problems(asked, self.request.purpose)]

    def _everyone(self, sources: Mapping[Target, Sequence[Answer]]) -> Roster:
        """Return all servers of the plan, whatever was chosen."""
        waves = {wave.name: wave.wave.groups for wave in self.shape.waves}
        return call_roll(self.shape.runnable.groups, waves, sources, self.request.purpose)

    def _with_forecast(self, outcome: PreflightOutcome, machines: Mapping[str, Machine]) -> PreflightOutcome:
        """Estimate what a drill costs; tell a recovery which drill has proven its plan, or why none has."""
        if self.request.purpose.launches and not self.request.purpose.is_drill:
            outcome = self._with_verification(outcome)
        return self._with_cost(outcome, machines) if self.request.purpose.is_priced else outcome

    def _with_report_place(self, outcome: PreflightOutcome) -> PreflightOutcome:
        """Refuse a drill whose proof could not be written; warn a recovery, whose report its tasks keep too.

        Both are warned of a folder that other machines do not see.
        """
        found = self.look_at_report_place().findings(self.shape.plan.name, self.request.purpose.severity)
        return replace(outcome, findings=(*outcome.findings, *found))

    def _with_verification(self, outcome: PreflightOutcome) -> PreflightOutcome:
        found = verify_plan(self.shape, self.read_reports, servers=outcome.fingerprints, now=self.now)
        outcome = replace(outcome, verified=found)
        if found.verified:
            return outcome
        what, name = f"the plan is not verified: {found.why}", self.shape.plan.name
        finding = Finding("warning", name, name, what, "run a drill of it", "verified")
        return replace(outcome, findings=(*outcome.findings, finding))

    def _with_cost(self, outcome: PreflightOutcome, machines: Mapping[str, Machine]) -> PreflightOutcome:
        max_cost = self.shape.plan.drill.max_cost
        waves = {wave: [server.server_id for server in servers] for wave, servers in outcome.roster.waves.items()}
        try:
            cost = estimate_drill(self.shape, machines, waves, read_price_table())
        except PricesUnreadable as error:
            if max_cost is None:
                return outcome
            return _refused(outcome, f"the cost of the drill cannot be estimated: {error}")
        outcome = replace(outcome, cost=cost)
        problem = too_expensive(max_cost, cost)
        return _refused(outcome, problem) if problem else outcome

    def _with_approvers(self, outcome: PreflightOutcome) -> PreflightOutcome:
        outcome = self._with_starter(outcome)
        policy = self.shape.policy
        if policy is None or not outcome.needs_approval:
            return outcome
        problem = too_few(policy, triggered_by=self.triggered_by)
        return _refused(outcome, problem) if problem else outcome

    def _with_starter(self, outcome: PreflightOutcome) -> PreflightOutcome:
        """Refuse a run whose steps want four eyes, and of which nobody can tell who started it; a check asks nobody."""
        if not self.request.purpose.launches:
            return outcome
        for shape in self.shape.steps:
            wants_others = getattr(shape.step, "four_eyes", False) and self.request.purpose.plans_step(shape.step)
            if wants_others and (problem := unproven_starter(self.triggered_by, shape.where)):
                outcome = _refused(outcome, problem)
        return outcome


def _refused(outcome: PreflightOutcome, problem: str) -> PreflightOutcome:
    return replace(outcome, problems=(*outcome.problems, problem))


def _sources_of(_: Target, hook: "LaunchSettingsHook") -> tuple[Sequence[Answer], Place]:
    """Ask one account and Region for its source servers, and what account and Region it is."""
    servers = hook.source_servers()
    return servers, place_of(hook, servers)


def place_of(hook: "DrsHook", sources: Sequence[Answer] = ()) -> Place:
    """Return the account and Region that a hook asks, resolved.

    :param sources: items of DescribeSourceServers there, whose ARNs tell the account without another call
    """
    account = next((parts[4] for source in sources if len(parts := str(source.get("arn")).split(":")) > _ACCOUNT), "")
    return Place(account or hook.caller_account(), hook.region)


def _as_found(
    elsewhere: Mapping[Target, Place], places: Mapping[Target, Place], sources: Mapping[Target, Sequence[Answer]]
) -> dict[Target, Sequence[Answer]]:
    """Give what was found in an account and Region to its other names too."""
    by_place = {places[target]: found for target, found in sources.items()}
    return {target: by_place[place] for target, place in elsewhere.items()}


def _looks(checks: Mapping[Target, AccountCheck]) -> dict[tuple[Target, str], ServerLook]:
    return {(target, server): look for target, check in checks.items() for server, look in check.looks.items()}
