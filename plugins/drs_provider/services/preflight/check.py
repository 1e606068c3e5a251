"""What preflight asks of every account and Region of a plan, and what comes of it.

Only the task of preflight needs this: no DAG file pays for it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from drs_provider.exceptions import AccessDenied, DrsProviderError, NotFound, NotInitialized
from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.findings import Finding
from drs_provider.rules.launch.takeover import purpose_of_job
from drs_provider.rules.preflight.cost import Machine, PricesUnreadable
from drs_provider.rules.preflight.drill_forecast import estimate_drill, too_expensive
from drs_provider.rules.preflight.outcome import PreflightOutcome, ServerLook
from drs_provider.rules.run.approvals import too_few
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Place, Roster, Target, call_roll, named_twice, target_of
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.servers import Answer
from drs_provider.services.preflight.account import AccountCheck, Scope, check_account
from drs_provider.services.preflight.drill_forecast import ReadReports, read_price_table, verify_plan

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

_ACCOUNT = 5
"""So many parts of an ARN must be there for its account, the fifth, to be."""

log = logging.getLogger(__name__)

HookOf = Callable[[Target], "LaunchSettingsHook"]
"""Gives the hook of an account and Region."""


@dataclass(frozen=True)
class Preflight:
    """One look at everything that may speak against a run.

    :param shape: the compiled plan, for the request
    :param run: DAG id and run id
    :param now: the present instant
    :param read_reports: reads the stored reports of the plan's runs
    :param triggered_by: who started the run, where Airflow says so
    :param other_groups: the groups of all other plans
    """

    shape: RunShape
    request: RunRequest
    run: tuple[str, str]
    now: datetime
    read_reports: ReadReports = tuple
    triggered_by: str | None = None
    other_groups: Sequence[ProtectionGroup] = ()

    def take(self, hook_of: HookOf) -> PreflightOutcome:
        """Ask every account and Region of the plan, and return everything that was found."""
        hooks = {place.target: hook_of(place.target) for place in self.shape.targets}
        sources, places, problems = _sources(hooks)
        roster, checks = Roster({}, (), ()), dict[Target, AccountCheck]()
        if len(sources) == len(hooks):
            elsewhere = self._others_in(places, hook_of)
            roster = self._roster({**_as_found(elsewhere, places, sources), **sources}, {**elsewhere, **places})
            problems += [*roster.problems, *self._two_networks(places)]
            for target, found in sources.items():
                checks[target] = check_account(hooks[target], self._scope(target, roster, places), found)
                problems += checks[target].problems
        problems += self._wrongly_continued(checks, is_sound=not problems)
        outcome = PreflightOutcome(
            self.shape,
            self.request,
            self.now,
            roster=roster,
            problems=tuple(problems),
            findings=tuple(finding for check in checks.values() for finding in check.findings),
            notes=tuple(note for check in checks.values() for note in check.notes),
            looks=_looks(checks),
            quotas={target: check.quotas for target, check in checks.items()},
            places=places,
            recoveries_seen=tuple(job for check in checks.values() for job in check.recoveries_seen),
            fingerprints={server: mark for check in checks.values() for server, mark in check.fingerprints.items()},
        )
        machines = {server: machine for check in checks.values() for server, machine in check.machines.items()}
        return self._with_approvers(self._with_forecast(outcome, machines))

    def _others_in(self, places: Mapping[Target, Place], hook_of: HookOf) -> dict[Target, Place]:
        """Return how groups of other plans name the same accounts and Regions in other ways."""
        regions = {place.region for place in places.values()}
        asked = {target_of(group) for group in self.other_groups} - places.keys()
        found = {}
        for target in sorted(asked):
            if target.region and target.region not in regions:
                continue
            try:
                place = place_of(hook_of(target))
            except DrsProviderError as error:  # what another plan names must not keep this one from running
                log.warning("%s, which groups of other plans name, is not compared: %s", target, error)
                continue
            if place in places.values():
                found[target] = place
        return found

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

    def _roster(self, sources: Mapping[Target, Sequence[Answer]], places: Mapping[Target, Place]) -> Roster:
        return call_roll(
            self.shape.runnable.groups,
            {wave.name: wave.wave.groups for wave in self.shape.waves},
            sources,
            self.request.purpose,
            chosen=self.request.waves,
            exclude=self.request.exclude_servers,
            other_groups=self.other_groups,
            places=places,
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
        return Scope(target, self.shape, self.request, self.run, self.now, waves, beside)

    def _wrongly_continued(self, checks: Mapping[Target, AccountCheck], *, is_sound: bool) -> Iterator[str]:
        key, plan, purpose = self.request.continue_run, self.shape.plan.name, self.request.purpose
        jobs = [job for check in checks.values() for job in check.continued]
        if key and not jobs and is_sound:
            yield f"continue_run: no job of a run with the key {key} is in the cloud; see drs takeover {plan}"
        for other in {purpose_of_job(job) for job in jobs} - {purpose}:
            yield f"continue_run: run {key} is a {other} and cannot continue as a {purpose}"

    def _with_forecast(self, outcome: PreflightOutcome, machines: Mapping[str, Machine]) -> PreflightOutcome:
        """Estimate what a drill costs; tell a recovery which drill has proven its plan, or why none has."""
        if not self.request.purpose.proves_plan:
            outcome = self._with_verification(outcome)
        return self._with_cost(outcome, machines) if self.request.purpose.is_priced else outcome

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
        policy = self.shape.policy
        if policy is None or not outcome.needs_approval:
            return outcome
        problem = too_few(policy, triggered_by=self.triggered_by)
        return _refused(outcome, problem) if problem else outcome


def _refused(outcome: PreflightOutcome, problem: str) -> PreflightOutcome:
    return replace(outcome, problems=(*outcome.problems, problem))


def _sources(
    hooks: "Mapping[Target, LaunchSettingsHook]",
) -> tuple[dict[Target, Sequence[Answer]], dict[Target, Place], list[str]]:
    found: dict[Target, Sequence[Answer]] = {}
    places: dict[Target, Place] = {}
    problems = []
    for target, hook in hooks.items():
        try:
            servers = hook.source_servers()
            places[target] = place_of(hook, servers)
            found[target] = servers
        except (AccessDenied, NotInitialized, NotFound) as refusal:
            problems.append(f"{target}: {refusal}")
    return found, places, problems


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
