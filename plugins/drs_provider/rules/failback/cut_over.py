"""What speaks against bringing production back to its origin, by where its servers stand and what is there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drs_provider.formatting import instant_words
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import Circle, ec2_id, replicated_instance
from drs_provider.rules.failback.launchable import going_back, is_from_data_centre
from drs_provider.rules.failback.launches.hidden_launch import came_to_nothing
from drs_provider.rules.failback.next_step import is_on_another_machine, next_reversal
from drs_provider.rules.failback.preflight import is_at_home
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.findings import Finding, Severity
from drs_provider.rules.launch.existing_instance import ALLOWING_TAG, ExistingInstance, tags_of
from drs_provider.rules.launch.live_instances import origins_of
from drs_provider.rules.run.roster import RosterServer
from drs_provider.rules.settings.drill_memory import TAG as SETTINGS
from drs_provider.rules.settings.launch_actions import TAG as ACTIONS

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import BackLaunches

STOPPED: Final = "stopped"
STOPPABLE: Final = frozenset({"running", "pending", "stopping", STOPPED})
"""EC2's words for an instance that is stopped, or can be."""
_LIVE: Final = frozenset({"running", "pending"})

_LEAVE_OUT: Final = "correct this, or leave the server out"

NOT_PROVEN: Final = (
    "its machine in the data centre is rebooted into what was copied, and that everything was copied is not proven: "
    "DRS makes no recovery point of a failback client, and tells only its lag and what is left to send"
)
STOP_THE_APPLICATION: Final = "see that nothing writes on the recovered instance any more before you approve"
ON_ANOTHER_MACHINE: Final = (
    "DRS does not say that its failback client is on its original machine: nothing protects it there after the "
    "failback, and nothing of its recovery is removed"
)
LOOK_AT_MACHINE: Final = "look whether production runs there"
INSTALL_THERE: Final = "boot the client on the original machine, or install the DRS agent there after the failback"


@dataclass(frozen=True)
class Original:
    """The EC2 instance that a server came from, as far as its launch in the origin is concerned.

    :param instance_id: as the server in the recovery Region names it; empty: it names none
    :param into: the instance that DRS launches into; None: it launches a new one
    :param described: what EC2 says of that instance; None: EC2 does not know it
    """

    instance_id: str
    into: ExistingInstance | None = None
    described: Answer | None = None

    @property
    def overwritten(self) -> str:
        """The id of the instance that a launch overwrites; empty: none."""
        return self.into.instance_id if self.into else ""

    @property
    def is_running(self) -> bool:
        """Whether the instance that is launched into has to be stopped before."""
        return bool(self.overwritten) and _state(self.described) != STOPPED


def original_of(circle: Circle, into: ExistingInstance | None, described: Mapping[str, Answer]) -> Original:
    """Return what a launch of a server in its origin meets there.

    :param described: EC2 instances of the origin by id
    """
    name = replicated_instance(circle.server or {})
    return Original(name, into, described.get(into.instance_id) if into else None)


def cut_over_findings(
    servers: Sequence[RosterServer],
    states: Mapping[str, CircleState],
    circles: Mapping[str, Circle],
    originals: Mapping[str, Original],
) -> Iterator[Finding]:
    """Yield what has to be known before servers are launched in their origin.

    Everything that is not ready refuses the run, for half an application in each Region helps nobody: whoever wants
    that leaves servers out. What is further on is adopted; what was not recovered stays as it is.

    :param originals: by server id, of those that are ready
    """
    for server in servers:
        state, circle = states[server.server_id], circles[server.server_id]
        if state.stage is Stage.UNKNOWN:
            yield _finding(server, "DRS does not know it in this account and Region", "correct the plan")
        elif is_at_home(state):
            what = "it was not recovered: production runs at its origin"
            yield _finding(server, what, "nothing is done about it", is_refusal=False)
        elif why := going_back(state, circle).why_not:
            step = next_reversal(state, circle)
            yield _finding(server, why, f"{step.why}; or leave the server out" if step.kind == "people" else _LEAVE_OUT)
        else:
            yield from _of_launch(server, state, circle)
            if state.stage is Stage.READY and server.server_id in originals:
                yield from _of_original(server, circle, originals[server.server_id])


