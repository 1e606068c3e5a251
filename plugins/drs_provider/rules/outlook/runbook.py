"""A plan on paper, before any run of it: every step in its order, with people, commands and addresses.

It is what is taken out of the drawer when Airflow itself is gone, so it says in words what each wave does.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from drs_provider.formatting import joined, plural, timespan
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import Member, ProtectionGroup, RecoveryPlan, Step, Wave, is_launched_ahead
from drs_provider.plan.step_kinds import step_kind
from drs_provider.plan.steps import RunKind
from drs_provider.rules.outlook.plan_outlook import ModeOutlook, PlanOutlook, plan_outlook
from drs_provider.rules.run.timing import levels

_COMMON: Final = frozenset({"kind", "name", "when", "timeout", "retries", "on_failure", "message", "approvers"})


@dataclass(frozen=True)
class RunbookServer:
    """A server to launch: ``hostname`` empty: nobody knows it; ``addresses`` are those that the plan gives it."""

    server_id: str
    hostname: str
    group: str
    order: int
    critical: bool
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunbookStep:
    """One thing to do. ``facts`` are its settings in words: commands, addresses, documents, each with what it is."""

    number: str
    title: str
    kind: str = ""
    people: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    servers: tuple[RunbookServer, ...] = ()


@dataclass(frozen=True)
class RunbookPart:
    """Steps that belong together: a wave, or what stands around all waves."""

    number: str
    title: str
    about: str
    steps: tuple[RunbookStep, ...]


@dataclass(frozen=True)
class Runbook:
    """The whole of it, for one mode of runs."""

    plan: RecoveryPlan
    digest: str
    mode: RunKind
    parts: tuple[RunbookPart, ...]
    outlook: PlanOutlook
    people: tuple[str, ...]

    @property
    def launched(self) -> ModeOutlook:
        """The outlook in the way in which the plan launches."""
        return next((mode for mode in self.outlook.modes if mode.launch == self.plan.launch), self.outlook.modes[0])


@dataclass(frozen=True)
class KnownMembers:
    """What is known of servers now: their names, and the ids of each group's servers; empty: nobody has asked."""

    hostnames: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


def make_runbook(runnable: RunnablePlan, mode: RunKind, known: KnownMembers) -> Runbook:
    """Write a plan down, as a run of this mode would do it."""
    plan = runnable.plan
    counts = {group: len(members) for group, members in known.groups.items()}
    outlook = plan_outlook(plan, runnable.groups, counts)
    parts = list(_parts(runnable, mode, known, outlook))
    return Runbook(
        plan=plan,
        digest=runnable.digest,
        mode=mode,
        parts=tuple(
            RunbookPart(str(number), part.title, part.about, tuple(_numbered(part.steps, str(number))))
            for number, part in enumerate((part for part in parts if part.steps), start=1)
        ),
        outlook=outlook,
        people=tuple(dict.fromkeys(person for part in parts for step in part.steps for person in step.people)),
    )


def _numbered(steps: Sequence[RunbookStep], above: str) -> Iterator[RunbookStep]:
    for number, step in enumerate(steps, start=1):
        yield RunbookStep(f"{above}.{number}", step.title, step.kind, step.people, step.facts, step.servers)


def _parts(runnable: RunnablePlan, mode: RunKind, known: KnownMembers, outlook: PlanOutlook) -> Iterator[RunbookPart]:
    plan = runnable.plan
    opening = [*_agreement(plan, mode), *_steps(plan.before, mode)]
    yield RunbookPart("", "Before all waves", "Preflight looks at every server first.", tuple(opening))
    waves = {wave.name: wave for wave in plan.waves}
    for row in levels(outlook.depends_on):
        for name in row:
            steps = tuple(_wave_steps(waves[name], runnable, mode, known))
            yield RunbookPart("", f"Wave {name}", _about(plan, waves[name], row, outlook), steps)
    yield RunbookPart("", "After all waves", "", (*_steps(plan.after, mode), *_ending(plan, mode)))


def _agreement(plan: RecoveryPlan, mode: RunKind) -> Iterator[RunbookStep]:
    approval = plan.recovery.approval if mode in {"recovery", "migration"} else None
    if approval:
        title = f"{approval.required} of {joined(approval.approvers)} must agree"
        yield RunbookStep("", title, "Approval", approval.approvers, (("within", timespan(approval.timeout)),))


def _ending(plan: RecoveryPlan, mode: RunKind) -> Iterator[RunbookStep]:
    if mode == "drill":
        kept = plan.drill.keep_for
        after = f" after {timespan(kept)}" if kept else ""
        yield RunbookStep("", f"Drill instances are cleaned up{after}", "Clean-up")
    elif mode == "recovery" and plan.recovery.commit:
        commit = plan.recovery.commit
        facts = (("within", timespan(commit.within)), ("if nobody answers", commit.on_timeout.replace("_", " ")))
        yield RunbookStep("", "Commit, or roll back", "Question", commit.approvers, facts)


def _about(plan: RecoveryPlan, wave: Wave, row: Sequence[str], outlook: PlanOutlook) -> str:
    above = outlook.depends_on[wave.name]
    begins = f"Starts after {joined(above)}" if above else "Starts at once"
    beside = [name for name in row if name != wave.name]
    side = f", beside {joined(beside)}" if beside else ""
    ahead = (
        "; its servers are launched stopped ahead of all waves and started now" if is_launched_ahead(plan, wave) else ""
    )
    return f"{begins}{side}{ahead}."


