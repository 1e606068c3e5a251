"""What only a whole plan or a whole group can know about itself; add a rule by adding a generator."""

from collections.abc import Callable, Iterator, Mapping

from drs_provider.formatting import joined
from drs_provider.people import alike, sharing_an_address
from drs_provider.plan.findings import PlanFinding
from drs_provider.plan.model import (
    Approval,
    Commit,
    EmailNotification,
    FailbackCleanUp,
    LaunchSettings,
    Pause,
    ProtectionGroup,
    RecoveryPlan,
    Step,
    Wave,
    has_migrations,
    is_launched_ahead,
    stops_writes,
    wave_dependencies,
    waves_above,
)
from drs_provider.plan.problems import nearest
from drs_provider.plan.steps import approvers_twice, too_few_approvers
from drs_provider.plan.yaml_source import Location

NO_WAVE_NAMES = ("preflight", "finish")
"""Task groups that stand around the waves."""
NO_PLAN_NAMES = ("sweeper",)
"""DAGs that are no plans: ``drs.sweeper``."""
NO_STEP_NAMES = (
    "start_recovery",
    "recovery_job",
    "servers",
    "delay",
    "pause",
    "notifications",
    "final_sync",
    "stop_sources",
    "stop_originals",
)
"""Tasks that stand beside the steps of a wave."""


def members_or_selection(group: ProtectionGroup) -> Iterator[PlanFinding]:
    """A group has members."""
    if not group.servers and group.select is None:
        yield PlanFinding((), "a group needs servers, select, or both")


def members_once(group: ProtectionGroup) -> Iterator[PlanFinding]:
    """A group names a server once."""
    seen: set[str] = set()
    for position, member in enumerate(group.servers):
        if member.id in seen:
            yield PlanFinding(("servers", position), f"{member.id} is named twice in this group")
        seen.add(member.id)


def private_address_of_one(group: ProtectionGroup) -> Iterator[PlanFinding]:
    """A fixed address is for one server, and is not copied at the same time."""
    is_one = len(group.servers) == 1 and group.select is None
    for key in ("launch", "drill_launch", "failback_launch"):
        yield from _one_address(getattr(group, key), (key,), is_one=is_one, member_key=_OF_MEMBERS[key])
    for position, member in enumerate(group.servers):
        yield from _one_address(member.launch, ("servers", position, "launch"))
        yield from _one_address(member.failback_launch, ("servers", position, "failback_launch"))


_OF_MEMBERS = {"launch": "launch", "drill_launch": "launch", "failback_launch": "failback_launch"}
"""Under which key of a member the same can be said for it alone."""


def _one_address(
    settings: LaunchSettings, location: Location, *, is_one: bool = True, member_key: str = ""
) -> Iterator[PlanFinding]:
    if settings.private_ip and not is_one:
        what, hint = "one address cannot be given to several servers", f"set it in the {member_key} of a single member"
        yield PlanFinding((*location, "private_ip"), what, hint, at_key=True)
    if settings.private_ip and settings.copy_private_ip:
        what = "private_ip and copy_private_ip exclude each other"
        yield PlanFinding((*location, "copy_private_ip"), what, "keep one of them", at_key=True)