def adopted_words(state: CircleState, circle: Circle) -> str:
    """Say what of a server in its origin is taken for production, which this run has not launched; empty: none.

    Not where nothing of the recovery is left: then nothing can be lost.
    """
    if not state.recovered:
        return ""
    lost = f"it is taken for production, and what {state.recovered} has written since is lost"
    if is_from_data_centre(circle):
        return _converted_words(state, circle, lost)
    if state.stage is Stage.LAUNCHING and circle.launch:
        return f"job {circle.launch.job_id} launches it in the origin already: {lost}"
    if not circle.failed_back:
        return ""
    record, origin = circle.failed_back[0], circle.origin
    found = origins_of([record], origin.jobs if origin else (), circle.failback_servers)
    source = found[str(record["recoveryInstanceID"])]
    by = f", launched by job {source.job_id}" if source.job_id else ""
    at = f" at {instant_words(source.launched_at)}" if by and source.launched_at else ""
    return f"{state.failed_back} runs in the origin already{by}{at}: {lost}"


def _converted_words(state: CircleState, circle: Circle, lost: str) -> str:
    if state.stage is Stage.LAUNCHING:
        by = f"job {circle.launch.job_id}" if circle.launch else "a job"
        return f"{by} converts its failback client already: {lost}"
    if state.stage in {Stage.FAILED_BACK, Stage.REPROTECTING, Stage.REPROTECTED}:
        return f"its failback client was converted, and its machine runs in the data centre already: {lost}"
    return ""


def why_not_stopped(
    state: CircleState, circle: Circle, original: Original, agreed: str, *, stops: bool, launched: str = ""
) -> str:
    """Say why the instance that a server is launched into may not be stopped now; empty: it may.

    Once the server runs in its origin that very instance is production: only what is still to be launched, and what
    nobody launches at this moment, is stopped for it.

    :param agreed: the instance that people have agreed to
    :param stops: whether they have agreed to its stop: it was not stopped when preflight looked
    :param launched: how this run has launched it before; empty: it has not
    """
    if launched:
        return f"{launched}: {agreed} is not stopped any more"
    if state.stage is not Stage.READY or circle.launch is not None or circle.failed_back or circle.failback_drills:
        return f"it is {state.stage}: {agreed} is not stopped any more"
    if original.overwritten != agreed:
        where = original.overwritten or "a new instance"
        return f"DRS launches it into {where} now, and people have agreed to the stop of {agreed}"
    if original.instance_id != agreed:
        return f"{agreed} is not the instance that it came from, {original.instance_id or 'which DRS does not name'}"
    if not stops and (now := _state(original.described)) in _LIVE:
        return (
            f"{agreed} was stopped when preflight looked and is {now} now, and nobody has agreed to its stop: start a "
            "new run"
        )
    return ""


def launched_before(left: "Iterable[BackLaunches]", server_id: str, circle: Circle) -> str:
    """Say how a run has launched a server already, by what it left itself; empty: it has not, or nothing came of it.

    What DRS shows is not asked alone: an instance whose record somebody has deleted is production all the same.
    """
    for launches in left:
        gone = {ec2_id(record) for record in circle.failback_gone}
        if server_id in launches.already and launches.already[server_id] not in gone:
            return f"{launches.already[server_id] or 'it'} ran in its origin already when this run came to it"
        for job in (job for launch in launches.launches for job in launch.jobs):
            backs = [back for back in job.servers if launches.owners.get(back) == server_id]
            if any(not came_to_nothing(circle, job.job_id, back) for back in backs):
                return f"job {job.job_id} of this run has launched it"
    return ""


def why_not_quiet(wave: str, doubts: Sequence[str]) -> str:
    """Word that a wave stays where it was recovered because something may still be written there."""
    return (
        f"wave {wave} is not launched in its origin, for it is not certain that nothing is written where it was "
        f"recovered: {'; '.join(doubts)}. Nothing of it was stopped or launched. Clear the step that stops the writes "
        "with everything downstream, so that it runs again"
    )


def still_there(refusal: str) -> str:
    """Add to a refusal what it means where the writes are stopped by then."""
    return (
        f"{refusal.rstrip('.')}. What is not launched yet still runs where it was recovered, with its writes stopped: "
        "correct this and clear the task, or let the application write again"
    )


