"""Bringing the launch settings of servers to what is wanted, and back, so that any step may be the last one lived."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from drs_provider.errors import AwsError, DrsProviderError, RunRefused
from drs_provider.recovery.settings import (
    CONFIGURATION_FIELDS,
    Change,
    compare,
    configuration_update,
    normal,
    wrong_values,
)
from drs_provider.recovery.settings_checks import Candidate, SettingsFinding, lookups, validate
from drs_provider.recovery.settings_memory import TAG, BeforeDrill, read_tag
from drs_provider.recovery.settings_template import NewVersion, lost, new_version, read_template

if TYPE_CHECKING:
    from drs_provider.aws.launch_settings import LaunchSettingsHook, TemplateVersion

PAUSES = (0.0, 1.0, 2.0, 4.0)
"""Looks at a version that was just made, after pauses of so many seconds: EC2 may not show it at once."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """One server before anything is done.

    ``candidate`` holds its settings as they are, or, where a drill's are to be put back first, as they will be then.
    ``base``: the template version to build on. ``changes``: what is to be changed after that. ``before``: what a drill
    left; ``put_back`` what of its DRS settings has to go back, ``default_goes_back`` whether the template does, and
    ``restored`` both as changes. ``gone``: the template version to go back to, where it no longer exists.
    """

    candidate: Candidate
    base: "TemplateVersion | None" = None
    changes: tuple[Change, ...] = ()
    before: BeforeDrill | None = None
    put_back: tuple[Change, ...] = ()
    default_goes_back: bool = False
    restored: tuple[Change, ...] = ()
    gone: int | None = None

    @property
    def server_id(self) -> str:
        """The source server's id."""
        return self.candidate.server_id

    @property
    def arn(self) -> str:
        """The source server's ARN."""
        return str((self.candidate.source or {})["arn"])


@dataclass(frozen=True)
class Survey:
    """What was found: every server's standing, and everything that speaks against its settings."""

    standings: tuple[Standing, ...]
    findings: tuple[SettingsFinding, ...]

    @property
    def refusals(self) -> tuple[SettingsFinding, ...]:
        """The findings that keep the settings from being applied."""
        return tuple(finding for finding in self.findings if finding.severity == "refusal")


