"""Bringing the launch settings of servers to what is wanted, and back after a drill."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from drs_provider.exceptions import Conflict, DrsProviderError, RunRefused
from drs_provider.rules.launch.jobs import LONGEST_JOB, holders
from drs_provider.rules.run.handover import SettingsChange, SettingsChanges, SettingsChangesSoFar
from drs_provider.rules.settings.drill_memory import TAG, Owner, rival_of
from drs_provider.rules.settings.launch_actions import TAG as ACTIONS
from drs_provider.rules.settings.values import Change, Settings, wrong_values
from drs_provider.services.settings.launch_actions import ActionChanges, apply_actions, in_all_actions
from drs_provider.services.settings.survey import ServerSettings, SettingsSurvey, survey
from drs_provider.services.settings.writer import SettingsWriter, in_all, put_back
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServersHeld:
    """Servers are held: nothing is changed before that ends.

    :ivar reason: what holds them, in words
    :ivar job_ids: the running jobs; none: DRS says that a server is held and shows no job that holds it
    """

    reason: str
    job_ids: tuple[str, ...] = ()


def ensure_sound(settings: Mapping[str, Settings]) -> None:
    """Refuse settings that are wrong by themselves, all at once; asks nothing of AWS. Raises RunRefused."""
    wrong = [f"{server}: {what}" for server, values in settings.items() for what in wrong_values(values)]
    if wrong:
        raise RunRefused(refusal_text(wrong))


def refusal_text(reasons: Sequence[object]) -> str:
    """Word a refusal with every reason on a line of its own."""
    lines = "\n".join(f"  - {reason}" for reason in reasons)
    count = len(reasons)
    return f"the launch settings are refused, {count} reason{'s'[: count != 1]}; nothing was changed:\n{lines}"


class SettingsApplication:
    """Bring servers to the settings that were surveyed for them; may be done any number of times.

    :param is_temporary: a drill's settings, to be put back; false: what a drill has left is put back first
    :param marks: in a drill, the tags that say whose settings these are, and until when
    :param max_tries: what Airflow allows the task; it differs once the task was cleared
    """

    def __init__(
        self,
        hook: "LaunchSettingsHook",
        store: Store,
        *,
        is_temporary: bool,
        marks: Mapping[str, str],
        max_tries: int | None,
    ) -> None:
        self.hook, self.store, self.max_tries = hook, store, max_tries
        self.is_temporary, self.marks = is_temporary, marks

    def apply(self, found: SettingsSurvey, *, now: datetime) -> SettingsChanges | ServersHeld:
        """Apply what differs; return what differed, also before a retry or a wait, or what has to be waited for.

        :raises RunRefused: something speaks against the settings, or several servers could not be changed
        """
        if found.refusals:
            raise RunRefused(refusal_text(found.refusals))
        different = _different(found, is_temporary=self.is_temporary)
        held = {server.server_id for server in different} | {server.server_id for server in found.actions}
        servers = [server.server_id for server in found.servers]
        if waiting := find_holders(self.hook, [server for server in servers if server in held], now=now):
            return waiting
        changes = self._remember(different, found.actions)
        if self.is_temporary:
            # Also where a dead drill's settings are just right: they are this drill's now, and its expiry holds.
            self._claim(found.servers)
        act = partial(apply_actions, self.hook, marks=self.marks)
        if waiting := settle(
            self.hook, in_all(SettingsWriter(self.hook, self.is_temporary, self.marks).apply, different), now=now
        ) or settle(self.hook, in_all_actions(act, found.actions), now=now):
            return waiting
        log.info("%d of %d servers differed; all are as wanted now", len(held), len(servers))
        return SettingsChanges(servers={server: changes.servers.get(server, ()) for server in servers})

    def _claim(self, servers: Iterable[ServerSettings]) -> None:
        for server in servers:
            tags = (server.candidate.source or {}).get("tags") or {}
            if known := [name for name in (TAG, ACTIONS) if name in tags]:
                self.hook.tag(server.arn, known[0], tags[known[0]], **self.marks)

    def _remember(self, different: Sequence[ServerSettings], actions: Sequence[ActionChanges]) -> SettingsChangesSoFar:
        """Keep what differed before it is changed, for a next try sees it no more; a cleared task begins anew."""
        before = load(self.store, SettingsChangesSoFar)
        known = before if before and before.max_tries == self.max_tries else None
        changes = known or SettingsChangesSoFar(max_tries=self.max_tries)
        for server in different:
            changes = changes.with_changes(server.server_id, differences(server))
        for action in actions:
            changes = changes.with_changes(action.server_id, action.changes())
        if different or actions:
            save(self.store, changes)
        return changes


def ensure_no_rival(found: SettingsSurvey, *, installation: str, own_runs: Sequence[str], now: datetime) -> None:
    """Refuse to change the settings of servers that have those of another Airflow's drill.

    :param installation: id of the Airflow that asks; empty: it is not known
    :param own_runs: keys of the run that asks, and of one that it continues
    :raises RunRefused: there are such servers
    """
    if rivals := _rivals(found, installation=installation, own_runs=own_runs, now=now):
        raise RunRefused(refusal_text([f"{server}: {rival}" for server, rival in rivals.items()]))


def _rivals(found: SettingsSurvey, *, installation: str, own_runs: Sequence[str], now: datetime) -> dict[str, Owner]:
    tags = {server.server_id: (server.candidate.source or {}).get("tags") for server in found.servers}
    owners = {server: rival_of(marks, own=installation, own_runs=own_runs, now=now) for server, marks in tags.items()}
    return {server: owner for server, owner in owners.items() if owner}


def restore_settings(
    hook: "LaunchSettingsHook",
    server_ids: Sequence[str],
    *,
    now: datetime,
    installation: str = "",
    own_runs: Sequence[str] = (),
) -> SettingsChanges | ServersHeld:
    """Put back what drills have changed at these servers; return what was, or what has to be waited for.

    :param installation: id of the Airflow that asks: what a drill of another one needs now stays; empty: all goes back
    :param own_runs: keys of the run that asks, and of one that it continues
    :raises RunRefused: several servers could not be changed
    """
    found = survey(hook, {server: {} for server in server_ids})
    rivals = _rivals(found, installation=installation, own_runs=own_runs, now=now)
    for name, rival in rivals.items():
        log.warning("%s: its launch settings stay: %s", name, rival)
    changed = [server for server in found.servers if server.before and server.server_id not in rivals]
    actions = [server for server in found.actions if server.server_id not in rivals]
    held = {server.server_id for server in changed} | {server.server_id for server in actions}
    if waiting := find_holders(hook, [server for server in server_ids if server in held], now=now):
        return waiting
    if waiting := settle(hook, in_all(partial(put_back, hook), changed), now=now) or settle(
        hook, in_all_actions(partial(apply_actions, hook), actions), now=now
    ):
        return waiting
    restored = {server.server_id: _written(server.restored) for server in changed}
    for action in actions:
        restored[action.server_id] = (*restored.get(action.server_id, ()), *action.changes())
    return SettingsChanges(servers=restored)


def apply_all(
    hook: "LaunchSettingsHook",
    settings: Mapping[str, Settings],
    *,
    is_temporary: bool,
    marks: Mapping[str, str] | None = None,
) -> None:
    """Bring servers that no job holds to what is wanted; raises the first refusal, RunRefused with all wrong values.

    For a launch that differs from an earlier one; :class:`SettingsApplication` does everything else.
    """
    if not settings:
        return
    ensure_sound(settings)
    found = survey(hook, settings, keep_drill=is_temporary)
    if found.refusals:
        raise RunRefused(refusal_text(found.refusals))
    different = _different(found, is_temporary=is_temporary)
    errors = in_all(SettingsWriter(hook, is_temporary, marks or {}).apply, different)
    if not is_temporary:  # launch actions of a drill must not run in production either
        errors |= in_all_actions(
            partial(apply_actions, hook), [server for server in found.actions if server.server_id not in errors]
        )
    if errors:
        raise next(iter(errors.values()))


def find_holders(hook: "LaunchSettingsHook", server_ids: Sequence[str], *, now: datetime) -> ServersHeld | None:
    """Return the running jobs that hold any of these servers; None: none does."""
    if not server_ids:
        return None
    job_ids = tuple(str(job["jobID"]) for job in holders(hook.jobs_since(now - LONGEST_JOB), server_ids))
    return ServersHeld(f"servers are held by running jobs: {', '.join(job_ids)}", job_ids) if job_ids else None


def settle(hook: "LaunchSettingsHook", errors: Mapping[str, DrsProviderError], *, now: datetime) -> ServersHeld | None:
    """Raise what went wrong, one error for all servers; a Conflict is waited for if nothing else is wrong.

    :param errors: by server id
    :raises RunRefused: several servers could not be changed
    """
    if not errors:
        return None
    others = {server: error for server, error in errors.items() if not isinstance(error, Conflict)}
    if not others:
        return find_holders(hook, tuple(errors), now=now) or ServersHeld(str(next(iter(errors.values()))))
    for server, error in others.items():
        log.error("%s: %s", server, error)
    final = [error for error in others.values() if not error.retryable]
    if len(others) == 1 or not final:
        raise (final or list(others.values()))[0]
    lines = "\n".join(f"  - {server}: {error}" for server, error in others.items())
    raise RunRefused(
        f"the launch settings of {len(others)} servers could not be changed; clear this task to continue:\n{lines}"
    )


def differences(server: ServerSettings) -> tuple[SettingsChange, ...]:
    """Word a server's changes from what it has now, a drill's left-overs included, to what it will have."""
    changes = {change.field: change for change in server.restored}
    for change in server.changes:
        now = changes.get(change.field, change).now
        changes[change.field] = Change(change.field, now, change.wanted)
    return _written(change for change in changes.values() if change.now != change.wanted)


def _different(found: SettingsSurvey, *, is_temporary: bool) -> list[ServerSettings]:
    return [server for server in found.servers if server.changes or (server.before and not is_temporary)]


def _written(changes: Iterable[Change]) -> tuple[SettingsChange, ...]:
    return tuple(SettingsChange(field=change.field, was=change.now, now=change.wanted) for change in changes)
