"""Stopping and starting the EC2 instances that source servers replicate: each is looked at again right before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drs_provider import clock
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.rules.migration.source_instances import (
    DONE,
    Change,
    NamedSource,
    not_done,
    source_of,
    to_change,
    why_not_changed,
)
from drs_provider.services.launch.instance_starts import start_instances

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.hooks.failback import FailbackHook

OriginHook = Callable[[NamedSource], "FailbackHook"]
"""Gives the hook for the account and Region in which a source runs; the same one for the same place."""


def sources_now(hook: "DrsHook", server_ids: Sequence[str]) -> dict[str, NamedSource | None]:
    """Ask DRS which EC2 instances some servers of one account and Region replicate; None: none, or unknown."""
    found: dict[str, NamedSource | None] = dict.fromkeys(server_ids)
    servers = hook.source_servers(server_ids)
    if servers:
        here = ReplicationPlace(hook.caller_account(), hook.region)
        found |= {str(server["sourceServerID"]): source_of(server, here) for server in servers}
    return found


@dataclass(frozen=True)
class ChangeLook:
    """What was asked of EC2 and what it says since.

    :param asked: instances that EC2 was asked to stop or start now
    :param done: instances where nothing is left to do
    :param left: instances that are on their way, or that EC2 has no capacity for now: ask again later
    :param no_capacity: what EC2 said of those, by instance
    """

    asked: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    left: tuple[str, ...] = field(default=())
    no_capacity: Mapping[str, str] = field(default_factory=dict)


def change_sources(
    change: Change,
    named: Sequence[NamedSource],
    found: Mapping[str, NamedSource | None],
    origin_hook: OriginHook,
    *,
    note: Callable[[Sequence[str]], None] = lambda _: None,
) -> ChangeLook:
    """Stop or start those named instances that are not yet; all are looked at before the first call.

    May be repeated: what is stopped, or stopping, is left alone. An instance that EC2 does not start keeps no other
    from being started.

    :param named: what people have agreed to
    :param found: what DRS says of the same servers now
    :param note: called before EC2 is asked to change anything, with the instances where nothing is to be done
    :raises RunRefused: with every reason against it; EC2 was not asked to change anything, or refused for good to start
        those that are named
    """
    by_hook: dict[FailbackHook, list[NamedSource]] = {}
    for source in named:
        by_hook.setdefault(origin_hook(source), []).append(source)
    states: dict[FailbackHook, Mapping[str, str]] = {}
    against: list[str] = []
    for hook, sources in by_hook.items():
        account = hook.caller_account()
        states[hook] = hook.instance_states(sorted({source.instance_id for source in sources}))
        for source in sources:
            state = states[hook].get(source.instance_id)
            why = why_not_changed(change, source, found.get(source.server_id), account=account, state=state)
            against += [why] if why else []
    if against:
        lines = "\n".join(f"  - {why}" for why in against)
        verb = "stopped" if change == "stop" else "started"
        count = f"{len(against)} reason{'s'[: len(against) != 1]}"
        raise RunRefused(f"no source is {verb}, {count}; EC2 was not asked to change anything:\n{lines}")
    note(sorted(name for known in states.values() for name, state in known.items() if state == DONE[change]))
    asked: list[str] = []
    after: dict[str, str] = {}
    no_capacity: dict[str, str] = {}
    for hook, known in states.items():
        wanted = to_change(change, known)
        after |= known
        if not wanted:
            continue
        if change == "stop":
            after |= hook.stop_instances(wanted)
            asked += wanted
        else:
            started, refused = _start(hook, wanted)
            asked += started
            no_capacity |= refused
        after |= hook.instance_states(wanted)  # some are there at once
    left = not_done(change, after)
    done = sorted(instance_id for instance_id, state in after.items() if state == DONE[change])
    return ChangeLook(tuple(asked), tuple(done), tuple(left), no_capacity)


def _start(hook: "FailbackHook", wanted: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Start instances; return those that EC2 has accepted, and what it said of those that it has no capacity for now.

    :raises RunRefused: EC2 refuses to start some of them for another reason; all others were asked for
    """
    tries = start_instances(hook, wanted, now=clock.now)
    against = [f"{name}: {made.refused}" for name, made in tries.items() if made.refused and not made.is_capacity]
    started = [name for name, made in tries.items() if not made.refused]
    if against:
        also = f"; it was asked to start {some(started, MANY)}" if started else ""
        raise RunRefused(
            f"EC2 does not start {some(against, MANY, '; ')}{also}. Correct the cause, then clear this task"
        )
    return started, {name: made.refused for name, made in tries.items() if made.refused}
