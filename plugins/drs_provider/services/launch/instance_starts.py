"""Starting instances that were launched stopped: each once, and none that EC2 does not call stopped."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import AccessDenied, AwsError
from drs_provider.rules.ahead.next_start import StartTry
from drs_provider.rules.launch.next_launch import lacks_capacity

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

STOPPED: Final = "stopped"
"""EC2's word for an instance that may be started."""

log = logging.getLogger(__name__)


def start_instances(
    hook: "DrsHook", instance_ids: Sequence[str], *, now: Callable[[], datetime]
) -> dict[str, StartTry]:
    """Start those of these instances that EC2 calls stopped now; return by instance id what came of it.

    An instance that runs, or is about to, is absent from the answer: a start whose answer was lost is found done, for
    EC2 is asked for the states before every try. May be repeated at any time. As few calls as EC2 takes; where it
    refuses all of a call for the sake of some, the call is halved until it is known whom it refuses.

    :raises AwsError: AWS does not answer now (``retryable``): some may have been started, so ask again later
    """
    tries: dict[str, StartTry] = {}
    hook.repeated("ec2:StartInstances", lambda: _start_stopped(hook, instance_ids, now, tries))
    if accepted := [name for name, start in tries.items() if not start.refused]:
        log.info("Started %d of %d instances: %s", len(accepted), len(instance_ids), ", ".join(accepted))
    for name, start in tries.items():
        if start.refused:
            log.warning("EC2 did not start %s: %s", name, start.refused)
    return tries


def _start_stopped(
    hook: "DrsHook", instance_ids: Sequence[str], now: Callable[[], datetime], tries: dict[str, StartTry]
) -> None:
    """Start what is stopped; add what is answered to ``tries``, also where the rest is not."""
    states = hook.instance_states(instance_ids)
    if stopped := [name for name in dict.fromkeys(instance_ids) if states.get(name) == STOPPED]:
        tries.update(_start(hook, stopped, now))


def _start(hook: "DrsHook", instance_ids: Sequence[str], now: Callable[[], datetime]) -> Iterator[tuple[str, StartTry]]:
    at = now()
    try:
        hook.start_instances(instance_ids)
    except AwsError as error:
        if error.retryable:
            raise
        if len(instance_ids) > 1 and not isinstance(error, AccessDenied):
            half = len(instance_ids) // 2
            yield from _start(hook, instance_ids[:half], now)
            yield from _start(hook, instance_ids[half:], now)
            return
        refused = StartTry(at, str(error), is_capacity=lacks_capacity(error.code))
        yield from ((name, refused) for name in instance_ids)
        return
    yield from ((name, StartTry(at)) for name in instance_ids)