def ensure_sound(settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse settings that are wrong by themselves, all at once; asks nothing of AWS. Raises RunRefused."""
    wrong = [f"{server}: {what}" for server, values in settings.items() for what in wrong_values(values)]
    if wrong:
        raise RunRefused(refusal_text(wrong))


def refusal_text(reasons: Sequence[object]) -> str:
    """Word a refusal with every reason on a line of its own."""
    lines = "\n".join(f"  - {reason}" for reason in reasons)
    count = len(reasons)
    return f"the launch settings are refused, {count} reason{'s'[: count != 1]}; nothing was changed:\n{lines}"


def survey(
    hook: "LaunchSettingsHook", settings: Mapping[str, Mapping[str, Any]], *, keep_drill: bool = False
) -> Survey:
    """Read and check; change nothing.

    :param settings: effective settings by server id; a server without any is looked at only for what a drill left
    :param keep_drill: build on what a drill left (another drill does) rather than to put it back first
    """
    sources = {str(one["sourceServerID"]): one for one in hook.source_servers(tuple(settings))}
    before = {server: read_tag(source.get("tags")) for server, source in sources.items()}
    read = [one for one in settings if one in sources and (normal(settings[one]) or before[one])]
    configurations = hook.launch_configurations(read)
    templates = {one: str(configurations[one].get("ec2LaunchTemplateID") or "") for one in read}
    versions = hook.template_versions(_versions_to_read(templates, before))
    standings = []
    for server, wanted in settings.items():
        candidate = Candidate(server, wanted, sources.get(server))
        if server in configurations:
            candidate = replace(candidate, configuration=configurations[server])
            found = {number: versions.get((templates[server], number)) for number in _numbers(before[server])}
            standings.append(_standing(candidate, found, before[server], keep_drill=keep_drill))
        else:
            standings.append(Standing(candidate))
    standings = _with_instances(hook, standings)
    checked = [one.candidate for one in standings if one.candidate.source is None or normal(one.candidate.wanted)]
    return Survey(tuple(standings), validate(checked, hook.surroundings(lookups(checked))))


def put_back(hook: "LaunchSettingsHook", standing: Standing) -> None:
    """Give a server back what it had before a drill, and forget the drill. What somebody changed since is left."""
    before = standing.before
    if before is None:
        return
    if standing.gone is not None:
        name = standing.candidate.configuration.get("ec2LaunchTemplateID")
        raise RunRefused(
            f"{standing.candidate.name}: a drill changed its launch template {name}, and "
            f"version {standing.gone}, which was the default before, no longer exists. Nothing was put back: set the "
            f"template by hand, then take the tag {TAG} off the source server"
        )
    if standing.put_back:
        hook.update_configuration(standing.server_id, configuration_update(standing.put_back))
    if standing.default_goes_back and standing.base:
        hook.make_default(standing.base.template_id, standing.base.number)
    hook.untag(standing.arn, TAG)
    log.info("%s: put back to before its drill (%s)", standing.candidate.hostname, before.written() or "nothing")


@dataclass
class Applying:
    """The effects on one server at a time, each of which leaves a state from which a next try goes on.

    ``is_temporary``: a drill's settings: what was before is written to the server before it is changed.
    """

    hook: "LaunchSettingsHook"
    is_temporary: bool
    sleep: Callable[[float], None] = time.sleep

    def apply(self, standing: Standing) -> None:
        """Make the changes of one server. Raises what AWS refused, RunRefused where an effect does not read back."""
        if not self.is_temporary:
            put_back(self.hook, standing)
        if not standing.changes:
            return
        version = self._prepared(standing)
        if self.is_temporary:
            self._remember(standing, version)
        update = configuration_update(standing.changes)
        if update:
            answer = self.hook.update_configuration(standing.server_id, update)
            wanted = _wanted(standing.changes, in_drs=True)
            _ensure(standing, "UpdateLaunchConfiguration", compare(wanted, answer, {}))
        if version:
            self.hook.make_default(version.template_id, version.number)
        log.info("%s: %s", standing.candidate.hostname, ", ".join(map(str, standing.changes)))

    def _prepared(self, standing: Standing) -> "TemplateVersion | None":
        """Return the template version that is to become the default: made, found from an earlier try, or None."""
        wanted, base = _wanted(standing.changes, in_drs=False), standing.base
        new = new_version(base.data, wanted) if base else None
        if base is None or new is None:
            return None
        note = _note(base.number, new)
        made = self.hook.described_version(base.template_id, note) or self._made(base, new, note)
        missing = lost(new.on(base.data), made.data)
        _ensure(standing, f"version {made.number} of {base.template_id}", compare(wanted, {}, made.data), missing)
        return made

    def _made(self, base: "TemplateVersion", new: NewVersion, note: str) -> "TemplateVersion":
        number = self.hook.create_version(base, new, note)
        for pause in PAUSES:
            self.sleep(pause)
            made = self.hook.template_version(base.template_id, number)
            if made:
                return made
        message = f"version {number} of {base.template_id} was made and is not shown; it is not the default"
        raise AwsError("ec2:DescribeLaunchTemplateVersions", "NotShown", message)

    def _remember(self, standing: Standing, version: "TemplateVersion | None") -> None:
        pair = (standing.base.number, version.number) if standing.base and version else None
        kept = (standing.before or BeforeDrill()).with_changes(standing.changes, pair)
        if kept != standing.before:
            self.hook.tag(standing.arn, TAG, kept.written())


def in_all(act: Callable[[Standing], None], standings: Iterable[Standing]) -> dict[str, DrsProviderError]:
    """Act on several servers side by side; return the errors by server id, so that one does not hide another."""
    from drs_provider.aws.launch_settings import side_by_side

    def attempt(standing: Standing) -> DrsProviderError | None:
        try:
            act(standing)
        except DrsProviderError as error:
            return error
        return None

    chosen = tuple(standings)
    outcomes = zip(chosen, side_by_side(attempt, chosen), strict=True)
    return {standing.server_id: error for standing, error in outcomes if error is not None}


def _versions_to_read(
    templates: Mapping[str, str], before: Mapping[str, BeforeDrill | None]
) -> list[tuple[str, int | None]]:
    return [(name, number) for server, name in templates.items() if name for number in _numbers(before[server])]


def _numbers(before: BeforeDrill | None) -> tuple[int | None, ...]:
    return (None, *(before.version if before and before.version else ()))


def _standing(
    candidate: Candidate,
    versions: Mapping[int | None, "TemplateVersion | None"],
    before: BeforeDrill | None,
    *,
    keep_drill: bool,
) -> Standing:
    now = base = versions[None]
    gone: int | None = None
    configuration, changed = candidate.configuration, tuple[Change, ...]()
    if before and not keep_drill:
        changed = before.values_to_put_back(configuration)
        configuration = {**configuration, **configuration_update(changed)}
        base = _before_drill(now, versions, before)
        gone = before.version[0] if before.version and _is_gone(now, base, versions, before) else None
    data = None if base is None else base.data
    candidate = replace(candidate, configuration=configuration, template=data)
    goes_back = base is not None and now is not None and base.number != now.number
    templates = _template_changes(now.data, base.data) if now and base and goes_back else ()
    return Standing(
        candidate,
        base,
        compare(candidate.wanted, configuration, data or {}),
        before,
        changed,
        goes_back,
        (*changed, *templates),
        gone,
    )


def _before_drill(
    now: "TemplateVersion | None", versions: Mapping[int | None, "TemplateVersion | None"], before: BeforeDrill
) -> "TemplateVersion | None":
    """Return the version that was the default before a drill; the present one where somebody chose another since."""
    if now is None or before.version is None:
        return now
    was = versions.get(before.version[0])
    return was if was and _is_the_drills(now, versions, before.version[1]) else now


def _is_the_drills(now: "TemplateVersion", versions: Mapping[int | None, "TemplateVersion | None"], made: int) -> bool:
    """Tell whether the default is what a drill made it: that version, or one with its settings (DRS makes some)."""
    version = versions.get(made)
    return now.number == made or (version is not None and read_template(version.data) == read_template(now.data))


def _is_gone(
    now: "TemplateVersion | None",
    base: "TemplateVersion | None",
    versions: Mapping[int | None, "TemplateVersion | None"],
    before: BeforeDrill,
) -> bool:
    if now is None or before.version is None or versions.get(before.version[0]) is not None:
        return False
    return base is now and _is_the_drills(now, versions, before.version[1])


def _template_changes(now: Mapping[str, Any], then: Mapping[str, Any]) -> tuple[Change, ...]:
    live, old = read_template(now), read_template(then)
    return tuple(Change(field, live[field], old[field]) for field in live if live[field] != old[field])


def _with_instances(hook: "LaunchSettingsHook", standings: Sequence[Standing]) -> list[Standing]:
    """Add the servers' own recovery instances where an address is at stake: a launch frees theirs."""
    owners = [one.server_id for one in standings if one.candidate.template and one.candidate.result["private_ip"]]
    own: dict[str, set[str]] = {server: set() for server in owners}
    for instance in hook.recovery_instances(source_server_ids=owners) if owners else ():
        own.setdefault(instance["sourceServerID"], set()).add(str(instance.get("ec2InstanceID")))
    return [
        replace(one, candidate=replace(one.candidate, instances=frozenset(own.get(one.server_id, ()))))
        for one in standings
    ]


def _wanted(changes: Iterable[Change], *, in_drs: bool) -> dict[str, Any]:
    return {change.field: change.wanted for change in changes if (change.field in CONFIGURATION_FIELDS) is in_drs}


def _note(source: int, new: NewVersion) -> str:
    """Describe a version by what it is made of, so that a next try, or a next drill, finds it instead of a twin."""
    from drs_provider.aws.launch_settings import OURS

    content = json.dumps([new.is_whole, new.data], sort_keys=True, default=str)
    return f"{OURS}on version {source}: {hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _ensure(standing: Standing, what: str, left: tuple[Change, ...], missing: tuple[str, ...] = ()) -> None:
    wrong = [*map(str, left), *(f"{name} is lost" for name in missing)]
    if wrong:
        raise RunRefused(
            f"{standing.candidate.name}: {what} does not read back as it was asked for: "
            f"{', '.join(wrong)}. The launch template's default version was left as it was; set it in the DRS console"
        )
