"""The launch settings of servers as the console shows them: what AWS has now beside what the group's file says."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.purpose import DRILL, RECOVERY, Purpose
from drs_provider.rules.run.roster import settings_of_member
from drs_provider.rules.settings.candidates import SettingsFinding
from drs_provider.rules.settings.values import Settings, live_settings, normal, shown
from drs_provider.services.settings.survey import survey_settings

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook


@dataclass(frozen=True)
class SettingLine:
    """One launch setting in the plan's words: what AWS has now, and what a recovery and a drill will apply.

    Empty: the files do not set it, and it stays as it is. ``differs``: a recovery would change it.
    """

    field: str
    now: str
    recovery: str
    drill: str
    differs: bool


@dataclass(frozen=True)
class LaunchLook:
    """The launch settings of a server now; ``template``: id and number of its launch template's default version."""

    lines: tuple[SettingLine, ...]
    findings: tuple[SettingsFinding, ...]
    template: str = ""

    @property
    def differing(self) -> int:
        """How many settings a recovery would change."""
        return sum(line.differs for line in self.lines)


def look_at_launch(hook: "LaunchSettingsHook", server_id: str, group: ProtectionGroup | None) -> LaunchLook:
    """Read what AWS has for a server, and compare it with what its group says.

    :param group: None: no group has it, so nothing is wanted
    :raises AwsError: AWS does not say
    """
    recovery, drill = (_wanted(group, server_id, purpose) for purpose in (RECOVERY, DRILL))
    found = survey_settings(hook, {server_id: recovery}, whole=True)
    candidate = found.servers[0].candidate
    live = live_settings(candidate.configuration, candidate.template or {}) if candidate.configuration else {}
    changed = {change.field for change in found.servers[0].changes}
    in_recovery, in_drill = normal(recovery), normal(drill)
    fields = [*live, *(field for field in in_recovery if field not in live)]
    lines = tuple(
        SettingLine(
            field,
            shown(live.get(field)),
            shown(in_recovery[field]) if field in in_recovery else "",
            shown(in_drill[field]) if field in in_drill else "",
            field in changed,
        )
        for field in fields
    )
    base = found.servers[0].base
    return LaunchLook(lines, found.findings, f"{base.template_id}, version {base.number}" if base else "")


def check_launch(
    hook: "LaunchSettingsHook", group: ProtectionGroup, servers: Collection[str]
) -> tuple[SettingsFinding, ...]:
    """Say what preflight would say of the launch settings of a group's servers, in a recovery and in a drill.

    :raises AwsError: AWS does not say
    """
    found: dict[str, SettingsFinding] = {}
    for purpose in (RECOVERY, DRILL):
        wanted = {server_id: _wanted(group, server_id, purpose) for server_id in servers}
        if purpose is DRILL and wanted == {server_id: _wanted(group, server_id, RECOVERY) for server_id in servers}:
            break
        for finding in survey_settings(hook, wanted, keep_drill=purpose.is_temporary).findings:
            found.setdefault(f"{finding}", finding)
    return tuple(found.values())


def _wanted(group: ProtectionGroup | None, server_id: str, purpose: Purpose) -> Settings:
    if group is None:
        return {}
    member = next((member for member in group.servers if member.id == server_id), None)
    return settings_of_member(group, member, purpose)
