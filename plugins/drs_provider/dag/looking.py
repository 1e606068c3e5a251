"""What preflight looks at beyond the servers themselves: permissions, places to land, launch actions, quotas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drs_provider.graph.request import DRILL
from drs_provider.graph.roster import RosterServer

if TYPE_CHECKING:
    from drs_provider.aws.hook import DrsHook
    from drs_provider.recovery.quotas import Quotas
    from drs_provider.recovery.readiness import Finding


@dataclass(frozen=True)
class Occasion:
    """The run, as far as one account and Region are concerned.

    ``waves``: the servers that are launched there, by wave. ``settings``: what the plan sets, by server id; servers in
    ``checked`` had their settings validated already.
    """

    where: str
    mode: str
    waves: Mapping[str, Sequence[RosterServer]]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checked: frozenset[str] = frozenset()

    @property
    def servers(self) -> Mapping[str, str]:
        """Hostnames by id, of the servers that DRS knows."""
        return {one.server_id: one.hostname for servers in self.waves.values() for one in servers if one.known}


@dataclass(frozen=True)
class Depth:
    """What speaks against the run, what is worth a line, and where each server would land (by id)."""

    findings: "tuple[Finding, ...]" = ()
    notes: tuple[str, ...] = ()
    placements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def look_deeper(
    hook: "DrsHook",
    occasion: Occasion,
    *,
    quotas: "Quotas",
    jobs: Sequence[Mapping[str, Any]],
    instances: Sequence[Mapping[str, Any]],
) -> Depth:
    """Ask one account and Region; what it may not be asked is a note, never a reason.

    :param jobs: DescribeJobs' items of the last day
    :param instances: DescribeRecoveryInstances' items of the run's servers
    """
    from drs_provider.recovery.quota_need import quota_notes

    permissions = _permissions(hook, occasion)
    places = _places(hook, occasion, instances)
    actions = _launch_actions(hook, occasion)
    counted = {wave: sum(one.known for one in servers) for wave, servers in occasion.waves.items()}
    counts = quota_notes(occasion.where, counted, quotas, jobs)
    return Depth(
        (*permissions.findings, *places.findings, *actions.findings),
        (*counts, *permissions.notes, *places.notes, *actions.notes),
        places.placements,
    )


def _permissions(hook: "DrsHook", occasion: Occasion) -> Depth:
    from drs_provider.aws.permissions import permission_gaps
    from drs_provider.recovery.permissions import permission_findings, permission_notes, questions

    asked = questions(
        mode=occasion.mode,
        cleans_up=occasion.mode == DRILL,
        settings=any(occasion.settings.values()),
        launch_actions=any(one.get("actions") for one in occasion.settings.values()),
    )
    gaps = permission_gaps(hook, asked)
    count = len({name for question in asked for name in question.actions})
    return Depth(
        permission_findings(occasion.where, gaps, mode=occasion.mode),
        permission_notes(occasion.where, gaps, asked=count),
    )


def _places(hook: "DrsHook", occasion: Occasion, instances: Sequence[Mapping[str, Any]]) -> Depth:
    from dataclasses import replace

    from drs_provider.aws.placement import placements, settings_hook
    from drs_provider.errors import AwsError
    from drs_provider.recovery.placement_checks import placement_findings, placement_lookups

    reader = settings_hook(hook)
    try:
        found = placements(reader, occasion.servers, settings=occasion.settings, instances=instances)
        placed = [replace(one, is_checked=name in occasion.checked) for name, one in found.items()]
        around = reader.surroundings(placement_lookups(placed))
    except AwsError as refusal:
        return Depth(notes=(f"places to land in {occasion.where}: not checked: {refusal}",))
    return Depth(
        placement_findings(placed, around, mode=occasion.mode),
        placements={one.server_id: one.as_json(around) for one in placed},
    )


def _launch_actions(hook: "DrsHook", occasion: Occasion) -> Depth:
    """List the active DRS launch actions of the servers; those that the plan declares are applied later."""
    from drs_provider.aws.launch_actions import all_launch_actions
    from drs_provider.errors import AwsError
    from drs_provider.recovery.launch_actions import action_notes

    servers = occasion.servers
    try:
        found = all_launch_actions(hook, tuple(servers))
    except AwsError as refusal:
        return Depth(notes=(f"launch actions in {occasion.where}: not looked at: {refusal}",))
    return Depth(notes=action_notes(occasion.where, {servers[one]: items for one, items in found.items()}))