def address_of_one_on_the_way_back(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """A fixed address is for one server, and a plan's settings for the way back are for all of its servers."""
    if plan.failback:
        settings = plan.failback.launch
        yield from _one_address(settings, ("failback", "launch"), is_one=False, member_key="failback_launch")


def launched_ahead(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """What is to be launched ahead of its wave can be, and is something."""
    waves = [(("waves", position), wave) for position, wave in enumerate(plan.waves)]
    for location, wave in waves:
        if wave.launch == "ahead" and not wave.groups:
            yield PlanFinding((*location, "launch"), "a wave without groups launches nothing", "remove it", at_key=True)
    if plan.launch == "ahead" and not any(is_launched_ahead(plan, wave) for _, wave in waves):
        what = "no wave launches ahead: each has no groups, or says in_waves itself"
        yield PlanFinding(("launch",), what, "remove it here, or in a wave")


def writes_stop_first(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Sources are stopped once a recovery point holds all that was written: something must stop the writes before."""
    if not plan.migration.stop_sources or stops_writes(plan):
        return
    hint = "add a step with when: migration to before that stops them"
    if not has_migrations(plan):
        what = "nothing stops the writes before the sources: DRS makes no recovery point of an instance that is stopped"
        yield PlanFinding(("migration", "stop_sources"), what, hint, at_key=True)
        return
    depends_on = wave_dependencies(plan)
    quiet = {wave.name for wave in plan.waves if stops_writes(wave)}
    for position, wave in enumerate(plan.waves):
        if wave.groups and not quiet & {wave.name, *waves_above(depends_on, wave.name)}:
            what = "nothing stops the writes of this wave before its sources are stopped"
            yield PlanFinding(("waves", position), what, f"{hint}, of the plan or of this wave")


def steps_on_the_way_back(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """A plan that has steps for failbacks has failbacks."""
    for location, step in _all_steps(plan):
        if step.when == "failback" and plan.failback is None:
            what = "the plan has no failback, so this step would never take place"
            hint = "give the plan failback:, or write drill, recovery, migration or always"
            yield PlanFinding((*location, "when"), what, hint)


def plan_name(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """A plan's DAG has a name of its own."""
    if plan.name in NO_PLAN_NAMES:
        yield PlanFinding(("name",), f"drs.{plan.name} is a DAG of this package's own", "choose another")


def wave_names(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Waves have names of their own, and none of the task groups around them."""
    seen: set[str] = set()
    for position, wave in enumerate(plan.waves):
        here: Location = ("waves", position, "name")
        if wave.name in NO_WAVE_NAMES:
            yield PlanFinding(here, f"{wave.name!r} is the name of a task group around the waves", "choose another")
        if wave.name in seen:
            yield PlanFinding(here, f"there are two waves called {wave.name!r}", "rename one")
        seen.add(wave.name)


def waves_do_something(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """A wave has groups or steps."""
    for position, wave in enumerate(plan.waves):
        if not (wave.groups or wave.before or wave.after):
            yield PlanFinding(("waves", position), "a wave needs groups, or steps in before or after")


def groups_once(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """A group is in at most one wave of a plan."""
    first: dict[str, str] = {}
    for position, wave in enumerate(plan.waves):
        for place, group in enumerate(wave.groups):
            if group in first:
                where = "twice in this wave" if first[group] == wave.name else f"in wave {first[group]!r} already"
                yield PlanFinding(("waves", position, "groups", place), f"group {group!r} is {where}", "remove one")
            first.setdefault(group, wave.name)


def known_dependencies(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """A wave waits for other waves of the plan, each once."""
    names = {wave.name for wave in plan.waves}
    for position, wave in enumerate(plan.waves):
        waits_for = wave.depends_on or ()
        for place, name in enumerate(waits_for):
            here: Location = ("waves", position, "depends_on", place)
            if name == wave.name:
                yield PlanFinding(here, "a wave cannot wait for itself", "remove it")
            elif name not in names:
                yield PlanFinding(here, f"no wave called {name!r}", nearest(name, names - {wave.name}))
            elif name in waits_for[:place]:
                yield PlanFinding(here, f"{name!r} is named twice", "remove one")


def no_cycles(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Waves do not wait for each other in a circle."""
    waits_for = wave_dependencies(plan)
    cycle = _find_cycle({name: [other for other in waits_for[name] if other != name] for name in waits_for})
    if cycle:
        position = next(place for place, wave in enumerate(plan.waves) if wave.name == cycle[0])
        path = " -> ".join(cycle)
        hint = "an arrow means: waits for; leave one out of depends_on"
        explicit = plan.waves[position].depends_on is not None
        here: Location = ("waves", position, "depends_on") if explicit else ("waves", position)
        yield PlanFinding(here, f"waves wait for each other: {path}", hint, subject="waves")


def _find_cycle(waits_for: Mapping[str, list[str]]) -> list[str]:
    """Give one circle, beginning and ending with the same wave; the plan's order decides which. No recursion."""
    done: set[str] = set()
    for start in waits_for:
        # A dict, because it keeps the order of the path and finds a name in it at once.
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(waits_for[start])}
        while path:
            name, others = next(reversed(path.items()))
            other = next((wave for wave in others if wave in waits_for and wave not in done), None)
            if other is None:
                done.add(name)
                del path[name]
            elif other in path:
                names = list(path)
                return [*names[names.index(other) :], other]
            else:
                path[other] = iter(waits_for[other])
    return []


def step_names(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Steps have names of their own where they stand, and none of the tasks beside them."""
    yield from _unique_steps((), plan, reserved=(), place="plan")
    for position, wave in enumerate(plan.waves):
        yield from _unique_steps(("waves", position), wave, reserved=NO_STEP_NAMES, place="wave")


def _unique_steps(
    above: Location, owner: RecoveryPlan | Wave, *, reserved: tuple[str, ...], place: str
) -> Iterator[PlanFinding]:
    seen: set[str] = set()
    for location, step in _steps(above, owner):
        here: Location = (*location, "name")
        # A name has no underscore, so what could collide are names that read alike.
        if step.name.replace("-", "_") in reserved:
            yield PlanFinding(here, f"{step.name!r} is the name of a task of every wave", "choose another")
        if step.name in seen:
            yield PlanFinding(here, f"there are two steps called {step.name!r} in this {place}", "rename one")
        seen.add(step.name)


def _steps(above: Location, owner: RecoveryPlan | Wave) -> Iterator[tuple[Location, Step]]:
    for key, steps in (("before", owner.before), ("after", owner.after)):
        for position, step in enumerate(steps):
            yield (*above, key, position), step


def _all_steps(plan: RecoveryPlan) -> Iterator[tuple[Location, Step]]:
    yield from _steps((), plan)
    for position, wave in enumerate(plan.waves):
        yield from _steps(("waves", position), wave)


def enough_approvers(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Nobody waits for more agreements than there are people."""
    asked: tuple[tuple[Location, Approval | None], ...] = (
        (("recovery", "approval"), plan.recovery.approval),
        (("migration", "stop_sources"), plan.migration.stop_sources),
        (("failback", "approval"), plan.failback.approval if plan.failback else None),
    )
    for location, approval in asked:
        for problem in too_few_approvers(approval.required, approval.approvers) if approval else ():
            yield PlanFinding((*location, problem.field), problem.what, problem.hint)


def people_once(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Nobody is named twice among those who may answer a question."""
    asked: list[tuple[Location, Pause | Commit | FailbackCleanUp | None]] = [
        *((("waves", position, "pause_before"), wave.pause_before) for position, wave in enumerate(plan.waves)),
        (("recovery", "commit"), plan.recovery.commit),
        (("failback", "clean_up"), plan.failback.clean_up if plan.failback else None),
    ]
    for location, question in asked:
        for problem in approvers_twice(question.approvers) if question else ():
            yield PlanFinding((*location, problem.field), problem.what, problem.hint)


def mailboxes(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Nobody can answer as two people because mails to both arrive in one mailbox."""
    addresses: dict[str, list[str]] = {}
    for notification in plan.notify:
        if isinstance(notification, EmailNotification):
            for name, address in notification.people.items():
                addresses.setdefault(name, []).append(address)
    for people in sharing_an_address(addresses):
        what = f"{joined(people)} have one address: who reads it could answer as each of them"
        yield PlanFinding(("notify",), what, "give each person an own address, or write the address under to")
    for names in alike(addresses):
        what = f"{joined([repr(name) for name in names])} are one person: they differ only by case, blanks or the like"
        yield PlanFinding(("notify",), what, "keep the name that Airflow gives that user")


def step_problems(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Steps can do what they say, as far as their kind can tell."""
    for location, step in _all_steps(plan):
        for problem in step.problems():
            yield PlanFinding((*location, problem.field), problem.what, problem.hint)


def notified_somebody(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """A mail has somebody to go to."""
    for position, notification in enumerate(plan.notify):
        if isinstance(notification, EmailNotification) and not (notification.to or notification.people):
            yield PlanFinding(("notify", position), "an email needs to, people, or both")


GROUP_CHECKS: tuple[Callable[[ProtectionGroup], Iterator[PlanFinding]], ...] = (
    members_or_selection,
    members_once,
    private_address_of_one,
)
PLAN_CHECKS: tuple[Callable[[RecoveryPlan], Iterator[PlanFinding]], ...] = (
    plan_name,
    wave_names,
    waves_do_something,
    groups_once,
    known_dependencies,
    no_cycles,
    step_names,
    enough_approvers,
    people_once,
    step_problems,
    launched_ahead,
    steps_on_the_way_back,
    writes_stop_first,
    address_of_one_on_the_way_back,
    notified_somebody,
    mailboxes,
)


def group_findings(group: ProtectionGroup) -> Iterator[PlanFinding]:
    """Find everything that is wrong with a group by itself."""
    for check in GROUP_CHECKS:
        yield from check(group)


def plan_findings(plan: RecoveryPlan) -> Iterator[PlanFinding]:
    """Find everything that is wrong with a plan by itself."""
    for check in PLAN_CHECKS:
        yield from check(plan)
