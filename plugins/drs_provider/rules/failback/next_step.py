"""What is to be done next for one server on the way back: a call, a wait, something for people, or nothing more."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.failback.launches.conversion import failed_conversion
from drs_provider.rules.failback.state import CircleState, Stage

StepKind = Literal["call", "wait", "people", "done", "refused"]


class FailbackCall(StrEnum):
    """A call that changes something on the way back, by DRS's name for it."""

    REVERSE = "ReverseReplication"
    STOP_REPLICATION = "StopReplication"
    TERMINATE = "TerminateRecoveryInstances"
    DISCONNECT_INSTANCE = "DisconnectRecoveryInstance"
    DELETE_RECORD = "DeleteRecoveryInstance"
    DISCONNECT = "DisconnectSourceServer"
    DELETE_SERVER = "DeleteSourceServer"


class NextStep(NamedTuple):
    """What is next for one server.

    :ivar why: words for people: what is waited for, what they are to do, or why nothing is possible
    :ivar call: what is to be called where ``kind`` is ``call``
    :ivar target: id of the instance or source server that it is called for
    :ivar in_origin: whether it is called in the origin; else in the recovery Region
    """

    kind: StepKind
    why: str = ""
    call: FailbackCall | None = None
    target: str = ""
    in_origin: bool = False


BOOT_CLIENT: Final = (
    "it came from a data centre, and DRS has no call for that: boot its machine from the DRS Failback Client ISO of "
    "{region}, and name recovery instance {instance} to it"
)
INSTALL_AGENT: Final = (
    "nothing replicates the machine that it was failed back to: start the DRS agent there, or install it where it is "
    "not the original machine"
)
SAME_REGION: Final = (
    "it was recovered in the Region that it came from, and that ReverseReplication protects it there is not "
    "established: choose Protect recovered instance in DRS's console"
)
NOT_KNOWN: Final = "DRS knows no such source server in this account and Region"
NOT_RECOVERED: Final = "it was not recovered, so there is no way back to go"

_REVERSAL: Final[Mapping[Stage, NextStep]] = {
    Stage.UNKNOWN: NextStep("refused", NOT_KNOWN),
    Stage.RESTING: NextStep("refused", NOT_RECOVERED),
    Stage.PROTECTED: NextStep("refused", NOT_RECOVERED),
    Stage.REVERSING: NextStep("wait", "its replication to the origin is being set up"),
    Stage.COPYING: NextStep("wait", "its disks are copied to the origin"),
    Stage.READY: NextStep("done", "the copy in the origin is up to date"),
    Stage.LAUNCHING: NextStep("done", "a job launches it in the origin already"),
    Stage.FAILED_BACK: NextStep("done", "it is failed back already"),
    Stage.REPROTECTING: NextStep("done", "it is failed back already"),
    Stage.REPROTECTED: NextStep("done", "it is failed back and protected already"),
}
_NOT_FAILED_BACK: Final = "it was not launched in its origin: fail it back first"
_REPROTECTION: Final[Mapping[Stage, NextStep]] = {
    Stage.UNKNOWN: NextStep("refused", NOT_KNOWN),
    Stage.RESTING: NextStep("done", "it is protected, and nothing of the way back is left"),
    Stage.RECOVERED: NextStep("refused", _NOT_FAILED_BACK),
    Stage.REVERSING: NextStep("refused", _NOT_FAILED_BACK),
    Stage.COPYING: NextStep("refused", _NOT_FAILED_BACK),
    Stage.READY: NextStep("refused", _NOT_FAILED_BACK),
    Stage.LAUNCHING: NextStep("wait", "a job launches it in the origin"),
    Stage.REPROTECTING: NextStep("wait", "its disks are rescanned from the recovery Region"),
    Stage.REPROTECTED: NextStep("done", "it is protected again"),
}


def next_reversal(state: CircleState, circle: Circle) -> NextStep:
    """Return what brings a recovered server to where it can be launched in its origin."""
    if state.stage is Stage.STUCK:
        return stuck_step(state)
    if state.stage is Stage.RECOVERED:
        return _reverse_recovered(circle)
    if state.stage is Stage.REPROTECTING and circle.is_in_one_region:
        return NextStep("wait", "its disks are rescanned")
    return _REVERSAL[state.stage]


