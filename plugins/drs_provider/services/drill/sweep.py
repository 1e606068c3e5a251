"""One pass of the drill clean-up over accounts and Regions: look, decide, act, say what is left."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import AwsError, DrsProviderError, NotInitialized
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.leftovers import (
    Action,
    DefaultVersion,
    Facts,
    SweepDecision,
    Version,
    expired_drills,
    leftovers,
)
from drs_provider.rules.cleanup.proof import kept_words
from drs_provider.rules.launch.tags import EXPIRES, INSTALLATION, MODE, PLAN, RUN, RUN_ID, TAKER, Mark
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.run.handover import Sweep, TargetSweep
from drs_provider.rules.run.roster import Target
from drs_provider.rules.servers import is_live
from drs_provider.services.drill.creation_proof import creation_proofs
from drs_provider.services.drill.terminate import FOR_NOW, terminations

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.hooks.tagged_networks import TaggedNetworksHook

RECENT: Final = timedelta(days=2)
"""How far back all jobs are looked at; older ones only where a drill's instance names them."""

IsActive = Callable[[Sequence[Mark]], bool]
"""Tells of a run, by the marks that name it, whether this Airflow still works on it; raises where it cannot tell."""

_MOST_TAGGED: Final = 500
"""Resources that one CreateTags is asked to tag; EC2 takes a thousand."""

log = logging.getLogger(__name__)


@dataclass
class _Pass:
    """What one pass does, while it does it; see ``TargetSweep``."""

    done: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def sweep_all(targets: Iterable[Target], sweep_one: Callable[[Target], TargetSweep]) -> Sweep:
    """Sweep several accounts and Regions; one that cannot be scanned does not hide the others."""
    found = {}
    for target in targets:
        try:
            found[str(target)] = sweep_one(target)
        except NotInitialized:
            found[str(target)] = nothing_there()
        except DrsProviderError as error:
            found[str(target)] = scan_failed(target, error)
    return Sweep(targets=found)


def scan_failed(target: Target, error: DrsProviderError) -> TargetSweep:
    """Say that nothing is known of an account and Region, so something may be left there."""
    return TargetSweep(left={str(target): f"scan failed: {error}"})


def nothing_there() -> TargetSweep:
    """Say that nothing is left where DRS was never set up: no drill can have been there."""
    return TargetSweep()


def no_active_run(_marks: Sequence[Mark]) -> bool:
    """Take no run for one that this Airflow still works on."""
    return False


def sweep(
    hook: "TaggedNetworksHook",
    now: datetime,
    *,
    is_active: IsActive = no_active_run,
    dry_run: bool = False,
    installation: str = "",
) -> TargetSweep:
    """Look at everything, and remove what is left of drills that are over.

    :param installation: id of the Airflow that asks: drills of others stay, and are named; empty: a person asks
    :param dry_run: change nothing
    """
    facts = look(hook, now, is_active, installation=installation)
    decision = _spare_existing(hook, facts, leftovers(facts, now))
    progress = _Pass(waiting=dict(decision.waiting), left=dict(decision.doubtful))
    for name, why in decision.kept.items():
        log.info("kept: %s: %s", name, why)
    if dry_run:
        progress.left |= {action.id: f"dry run: {action}" for action in decision.actions}
    else:
        _terminate(hook, decision, progress)
        _put_back(hook, decision, progress)
        _remove(hook, decision, progress)
    return TargetSweep(
        found=tuple(str(action) for action in decision.actions),
        done=tuple(progress.done),
        waiting=progress.waiting,
        left=progress.left,
        kept=dict(decision.kept),
        plans=_plans(decision),
    )


def _spare_existing(hook: "TracesHook", facts: Facts, decision: SweepDecision) -> SweepDecision:
    """Leave to a person what no launch is proven to have created."""
    chosen = {action.id for action in decision.actions if action.kind == "terminate"}
    instances = [instance for instance in facts.instances if str(instance["recoveryInstanceID"]) in chosen]
    proofs = creation_proofs(hook, instances, facts.jobs)
    spared = {name: kept_words(proof) for name, proof in proofs.items() if not proof.is_proven}
    return replace(
        decision,
        actions=tuple(
            action for action in decision.actions if not (action.kind == "terminate" and action.id in spared)
        ),
        doubtful={**decision.doubtful, **spared},
    )


