"""Changing the launch settings of one server, and putting them back, so that any step may be the last one lived."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, Conflict, DrsProviderError, RunRefused
from drs_provider.rules.settings.drill_memory import MARKS, TAG, BeforeDrill
from drs_provider.rules.settings.launch_actions import TAG as ACTIONS
from drs_provider.rules.settings.launch_template import NewVersion, lost, new_version
from drs_provider.rules.settings.values import CONFIGURATION_FIELDS, Change, compare, configuration_update
from drs_provider.services.settings.survey import ServerSettings

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook, TemplateVersion

PAUSES = (0.0, 1.0, 2.0, 4.0)
"""Looks at a version that was just made, after pauses of so many seconds: EC2 may not show it at once."""

log = logging.getLogger(__name__)


def put_back(hook: "LaunchSettingsHook", server: ServerSettings) -> "TemplateVersion | None":
    """Give a server back what it had before a drill, and forget the drill. What somebody changed since is left.

    Returns the template version that is the default then; None: the server has no launch template.
    """
    before = server.before
    if before is None:
        return server.base
    if server.undecided:
        raise RunRefused(
            f"{server.candidate.name}: {server.why_undecided}. Nothing was put back: set the "
            f"template manually, then take the tag {TAG} off the source server"
        )
    if server.put_back:
        hook.update_configuration(server.server_id, configuration_update(server.put_back))
    base = _base(hook, server)
    if server.default_goes_back and base:
        _ensure_still_default(hook, server, base.template_id, server.default)
        hook.make_default(base.template_id, base.number)
    _forget_versions(hook, server)
    # Launch actions are put back after this, and take the marks with them.
    marks = () if ACTIONS in ((server.candidate.source or {}).get("tags") or {}) else MARKS
    hook.untag(server.arn, TAG, *marks)
    log.info("%s: put back to before its drill (%s)", server.candidate.hostname, before.written() or "nothing")
    return base


def _base(hook: "LaunchSettingsHook", server: ServerSettings) -> "TemplateVersion | None":
    """Return the version to build on, made first where it is new: the present default without what a drill set."""
    from drs_provider.hooks.launch_settings import OURS

    base = server.base
    if base is None or not server.base_is_new:
        return base
    new = NewVersion(base.data, is_whole=True)
    note = f"{OURS}version {base.number} without its drill: {_digest(new)}"
    made = hook.described_version(base.template_id, note) or make_version(hook, base, new, note)
    _ensure(server, f"version {made.number} of {base.template_id}", (), lost(base.data, made.data))
    log.info(
        "%s: version %d of %s has what others changed in version %d during a drill, without the drill's own",
        *(server.candidate.hostname, made.number, base.template_id, base.number),
    )
    return made


def _ensure_still_default(
    hook: "LaunchSettingsHook", server: ServerSettings, template: str, expected: int | None
) -> None:
    """Refuse to choose a default where somebody else has just chosen one: it is looked at anew then."""
    found = hook.default_versions([template]).get(template)
    if found != expected:
        message = f"version {found} of {template} is the default now, and version {expected} was a moment ago"
        raise Conflict("ec2:ModifyLaunchTemplate", "ChangedMeanwhile", f"{server.candidate.name}: {message}")


def make_version(
    hook: "LaunchSettingsHook",
    base: "TemplateVersion",
    new: NewVersion,
    note: str,
    sleep: Callable[[float], None] = clock.sleep,
) -> "TemplateVersion":
    """Make a version of a launch template, and return it as EC2 shows it. Raises AwsError where it is not shown."""
    number = hook.create_version(base, new, note)
    for pause in PAUSES:
        sleep(pause)
        made = hook.template_version(base.template_id, number)
        if made:
            return made
    message = f"version {number} of {base.template_id} was made and is not shown; it is not the default"
    raise AwsError("ec2:DescribeLaunchTemplateVersions", "NotShown", message)


def _forget_versions(hook: "LaunchSettingsHook", server: ServerSettings) -> None:
    """Delete the template versions that drills made: what is put back is not undone by one that stays."""
    if server.base is None:
        return
    template = server.base.template_id
    try:
        numbers = [int(version["VersionNumber"]) for version in hook.drill_versions(template)]
        if numbers:
            hook.forget_versions(template, numbers)
    except AwsError as error:
        log.warning("%s: a drill's version of %s stays: %s", server.candidate.hostname, template, error)


@dataclass
class SettingsWriter:
    """The effects on one server at a time, each of which leaves a state from which a next try goes on.

    ``is_temporary``: a drill's settings: what was before is written to the server before it is changed, and beside it
    ``marks``: which drill that is, and when it is over at the latest.
    """

    hook: "LaunchSettingsHook"
    is_temporary: bool
    marks: Mapping[str, str] = field(default_factory=dict)
    sleep: Callable[[float], None] = clock.sleep

    def apply(self, server: ServerSettings) -> None:
        """Make the changes of one server. Raises what AWS refused, RunRefused where an effect does not read back."""
        base = self._undrilled(server) if self.is_temporary else put_back(self.hook, server)
        if not server.changes:
            return
        version = self._prepared(server, base)
        if self.is_temporary:
            self._remember(server, base, version)
        update = configuration_update(server.changes)
        if update:
            answer = self.hook.update_configuration(server.server_id, update)
            wanted = _wanted(server.changes, in_drs=True)
            _ensure(server, "UpdateLaunchConfiguration", compare(wanted, answer, {}))
        if version:
            if self.is_temporary:
                expected = base.number if base and server.base_is_new else server.default
                _ensure_still_default(self.hook, server, version.template_id, expected)
            self.hook.make_default(version.template_id, version.number)
        log.info("%s: %s", server.candidate.hostname, ", ".join(map(str, server.changes)))

    def _undrilled(self, server: ServerSettings) -> "TemplateVersion | None":
        """Return the version that a drill builds on; what others made of an earlier drill's comes to be the default.

        Before this drill is remembered: from then on only its own version is known to be a drill's.
        """
        base = _base(self.hook, server)
        if base and server.base_is_new and server.changes:
            _ensure_still_default(self.hook, server, base.template_id, server.default)
            self.hook.make_default(base.template_id, base.number)
        return base

    def _prepared(self, server: ServerSettings, base: "TemplateVersion | None") -> "TemplateVersion | None":
        """Return the template version that is to become the default: made, found from an earlier try, or None."""
        wanted = _wanted(server.changes, in_drs=False)
        new = new_version(base.data, wanted) if base else None
        if base is None or new is None:
            return None
        note = _note(base.number, new, is_temporary=self.is_temporary)
        made = self.hook.described_version(base.template_id, note) or make_version(
            self.hook, base, new, note, self.sleep
        )
        missing = lost(new.on(base.data), made.data)
        _ensure(server, f"version {made.number} of {base.template_id}", compare(wanted, {}, made.data), missing)
        return made

    def _remember(
        self, server: ServerSettings, base: "TemplateVersion | None", version: "TemplateVersion | None"
    ) -> None:
        pair = (base.number, version.number) if base and version else None
        kept = (server.before or BeforeDrill()).with_changes(server.changes, pair)
        if kept != server.before:
            self.hook.tag(server.arn, TAG, kept.written(), **self.marks)


def in_all(act: Callable[[ServerSettings], object], servers: Iterable[ServerSettings]) -> dict[str, DrsProviderError]:
    """Act on several servers side by side; return the errors by server id, so that one does not hide another."""
    from drs_provider.hooks.drs import side_by_side

    def attempt(server: ServerSettings) -> DrsProviderError | None:
        try:
            act(server)
        except DrsProviderError as error:
            return error
        return None

    chosen = tuple(servers)
    outcomes = zip(chosen, side_by_side(attempt, chosen), strict=True)
    return {server.server_id: error for server, error in outcomes if error is not None}


def _wanted(changes: Iterable[Change], *, in_drs: bool) -> dict[str, JsonValue]:
    return {change.field: change.wanted for change in changes if (change.field in CONFIGURATION_FIELDS) is in_drs}


def _note(source: int, new: NewVersion, *, is_temporary: bool) -> str:
    """Describe a version by what it is made of, so that a next try, or a next drill, finds it instead of a twin."""
    from drs_provider.hooks.launch_settings import OF_DRILLS, OURS

    return f"{OF_DRILLS if is_temporary else OURS}on version {source}: {_digest(new)}"


def _digest(new: NewVersion) -> str:
    content = json.dumps([new.is_whole, new.data], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _ensure(server: ServerSettings, what: str, left: tuple[Change, ...], missing: tuple[str, ...] = ()) -> None:
    wrong = [*map(str, left), *(f"{name} is lost" for name in missing)]
    if wrong:
        raise RunRefused(
            f"{server.candidate.name}: {what} does not read back as requested: "
            f"{', '.join(wrong)}. The launch template's default version was left as it was; set it in the DRS console"
        )
