"""What the origin says before production goes back: what is launched into, with which settings, and with what room."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import AccessDenied, RunRefused
from drs_provider.rules.failback.circle import Circle, ReplicationPlace
from drs_provider.rules.failback.cut_over import Original, drill_settings_of, original_of, why_not_overwritten
from drs_provider.rules.failback.launchable import convertible, is_from_data_centre, launchable
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.findings import Finding
from drs_provider.rules.launch.quotas import quota_notes
from drs_provider.rules.preflight.permissions import (
    permission_findings,
    permission_notes,
    questions,
    stop_questions,
    way_back_questions,
)
from drs_provider.rules.purpose import FAILBACK, RECOVERY
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.rules.run.handover import ServerBack
from drs_provider.services.failback.read import CircleReader, CirclesRead
from drs_provider.services.launch.existing_instances import existing_instances

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.preflight.outcome import AnyFinding
    from drs_provider.rules.settings.values import Settings

IN_DATA_CENTRE: Final = frozenset({Stage.LAUNCHING, Stage.FAILED_BACK, Stage.REPROTECTING, Stage.REPROTECTED})
"""Where the failback client of a server is converted, or being so."""

MACHINE: Final = "its machine"

SettingsHookOf = Callable[[AwsArguments], "LaunchSettingsHook"]
"""Makes the hook that reads and changes launch settings in a place."""


_LAGGING: Final = frozenset({"BACKLOG", "CREATING_SNAPSHOT", "CONTINUOUS"})
"""By ``dataReplicationState``: every disk is copied, and what was written since is on its way."""


@dataclass(frozen=True)
class OriginsLook:
    """What the origins of some servers say.

    :ivar originals: by server id, of those that are ready to be launched from EC2
    :ivar backs: where every server goes that is on its way
    """

    originals: Mapping[str, Original] = field(default_factory=dict)
    backs: Mapping[str, ServerBack] = field(default_factory=dict)
    findings: "tuple[AnyFinding, ...]" = ()
    notes: tuple[str, ...] = ()


def originals_in(
    reader: CircleReader, read: CirclesRead, server_ids: Sequence[str], hook_of: SettingsHookOf
) -> dict[str, Original]:
    """Ask what the launches of servers that are ready meet in their origins, by server id."""
    found: dict[str, Original] = {}
    for place, here in _by_origin(read, [name for name in server_ids if _is_launched_next(read, name)]).items():
        hook = hook_of(reader.aws_in(place))
        backs = {server_id: read.states[server_id].failback_server for server_id in here}
        into = existing_instances(
            hook,
            tuple(backs.values()),
            configurations=hook.launch_configurations(tuple(backs.values())),
            sources=hook.source_servers(tuple(backs.values())),
        )
        described = hook.ec2_instances(sorted({each.instance_id for each in into.values() if each.instance_id}))
        found |= {
            server_id: original_of(read.circles[server_id], into.get(back), described)
            for server_id, back in backs.items()
        }
    return found


def why_not_launched(reader: CircleReader, agreed: Mapping[str, str], hook_of: SettingsHookOf) -> dict[str, str]:
    """Say which servers would not be launched in their origins now, and why. What only lags is waited for later.

    :param agreed: by server id the instance that people have agreed to launch it into; empty: a new one
    :raises AwsError: a place does not answer now
    """
    read = reader.read(tuple(agreed))
    read.ensure_answered()
    found: dict[str, str] = {}
    for server_id, state in read.states.items():
        circle = read.circles[server_id]
        is_converted = circle.server is not None and is_from_data_centre(circle)
        answer = convertible(state, circle) if is_converted else launchable(state, circle, "failback")
        if answer.why_not and not _only_lags(state, circle, is_converted=is_converted):
            found[server_id] = answer.why_not
    left = [name for name in agreed if name not in found]
    for server_id, original in originals_in(reader, read, left, hook_of).items():
        if why := why_not_overwritten(original, agreed[server_id]):
            found[server_id] = why
    return found


def _only_lags(state: CircleState, circle: Circle, *, is_converted: bool) -> bool:
    """Tell whether a copy was complete once, and is but behind: what is copied anew takes hours without any writes."""
    record = circle.recovered[0] if circle.recovered else {}
    failback = (record.get("failback") or {}).get("state")
    was_complete = not is_converted or failback == "FAILBACK_READY_FOR_LAUNCH"
    return state.stage is Stage.COPYING and was_complete and state.copy is not None and state.copy.state in _LAGGING


def look_at_origins(
    reader: CircleReader,
    read: CirclesRead,
    settings: "Mapping[str, Settings]",
    waves: Mapping[str, Sequence[str]],
    hook_of: SettingsHookOf,
) -> OriginsLook:
    """Look at everything in the origins that a cut-over hangs on; changes nothing.

    :param settings: the launch settings in the origin by server id, of all servers of the look
    :param waves: by wave the ids of the servers of the look that it launches
    :raises AwsError: an origin does not answer now
    """
    originals = originals_in(reader, read, tuple(settings), hook_of)
    backs = _backs_to_data_centres(read, tuple(settings))
    look = OriginsLook(originals=originals, backs=backs, notes=_room_for_clients(reader, read, backs, waves, hook_of))
    on_the_way = [name for name in settings if read.states[name].failback_server and name not in look.backs]
    for place, here in _by_origin(read, on_the_way).items():
        aws = reader.aws_in(place)
        hook = hook_of(aws)
        ready = {server_id: settings[server_id] for server_id in here if server_id in originals}
        counts = {wave: sum(name in ready for name in names) for wave, names in waves.items()}
        where = f"{place.region} of account {place.account}"
        notes = quota_notes(where, {wave: n for wave, n in counts.items() if n}, hook.quotas(), _jobs(read, here))
        checked = _settings(hook, read, ready, where)
        left = _left_by_drills(read, ready)
        changes = any(ready.values()) or bool(left)
        allowed = _permissions(hook, where, settings=changes, actions=bool(left), stops=_stops(originals, here))
        look = replace(
            look,
            backs={**look.backs, **{name: _back(read, name, place, aws, originals.get(name)) for name in here}},
            findings=(*look.findings, *checked.findings, *left, *allowed.findings),
            notes=(*look.notes, *notes, *checked.notes, *allowed.notes),
        )
    return look


def _is_launched_next(read: CirclesRead, server_id: str) -> bool:
    state, circle = read.states[server_id], read.circles[server_id]
    return state.stage is Stage.READY and not is_from_data_centre(circle) and not circle.is_in_one_region


def _by_origin(read: CirclesRead, server_ids: Sequence[str]) -> dict[ReplicationPlace, list[str]]:
    found: defaultdict[ReplicationPlace, list[str]] = defaultdict(list)
    for server_id in server_ids:
        if (place := read.origin_of(server_id)) is not None and place not in read.unread:
            found[place].append(server_id)
    return found


def _jobs(read: CirclesRead, server_ids: Sequence[str]) -> Sequence[Mapping[str, object]]:
    circle: Circle = read.circles[server_ids[0]]
    return circle.origin.jobs if circle.origin else ()


def _stops(originals: Mapping[str, Original], server_ids: Sequence[str]) -> bool:
    return any(originals[name].is_running for name in server_ids if name in originals)


def _back(
    read: CirclesRead, server_id: str, place: ReplicationPlace, aws: AwsArguments, original: Original | None
) -> ServerBack:
    state = read.states[server_id]
    return ServerBack(
        failback_server=state.failback_server,
        recovered=state.recovered,
        account=place.account,
        region=place.region,
        aws_conn_id=aws["aws_conn_id"] or "",
        original=original.overwritten if original else "",
        stops=original.is_running if original else False,
    )


def _backs_to_data_centres(read: CirclesRead, server_ids: Sequence[str]) -> dict[str, ServerBack]:
    """Name the servers whose failback clients are converted; AWS has no place for where they go."""
    return {
        server_id: ServerBack(
            failback_server="",
            recovered=read.states[server_id].recovered,
            account="",
            region="",
            aws_conn_id="",
            already=MACHINE if read.states[server_id].stage in IN_DATA_CENTRE else "",
            from_data_centre=True,
        )
        for server_id in server_ids
        if read.states[server_id].recovered and is_from_data_centre(read.circles[server_id])
    }


def _room_for_clients(
    reader: CircleReader,
    read: CirclesRead,
    backs: Mapping[str, ServerBack],
    waves: Mapping[str, Sequence[str]],
    hook_of: SettingsHookOf,
) -> tuple[str, ...]:
    """Say what room there is for jobs that convert failback clients: they are jobs of the recovery Region."""
    asked = {name for name, back in backs.items() if back.is_converted}
    if not asked:
        return ()
    counts = {wave: n for wave, names in waves.items() if (n := sum(name in asked for name in names))}
    jobs = read.circles[next(iter(asked))].recovery.jobs
    where = f"{read.place.region} of account {read.place.account}"
    return tuple(quota_notes(where, counts, hook_of(reader.aws).quotas(), jobs))


def _settings(
    hook: "LaunchSettingsHook", read: CirclesRead, settings: "Mapping[str, Settings]", where: str
) -> OriginsLook:
    """Hold what the plan says of launches in the origin, and what is set there, against EC2 and IAM."""
    from drs_provider.services.settings.apply import ensure_sound
    from drs_provider.services.settings.survey import survey_settings

    if not settings:
        return OriginsLook()
    owners = {read.states[server_id].failback_server: server_id for server_id in settings}
    wanted = {back: settings[server_id] for back, server_id in owners.items()}
    try:
        ensure_sound(settings)
        found = survey_settings(hook, wanted, whole=True)
    except RunRefused as refusal:
        return OriginsLook(findings=(Finding("refusal", where, where, str(refusal), "correct the plan", "way_back"),))
    except AccessDenied as refusal:
        what = f"the launch settings of FAILBACK servers cannot be read: {refusal}"
        return OriginsLook(
            findings=(
                Finding("refusal", where, where, what, "add what is missing, by docs/permissions.md", "way_back"),
            )
        )
    findings = tuple(
        replace(finding, server_id=owners[finding.server_id], hostname=read.hostnames[owners[finding.server_id]])
        for finding in found.findings
        if finding.server_id in owners
    )
    return OriginsLook(findings=findings)


def _left_by_drills(read: CirclesRead, server_ids: Iterable[str]) -> tuple[Finding, ...]:
    """Warn of what a failback drill has left at servers that are about to be launched."""
    return tuple(
        Finding(
            "warning",
            server_id,
            read.hostnames[server_id],
            what,
            "they are put back right before the launch; if that drill still goes on, wait for its end",
            "way_back",
            kind="drill_settings",
        )
        for server_id in server_ids
        if (what := drill_settings_of(read.circles[server_id]))
    )


def _permissions(hook: "LaunchSettingsHook", where: str, *, settings: bool, actions: bool, stops: bool) -> OriginsLook:
    """Ask IAM what the connection of the origin may not do."""
    from drs_provider.hooks.iam import permission_gaps

    # What is launched there bears the tags of a recovery: policies tell it from a drill by them.
    asked = (
        *questions(RECOVERY, settings=settings, launch_actions=actions),
        *way_back_questions(in_origin=True),
        *(stop_questions(RECOVERY) if stops else ()),
    )
    gaps = permission_gaps(hook, asked)
    count = len({name for question in asked for name in question.actions})
    return OriginsLook(
        findings=permission_findings(where, gaps, FAILBACK), notes=permission_notes(where, gaps, asked=count)
    )
