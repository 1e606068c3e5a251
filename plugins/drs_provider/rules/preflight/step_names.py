"""Whether the steps of a run name servers that the run has, and that are launched when the step begins."""

from collections.abc import Iterator, Mapping, Sequence

from drs_provider.plan.problems import nearest
from drs_provider.plan.templates import servers_of_step
from drs_provider.rules.findings import Finding
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Roster, RosterServer
from drs_provider.rules.run.shape import RunShape, StepShape

_INSTANCE_FACTS = ("private_ip", "instance_id")
"""Facts of a server that are there only when it is launched."""


def step_name_findings(shape: RunShape, request: RunRequest, roster: Roster) -> tuple[Finding, ...]:
    """Find every step of the run that names no server of it, several, or one that is not launched by then.

    A drill is refused for that: the step would fail after the launch. A recovery is warned of it.

    :param shape: the compiled plan
    :param roster: the servers of the run
    """
    purpose = request.purpose
    return tuple(
        Finding(purpose.severity, planned.where, planned.where, what, hint, "step_names")
        for planned in steps_of_run(shape, request)
        for name, fact in dict.fromkeys(servers_of_step(planned.step))
        for what, hint in _against(planned, name, fact, shape, roster)
    )


def steps_of_run(shape: RunShape, request: RunRequest) -> Iterator[StepShape]:
    """Give the steps that take place in a run: those of its waves and the plan's own, for its purpose."""
    steps = (*shape.before, *(step for wave in shape.waves for step in (*wave.before, *wave.after)), *shape.after)
    for planned in steps:
        if planned.wave in (None, *request.waves) and request.purpose.plans_step(planned.step):
            yield planned


def _against(planned: StepShape, name: str, fact: str, shape: RunShape, roster: Roster) -> Iterator[tuple[str, str]]:
    found = _found(name, roster.waves)
    if not found:
        yield _nobody(name, roster)
    elif len(found) > 1:
        ids = ", ".join(server.server_id for _, server in found)
        what = f"it names server {name!r}, and {len(found)} servers of this run have this hostname"
        yield what, f"name one by its id ({ids})"
    elif fact in _INSTANCE_FACTS and found[0][0] not in _launched_before(planned, shape):
        wave = found[0][0]
        what = f"it names server {name!r}, which is not launched when the step begins: it is in wave {wave}"
        yield what, f"let the step stand after wave {wave}, or its wave depend on {wave}"


def _found(name: str, waves: Mapping[str, Sequence[RosterServer]]) -> list[tuple[str, RosterServer]]:
    return [
        (wave, server)
        for wave, servers in waves.items()
        for server in servers
        if name in (server.hostname, server.server_id)
    ]


def _nobody(name: str, roster: Roster) -> tuple[str, str]:
    if any(name in (server.hostname, server.server_id) for server in roster.excluded):
        return f"it names server {name!r}, which this run excludes", "include the server, or leave the step's wave out"
    hint = nearest(name, {server.hostname for server in roster.servers}) or "the run has no servers"
    return f"it names server {name!r}, which this run does not have", f"correct the name in the plan ({hint})"


def _launched_before(planned: StepShape, shape: RunShape) -> set[str]:
    if planned.wave is None:
        return {wave.name for wave in shape.waves} if planned.side == "after" else set()
    above: set[str] = {planned.wave} if planned.side == "after" else set()
    todo = list(shape.wave_of[planned.wave].depends_on)
    while todo:
        wave = todo.pop()
        if wave not in above:
            above.add(wave)
            todo += shape.wave_of[wave].depends_on
    return above