def _wave_steps(wave: Wave, runnable: RunnablePlan, mode: RunKind, known: KnownMembers) -> Iterator[RunbookStep]:
    if wave.delay_before:
        yield RunbookStep("", f"Wait for {timespan(wave.delay_before)}", "Delay")
    if pause := wave.pause_before:
        facts = (("within", timespan(pause.timeout)), ("if nobody answers", pause.on_timeout))
        yield RunbookStep("", pause.message, "Question", pause.approvers, facts)
    yield from _steps(wave.before, mode)
    servers = [server for name in wave.groups for server in _servers(runnable.groups[name], mode, known)]
    if wave.groups:
        is_open = any(runnable.groups[name].select and name not in known.groups for name in wave.groups)
        count = "the servers" if is_open else plural(len(servers), "server")
        yield RunbookStep(
            number="",
            title=f"Launch {count} of {joined(wave.groups)}",
            kind="Launch",
            facts=tuple(_launch_facts(wave, runnable.groups)),
            servers=tuple(sorted(servers, key=lambda server: (server.order, server.group))),
        )
    yield from _steps(wave.after, mode)


def _launch_facts(wave: Wave, groups: Mapping[str, ProtectionGroup]) -> Iterator[tuple[str, str]]:
    targets = dict.fromkeys(
        f"{groups[name].region or 'the Region of the connection'}, connection {groups[name].aws_conn_id}"
        for name in wave.groups
    )
    yield "where", joined(list(targets))
    yield "ready when", wave.ready.replace("_", " ")
    yield "at most", timespan(wave.timeout)
    if wave.retry_failed:
        yield "failed ones again", plural(wave.retry_failed, "time")
    if wave.tolerate_failures.amount:
        yield "may fail", str(wave.tolerate_failures.amount)
    for name in wave.groups:
        if tags := groups[name].select:
            words = ", ".join(f"{key}={'|'.join(values)}" for key, values in tags.tags.items())
            yield f"{name} by tag", words


def _servers(group: ProtectionGroup, mode: RunKind, known: KnownMembers) -> Iterator[RunbookServer]:
    named = {member.id: member for member in group.servers}
    for server_id in dict.fromkeys([*named, *known.groups.get(group.name, ())]):
        member = named.get(server_id)
        yield RunbookServer(
            server_id=server_id,
            hostname=known.hostnames.get(server_id, ""),
            group=group.name,
            order=member.order if member else 1,
            critical=member.critical if member else True,
            addresses=tuple(_addresses(group, member, mode)),
        )


def _addresses(group: ProtectionGroup, member: Member | None, mode: RunKind) -> Iterator[str]:
    layers = [group.launch, *([group.drill_launch] if mode == "drill" else []), *([member.launch] if member else [])]
    given = [layer.private_ip for layer in layers if layer.private_ip]
    if given:
        yield given[-1]
    elif any(layer.copy_private_ip for layer in layers):
        yield "as the source"


def _steps(steps: Sequence[Step], mode: RunKind) -> Iterator[RunbookStep]:
    for step in steps:
        if mode in step.run_kinds:
            people = tuple(getattr(step, "approvers", ()))
            title = str(getattr(step, "message", "") or step.name)
            yield RunbookStep("", title, step_kind(step.kind).title, people, tuple(_facts(step)))


def _facts(step: Step) -> Iterator[tuple[str, str]]:
    written = step.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for key, value in written.items():
        if key not in _COMMON:
            yield key.replace("_", " "), _words(value)
    yield "at most", timespan(step.timeout)
    if step.retries:
        yield "again", plural(step.retries, "time")
    yield "if it fails", "the run fails" if step.on_failure == "fail" else "the run goes on"


def _words(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(str(item) for item in value)
    if isinstance(value, dict) and all(isinstance(item, str | list) for item in value.values()):
        return "\n".join(f"{key}: {_words(item)}" for key, item in value.items())
    return json.dumps(value, ensure_ascii=False)


def _server_words(server: RunbookServer) -> Iterator[str]:
    yield from (f"{server.order}.", server.hostname or "?", server.server_id, *server.addresses)


def runbook_text(runbook: Runbook) -> str:
    """Write a runbook for a terminal or a plain file."""
    plan, launched = runbook.plan, runbook.launched
    lines = [f"{plan.title or plan.name} ({plan.name}): runbook of a {runbook.mode}", f"plan {runbook.digest}", ""]
    lines.append(f"expected: {timespan(launched.total)}; critical path: {' -> '.join(launched.critical_path)}")
    if runbook.people:
        lines.append(f"people: {joined(runbook.people)}")
    for part in runbook.parts:
        lines += ["", f"{part.number}. {part.title}", *([f"   {part.about}"] if part.about else [])]
        for step in part.steps:
            lines.append(f"   {step.number} [ ] {step.kind}: {step.title}")
            if step.people:
                lines.append(f"         ask: {joined(step.people)}")
            lines += [f"         {name}: {text}".replace("\n", "\n           ") for name, text in step.facts]
            lines += [f"         {' '.join(_server_words(server))}" for server in step.servers]
    return "\n".join(lines) + "\n"
