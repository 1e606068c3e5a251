"""Looking whether what another plan's run has launched is still there, when that run is a step of this one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.run.handover import LostInstance
from drs_provider.rules.run.part_losses import PartWave
from drs_provider.services.launch.lost import find_lost

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.launch.results import ServerResult
    from drs_provider.rules.run.handover import PreflightResult
    from drs_provider.rules.run.roster import Target


@dataclass(frozen=True)
class PartLook:
    """What is known of the instances of another plan's run, in words.

    :param gone: what is no more, and the plan cannot do without
    :param remarks: what is no more or stopped, and fails nothing
    :param problems: where nobody answered, and why
    """

    gone: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def look_at_part(
    waves: Sequence[PartWave], preflight: "PreflightResult", hook_of: "Callable[[Target], DrsHook] | None" = None
) -> PartLook:
    """Ask DRS and EC2 for what the waves of another run have launched; judge it as that run judges itself.

    A place that does not answer hides nothing of the others, and is asked once.

    :param preflight: of the run that launched them: it knows where each is
    """
    ask = hook_of or _quick_hook
    gone: list[str] = []
    remarks: list[str] = []
    lost: dict[str, dict[str, LostInstance]] = {wave.name: {} for wave in waves}
    problems: dict[Target, str] = {}
    for target, launched in _places(waves, preflight).items():
        try:
            found = find_lost(ask(target), [server for here in launched.values() for server in here])
        except DrsProviderError as error:
            problems[target] = f"{target}: {error}"
            continue
        for name, here in launched.items():
            lost[name] |= {server.server_id: found[server.server_id] for server in here if server.server_id in found}
    for wave in waves:
        known = lost[wave.name]
        missing = {server for server, instance in known.items() if not instance.is_stopped}
        is_lost = wave.is_lost(missing)
        for server in wave.launched:
            if server.server_id in known:
                is_fatal = is_lost and server.critical and server.server_id in missing
                (gone if is_fatal else remarks).append(f"{server.hostname}: {known[server.server_id].words}")
    return PartLook(tuple(gone), tuple(remarks), tuple(problems.values()))


def _places(
    waves: Sequence[PartWave], preflight: "PreflightResult"
) -> "Mapping[Target, Mapping[str, Sequence[ServerResult]]]":
    """Return where which servers were launched, by wave."""
    found: dict[Target, dict[str, list[ServerResult]]] = {}
    for wave in waves:
        launched = {server.server_id: server for server in wave.launched}
        for planned in preflight.waves.values():
            for place in planned.targets:
                here = [launched.pop(server.server_id) for server in place.servers if server.server_id in launched]
                if here:
                    found.setdefault(place.target, {}).setdefault(wave.name, []).extend(here)
    return found


def _quick_hook(target: "Target") -> "DrsHook":
    from drs_provider.hooks.quick import QuickHook

    return QuickHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)