def _plans(decision: SweepDecision) -> tuple[str, ...]:
    """Return whose drills something is left of; all that the tags name where that is of nobody knows which drill."""
    runs = {action.run for action in decision.actions if action.run}
    marks = decision.marks.values() if decision.doubtful else (decision.marks[run] for run in sorted(runs))
    return tuple(dict.fromkeys(mark.plan for mark in marks if mark.plan))


def look(hook: "TaggedNetworksHook", now: datetime, is_active: IsActive, *, installation: str = "") -> Facts:
    """Ask DRS and EC2 for everything that may be a drill's."""
    jobs = list(hook.jobs_since(now - RECENT))
    instances = hook.recovery_instances()
    known = {job["jobID"] for job in jobs}
    jobs += hook.jobs(sorted({str(instance["jobID"]) for instance in instances if instance.get("jobID")} - known))
    resources = hook.marked()
    versions = [
        Version(template, int(item["VersionNumber"]), server, item["CreateTime"])
        for template, server in hook.templates_with_more_versions().items()
        for item in hook.drill_versions(template)
    ]
    facts = Facts(
        jobs,
        instances,
        hook.source_servers(),
        resources,
        versions,
        installation=installation,
        defaults=dangling_defaults(hook, drilled_servers(jobs)),
    )
    return _with_active_runs(facts, now, is_active)


def drilled_servers(jobs: Iterable[Answer]) -> set[str]:
    """Return the source servers that drills of runs have launched."""
    from drs_provider.rules.launch.conflicts import is_recovery
    from drs_provider.rules.launch.tags import read_mark

    return {
        str(server["sourceServerID"])
        for job in jobs
        if (mark := read_mark(job.get("tags"))) and mark.is_drill and not is_recovery(job)
        for server in job.get("participatingServers", ())
    }


def dangling_defaults(hook: "TaggedNetworksHook", servers: Collection[str]) -> tuple[DefaultVersion, ...]:
    """Return the default versions of these servers' launch templates that name a place which does not exist."""
    from drs_provider.rules.settings.overtaken import places_named

    if not servers:
        return ()
    defaults = hook.defaults_of(servers)
    named = {server: places_named(version.data) for server, version in defaults.items()}
    unknown = hook.unknown_places({name for names in named.values() for name in names})
    return tuple(
        DefaultVersion(version.template_id, version.number, server, names, version.made_at)
        for server, version in defaults.items()
        if (names := tuple(name for name in named[server] if name in unknown))
    )


