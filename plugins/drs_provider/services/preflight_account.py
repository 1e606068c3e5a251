"""What preflight looks at beyond the servers themselves: permissions, places to land, launch actions, quotas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drs_provider.rules.run.request import DRILL
from drs_provider.rules.run.roster import RosterServer

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.findings import Finding
    from drs_provider.rules.launch.quotas import Quotas
    from drs_provider.services.settings_survey import SettingsSurvey


@dataclass(frozen=True)
class Scope:
    """The run, as far as one account and Region are concerned.

    ``waves``: the servers that are launched there, by wave. ``settings``: what the plan sets, by server id.
    """

    where: str
    mode: str
    waves: Mapping[str, Sequence[RosterServer]]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def servers(self) -> Mapping[str, str]:
        """Hostnames by id, of the servers that DRS knows."""
        return {one.server_id: one.hostname for servers in self.waves.values() for one in servers if one.known}


@dataclass(frozen=True)
class CheckResult:
    """What speaks against the run, and what is worth a line."""

    findings: "tuple[Finding, ...]" = ()
    notes: tuple[str, ...] = ()


def look_deeper(
    hook: "LaunchSettingsHook",
    occasion: Scope,
    *,
    quotas: "Quotas",
    jobs: Sequence[Mapping[str, Any]],
    instances: Sequence[Mapping[str, Any]],
    settings: "SettingsSurvey | None",
) -> CheckResult:
    """Ask one account and Region; what it may not be asked is a note, never a reason.

    :param jobs: DescribeJobs' items of the last day
    :param instances: DescribeRecoveryInstances' items of the run's servers
    :param settings: what was read of all these servers' launch settings; None: they could not be looked at
    """
    from drs_provider.rules.launch.quotas import quota_notes

    permissions = _permissions(hook, occasion)
    places = _places(hook, occasion, instances, settings) if settings else CheckResult()
    actions = _launch_actions(hook, occasion)
    counted = {wave: sum(one.known for one in servers) for wave, servers in occasion.waves.items()}
    counts = quota_notes(occasion.where, counted, quotas, jobs)
    return CheckResult(
        (*permissions.findings, *places.findings, *actions.findings),
        (*counts, *permissions.notes, *places.notes, *actions.notes),
    )


def _permissions(hook: "DrsHook", occasion: Scope) -> CheckResult:
    from drs_provider.hooks.iam import permission_gaps
    from drs_provider.rules.preflight.permissions import permission_findings, permission_notes, questions

    asked = questions(
        mode=occasion.mode,
        cleans_up=occasion.mode == DRILL,
        settings=any(occasion.settings.values()),
        launch_actions=any(one.get("actions") for one in occasion.settings.values()),
    )
    gaps = permission_gaps(hook, asked)
    count = len({name for question in asked for name in question.actions})
    return CheckResult(
        permission_findings(occasion.where, gaps, mode=occasion.mode),
        permission_notes(occasion.where, gaps, asked=count),
    )


def _places(
    hook: "LaunchSettingsHook", occasion: Scope, instances: Sequence[Mapping[str, Any]], settings: "SettingsSurvey"
) -> CheckResult:
    """Look whether all servers of the run have room; where each one lands was read with its settings."""
    from drs_provider.exceptions import AwsError
    from drs_provider.hooks.launch_settings import freed_subnets
    from drs_provider.rules.preflight.placement import placed, placement_findings

    try:
        frees = freed_subnets(hook, occasion.servers, instances)
    except AwsError as refusal:
        return CheckResult(notes=(f"room for the servers in {occasion.where}: not checked: {refusal}",))
    places = placed([one.candidate for one in settings.servers], frees)
    return CheckResult(placement_findings(places, settings.around, mode=occasion.mode))


def _launch_actions(hook: "DrsHook", occasion: Scope) -> CheckResult:
    """List the active DRS launch actions of the servers; those that the plan declares are applied later."""
    from drs_provider.hooks.launch_actions import launch_actions_in_passing
    from drs_provider.rules.settings.launch_actions import action_notes

    servers = occasion.servers
    found, refusal = launch_actions_in_passing(hook, tuple(servers))
    notes = action_notes(occasion.where, {servers[one]: items for one, items in found.items()})
    if refusal is not None:
        count = f" of {len(servers) - len(found)} of {len(servers)} servers" if found else ""
        notes = (*notes, f"launch actions in {occasion.where}{count}: not looked at: {refusal}")
    return CheckResult(notes=notes)