def drill_settings_of(circle: Circle) -> str:
    """Say that a server's launch settings in the origin are still those of a failback drill; empty: they are not."""
    for server in circle.failback_servers:
        if tags := sorted({SETTINGS, ACTIONS} & set(server.get("tags") or {})):
            return (
                f"its launch settings in the origin are still those of a failback drill (tag {', '.join(tags)} on "
                f"FAILBACK server {server.get('sourceServerID')})"
            )
    return ""


def why_not_overwritten(original: Original, agreed: str) -> str:
    """Say why a server may not be launched now: into another instance than people know of; empty: it may.

    :param agreed: the instance that preflight has shown; empty: DRS was to launch a new one
    """
    if original.into is None and not agreed:
        return ""
    if original.overwritten == agreed and original.instance_id == agreed:
        return ""
    now = f"into {original.into.name}" if original.into else "as a new instance"
    return f"DRS launches it {now}, and preflight has found {agreed or 'a new instance'}"


def _of_launch(server: RosterServer, state: CircleState, circle: Circle) -> Iterator[Finding]:
    job = circle.recovery.launches.get(server.server_id)
    if job is not None and job != circle.launch:
        what = f"job {job.job_id} launches it in the recovery Region"
        yield _finding(server, what, "wait for its end, then start this run again")
    if circle.why_in_doubt:
        yield _finding(server, circle.why_in_doubt, _LEAVE_OUT)
    elif what := adopted_words(state, circle):
        then = (
            LOOK_AT_MACHINE if is_from_data_centre(circle) else "terminate it in DRS if production does not run there"
        )
        yield _finding(server, what, f"{then}, or go on", is_refusal=False)
    for note in state.notes:
        yield _finding(server, note, "look at it before you go on", is_refusal=False)
    if state.stage is Stage.READY and is_from_data_centre(circle):
        yield _finding(server, NOT_PROVEN, STOP_THE_APPLICATION, is_refusal=False)
        if is_on_another_machine(circle):
            yield _finding(server, ON_ANOTHER_MACHINE, INSTALL_THERE, is_refusal=False)


def _of_original(server: RosterServer, circle: Circle, original: Original) -> Iterator[Finding]:
    if original.into is None:
        runs = circle.origin.state_in_ec2(original.instance_id) if circle.origin and original.instance_id else None
        if runs in _LIVE:
            yield _finding(
                server,
                f"its original instance {original.instance_id} is {runs} in the origin, and DRS would launch a new one "
                "beside it",
                "stop it in EC2: what it holds is from before the recovery; or have DRS launch into it",
            )
        return
    into = original.into
    if not into.instance_id:
        yield _finding(server, f"{into.words}, and does not say which that is", into.remedy)
    elif into.instance_id != original.instance_id:
        came = original.instance_id or "an instance that DRS does not name"
        what = f"{into.words}, and it came from {came}: what {into.instance_id} holds would be overwritten"
        yield _finding(server, what, into.remedy)
    elif _state(original.described) not in STOPPABLE:
        what = f"{into.words}, which is {_state(original.described) or 'unknown to EC2 there'}"
        yield _finding(server, what, into.remedy)
    else:
        yield from _of_overwritten(server, original)


def _of_overwritten(server: RosterServer, original: Original) -> Iterator[Finding]:
    key, value = ALLOWING_TAG
    if tags_of(original.described or {}).get(key) != value:
        what = f"{original.overwritten} lacks the tag {key}={value}, without which DRS does not launch into it"
        yield _finding(server, what, "tag it, or have DRS launch a new instance")
    is_running = original.is_running
    stopped = " stopped first and then" if is_running else ""
    yield _finding(
        server,
        f"{original.overwritten}, which it came from, is{stopped} overwritten by the launch",
        "see that nobody needs what is on it",
        is_refusal=False,
    )


def _state(described: Answer | None) -> str:
    return str(((described or {}).get("State") or {}).get("Name") or "")


def _finding(server: RosterServer, what: str, next_step: str, *, is_refusal: bool = True) -> Finding:
    severity: Severity = "refusal" if is_refusal else "warning"
    return Finding(severity, server.server_id, server.hostname, what, next_step, "way_back", kind=what)