def next_reprotection(state: CircleState, circle: Circle) -> NextStep:
    """Return what protects a failed-back server again, as in the beginning."""
    if state.passes and state.stuck_at in {Stage.RECOVERED, Stage.REVERSING, Stage.COPYING, Stage.READY}:
        # Its copy may well go on, and never launches it.
        return NextStep("refused", f"{_NOT_FAILED_BACK} ({state.why})")
    if state.stage is Stage.STUCK:
        return stuck_step(state)
    if state.stage is Stage.FAILED_BACK:
        return _reverse_failed_back(circle)
    if state.stage is Stage.PROTECTED:
        is_up_to_date = state.copy is not None and state.copy.state == "CONTINUOUS"
        return NextStep("done", "it is protected") if is_up_to_date else NextStep("wait", "; ".join(state.notes))
    return _REPROTECTION[state.stage]


def next_failback(state: CircleState, circle: Circle) -> NextStep:
    """Return what a server waits for that is launched in its origin, or whose failback client is converted.

    Never a call: a launch is asked for together, in jobs.
    """
    if state.stage is Stage.STUCK:
        return stuck_step(state)
    if state.stage is Stage.LAUNCHING:
        return NextStep("wait", "a job launches it in its origin")
    if state.stage in {Stage.FAILED_BACK, Stage.REPROTECTING, Stage.REPROTECTED}:
        return NextStep("done", f"{state.failed_back or 'it'} runs in its origin")
    if state.stage is Stage.READY:
        if why := _why_not_launched(state, circle):
            return NextStep("refused", why)
        # DescribeJobs may not show a new job at once.
        return NextStep("wait", "no job launches it, as far as DRS shows")
    step = next_reversal(state, circle)
    return step if step.kind == "refused" else NextStep("refused", f"it is {state.stage}: nothing launches it")


def _why_not_launched(state: CircleState, circle: Circle) -> str:
    """Say how the last launch of a server that is ready has failed; empty: none has."""
    if any(server.get("lastLaunchResult") == "FAILED" for server in circle.failback_servers):
        return f"the last launch of {state.failback_server} failed: its job's log says why"
    if job_id := failed_conversion(circle):
        return f"job {job_id} has not converted its failback client: the job's log says why"
    return ""


def is_on_another_machine(circle: Circle) -> bool:
    """Tell whether DRS does not say that a failback client is on the machine that its server came from."""
    return any(
        (record.get("failback") or {}).get("failbackToOriginalServer") is not True for record in circle.recovered
    )


def stuck_step(state: CircleState) -> NextStep:
    """Return what is next for a server that is stuck: a wait where that may help."""
    return NextStep("wait" if state.passes else "refused", state.why)


def _reverse_recovered(circle: Circle) -> NextStep:
    record = circle.recovered[0]
    if circle.origin_place is None or record.get("originEnvironment") == "ON_PREMISES":
        words = BOOT_CLIENT.format(region=circle.recovery.place.region, instance=record.get("recoveryInstanceID"))
        return NextStep("people", words)
    if circle.is_in_one_region:
        return NextStep("refused", SAME_REGION)
    return _reverse(record, in_origin=False)


def _reverse_failed_back(circle: Circle) -> NextStep:
    if not circle.failed_back:
        # What is installed on another machine is another server: nothing ever protects this one again.
        return NextStep("refused" if is_on_another_machine(circle) else "people", INSTALL_AGENT)
    if why := circle.why_in_doubt:
        return NextStep("refused", why)
    return _reverse(circle.failed_back[0], in_origin=True)


def _reverse(record: Answer, *, in_origin: bool) -> NextStep:
    """Reverse an instance where it runs: DRS refuses one that does not."""
    name, says = str(record.get("recoveryInstanceID")), str(record.get("ec2InstanceState") or "")
    if says == "RUNNING":
        call = FailbackCall.REVERSE
        return NextStep("call", f"{call} of {name}", call, name, in_origin)
    if says == "PENDING":
        return NextStep("wait", f"{name} is starting")
    return NextStep("refused", f"{name} is {says or 'in an unknown state'}, and DRS reverses running ones: start it")