def _with_active_runs(facts: Facts, now: datetime, is_active: IsActive) -> Facts:
    """Ask of every drill whose time is over whether its run goes on. No answer is not "no"."""
    active: set[str] = set()
    unknown: dict[str, str] = {}
    for run, marks in expired_drills(facts, now).items():
        try:
            if is_active(marks):
                active.add(run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it does not say that the run is over
            words = str(error) or type(error).__name__
            log.warning("it is unknown whether %s is over: %s", " or ".join(map(str, marks)) or run, words)
            unknown[run] = f"it is unknown whether its run is over: {words}"
    return replace(facts, active_runs=frozenset(active), unknown_runs=unknown)


def _terminate(hook: "TaggedNetworksHook", decision: SweepDecision, progress: _Pass) -> None:
    chosen = {action.id: action for action in decision.actions if action.kind == "terminate"}
    if not chosen:
        return
    there = _still_there(hook, chosen, progress)
    _remember_parts(hook, [chosen[name] for name in there], decision.marks)
    for batch, outcome in terminations(hook, there):
        if not isinstance(outcome, AwsError):
            progress.done += [str(chosen[name]) for name in batch]
        elif isinstance(outcome, FOR_NOW):
            progress.waiting |= dict.fromkeys(batch, str(outcome))
        else:
            progress.left |= dict.fromkeys(batch, str(outcome))


def _still_there(hook: "TaggedNetworksHook", chosen: Mapping[str, Action], progress: _Pass) -> list[str]:
    """Look at each instance once more, right before it goes: only what is a drill's, of the job that was looked at."""
    described = hook.recovery_instances(instance_ids=tuple(chosen))
    now = {str(instance["recoveryInstanceID"]): instance for instance in described if is_live(instance)}
    there = []
    for name, action in chosen.items():
        instance = now.get(name)
        if instance is None:
            continue
        if instance.get("isDrill") is True and str(instance.get("jobID")) == action.job:
            there.append(name)
        else:
            progress.left[name] = "DRS describes it otherwise than a moment ago, so it is kept; look again"
    return there


def _remember_parts(hook: "TaggedNetworksHook", batch: Sequence[Action], marks: Mapping[str, Mark]) -> None:
    """Tag volumes and interfaces of what is terminated: EC2 may keep them, and the next pass goes by tags."""
    jobs: dict[str, list[str]] = defaultdict(list)
    for action in batch:
        jobs[action.run].append(action.id)
    for run, names in jobs.items():
        try:
            parts = hook.parts_of(names)
            ids = [each for part in parts.values() for each in (*part.volumes, *part.interfaces)]
            for start in range(0, len(ids), _MOST_TAGGED):
                hook.tag_in_ec2(ids[start : start + _MOST_TAGGED], tags_of_expired(marks[run]))
        except AwsError as error:
            log.warning("what EC2 keeps of %s will not be found again: %s", ", ".join(names), error)


def tags_of_expired(mark: Mark) -> dict[str, str]:
    """Return the tags of something whose drill is over already."""
    named = {PLAN: mark.plan, RUN_ID: mark.run_id} if mark.run_id else {}
    named |= {INSTALLATION: mark.installation} if mark.installation else {}
    named |= {TAKER: mark.taker} if mark.taker else {}
    return {RUN: mark.run, MODE: DRILL.name, EXPIRES: "2000-01-01T00:00:00Z", **named}


def _put_back(hook: "TaggedNetworksHook", decision: SweepDecision, progress: _Pass) -> None:
    from drs_provider.services.settings.launch_actions import apply_actions, in_all_actions
    from drs_provider.services.settings.survey import survey
    from drs_provider.services.settings.writer import in_all, put_back

    chosen = {action.id: action for action in decision.actions if action.kind == "put_back"}
    if not chosen:
        return
    try:
        found = survey(hook, {server: {} for server in chosen})
        errors = in_all(lambda server: put_back(hook, server), [server for server in found.servers if server.before])
        rest = [server for server in found.actions if server.server_id not in errors]
        errors |= in_all_actions(lambda server: apply_actions(hook, server), rest)
    except DrsProviderError as error:
        errors = dict.fromkeys(chosen, error)
    for server, action in chosen.items():
        if server in errors:
            progress.left[server] = str(errors[server])
        else:
            progress.done.append(str(action))


def _remove(hook: "TaggedNetworksHook", decision: SweepDecision, progress: _Pass) -> None:
    from drs_provider.hooks.tagged_networks import NETWORK_KINDS

    chosen = [action for action in decision.actions if action.kind == "remove"]
    one_by_one: dict[str, Callable[[str], None]] = {
        "volume": hook.delete_volume,
        "network-interface": hook.delete_interface,
    }
    for action in chosen:
        if action.what in one_by_one:
            _attempt([action], progress, lambda action=action: one_by_one[action.what](action.id))  # type: ignore[misc]
        elif action.what not in NETWORK_KINDS:
            progress.left[action.id] = f"a {action.what} of {action.run}: remove it manually ({action.why})"
    runs = dict.fromkeys(action.run for action in chosen if action.what in NETWORK_KINDS)
    for run in runs:
        gone, why = hook.remove(run)
        progress.done += [f"remove {name}" for name in gone]
        if any(name.startswith("vpce-") for name in why):  # EC2 deletes endpoints, which takes minutes
            progress.waiting |= why
        else:
            progress.left |= why
    for action in decision.actions:
        if action.kind == "forget_version":
            template, _, number = action.id.partition(":")
            _attempt([action], progress, lambda t=template, n=number: hook.forget_versions(t, [int(n)]))  # type: ignore[misc]


def _attempt(actions: Sequence[Action], progress: _Pass, act: Callable[[], object]) -> None:
    try:
        act()
    except DrsProviderError as error:
        progress.left |= {action.id: str(error) for action in actions}
    else:
        progress.done += [str(action) for action in actions]


def summary(swept: Sweep) -> list[str]:
    """Word what passes over several accounts and Regions did, a line each thing."""
    lines = []
    for where, target in swept.targets.items():
        lines += [f"{where}: {text}" for text in target.done]
        lines += [f"{where}: waiting: {name}: {why}" for name, why in target.waiting.items()]
        lines += [f"{where}: LEFT: {name}: {why}" for name, why in target.left.items()]
        if not (target.goes_on or target.left):
            kept = f", {len(target.kept)} of drills that may still be running" if target.kept else ""
            lines.append(f"{where}: nothing is left of drills{kept}")
    return lines
