"""Whether a run asks for more of an instance than DRS, which launches it stopped, will give."""

from collections.abc import Collection, Iterator

from drs_provider.plan.disposition import own_commands
from drs_provider.rules.findings import Finding
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Roster
from drs_provider.rules.run.shape import RunShape

_NEXT = "set disposition: started in the plan, change the server's launch settings in DRS, or ask nothing of it"


def stopped_findings(
    shape: RunShape, request: RunRequest, roster: Roster, stopped: Collection[str]
) -> tuple[Finding, ...]:
    """Warn of servers that are launched stopped although their wave checks them, or runs commands on them.

    :param stopped: ids of the servers whose launch disposition will be STOPPED, by the plan or in DRS
    """
    return tuple(
        Finding("warning", server.server_id, server.hostname, f"DRS launches it stopped, and {what}", _NEXT, "stopped")
        for wave in shape.waves
        if wave.name in request.waves
        for server in roster.waves.get(wave.name, ())
        if server.server_id in stopped
        for what in _asked(shape, request, wave.name)
    )


def _asked(shape: RunShape, request: RunRequest, name: str) -> Iterator[str]:
    wave = shape.wave_of[name]
    if wave.wave.ready == "status_checks":
        yield f"wave {name} waits for its status checks, which a stopped instance never passes"
    for owner, steps in ((f"wave {name}", wave.wave.after), ("the plan", shape.plan.after)):
        for _, step in own_commands([step for step in steps if request.purpose.plans_step(step)]):
            yield f"step {step.name} of {owner} runs a command on it"
