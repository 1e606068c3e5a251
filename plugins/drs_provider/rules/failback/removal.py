"""What a clean-up after a failback may remove next, in the one order in which nothing is lost."""

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import EC2_GONE, Circle, ec2_id, replicated_instance
from drs_provider.rules.failback.next_step import NOT_KNOWN, FailbackCall, NextStep, stuck_step
from drs_provider.rules.failback.state import ENDED_STATES, CircleState, Stage
from drs_provider.rules.launch.jobs import ENDED_STATUS


class RemovalStep(StrEnum):
    """What is done for every server, in this order."""

    STOP_REPLICATION = "stop_replication"
    """Stop the FAILBACK server: its recovery points go, and the recovered instance may be terminated."""
    TERMINATE_RECOVERED = "terminate_recovered"
    """Terminate the recovered instance."""
    DISCONNECT_RECOVERED = "disconnect_recovered"
    """Part with the recovered instance instead: it goes on in EC2, unknown to DRS. Only where it is asked for."""
    DELETE_RECORDS = "delete_records"
    """Delete DRS's records of the failed-back instance and of instances that are no more; EC2 instances stay."""
    DISCONNECT_SERVERS = "disconnect_servers"
    """Disconnect the FAILBACK server."""
    DELETE_SERVERS = "delete_servers"
    """Delete the FAILBACK server."""


ALL_STEPS: Final = tuple(step for step in RemovalStep if step is not RemovalStep.DISCONNECT_RECOVERED)
"""Everything that a clean-up does where nothing else is asked for."""

STEP_OF: Final = {
    FailbackCall.STOP_REPLICATION: RemovalStep.STOP_REPLICATION,
    FailbackCall.TERMINATE: RemovalStep.TERMINATE_RECOVERED,
    FailbackCall.DISCONNECT_INSTANCE: RemovalStep.DISCONNECT_RECOVERED,
    FailbackCall.DELETE_RECORD: RemovalStep.DELETE_RECORDS,
    FailbackCall.DISCONNECT: RemovalStep.DISCONNECT_SERVERS,
    FailbackCall.DELETE_SERVER: RemovalStep.DELETE_SERVERS,
}
_NOTHING_LEFT: Final = "nothing of the way back is left"


def next_removal(state: CircleState, circle: Circle, steps: Collection[RemovalStep] = ALL_STEPS) -> NextStep:
    """Return what removes the next thing that the way back of a server has left.

    Nothing but records of what is gone, unless the server is protected again at this look.

    :param steps: the only ones that may be done; one that comes before them and is not done refuses
    """
    match state.stage:
        case Stage.RESTING:
            return NextStep("done", _NOTHING_LEFT)
        case Stage.STUCK:
            return stuck_step(state)
        case Stage.REPROTECTING:
            return NextStep("wait", "it is not protected again yet, and nothing is removed before that")
        case Stage.PROTECTED | Stage.REPROTECTED:
            keeps = RemovalStep.DISCONNECT_RECOVERED in steps and RemovalStep.TERMINATE_RECOVERED not in steps
            is_proven = state.stage is Stage.REPROTECTED
            # A step by itself does not say what has become of the recovered instance in another one.
            may_live = RemovalStep.TERMINATE_RECOVERED not in steps
            removals = _removals(state, circle, keeps=keeps, may_live=may_live)
            due = next(removals if is_proven else _records_here(circle), None)
            return NextStep("done", "; ".join(state.notes) or _NOTHING_LEFT) if due is None else _allowed(due, steps)
        case Stage.UNKNOWN:
            return NextStep("refused", NOT_KNOWN)
        case _:
            return NextStep("refused", f"it is {state.stage} and not protected again: nothing is removed before that")


def production_instance(state: CircleState, circle: Circle) -> str:
    """Return the id of the EC2 instance that production runs on in the origin; empty where none is known.

    For a server that is protected again; once DRS's record of it is deleted, the server that replicates it names it.
    """
    return state.failed_back or replicated_instance(circle.server or {})


def _allowed(due: NextStep, steps: Collection[RemovalStep]) -> NextStep:
    """Keep a removal to the steps that were asked for."""
    if due.call is None:
        return due
    step, order = STEP_OF[due.call], list(RemovalStep)
    if step in steps:
        return due
    if all(order.index(asked) < order.index(step) for asked in steps):
        return NextStep("done", f"left for later: {step} of {due.target}")
    return NextStep("refused", f"{step} of {due.target} comes first")


def _removals(state: CircleState, circle: Circle, *, keeps: bool, may_live: bool) -> Iterator[NextStep]:
    """Yield all that can be removed of a server that is protected again, the next one first.

    :param keeps: whether the recovered instance goes on in EC2
    :param may_live: whether it may do so
    """
    if circle.is_in_one_region:
        # What was recovered is what production runs on: nothing here may be removed.
        return
    if why := circle.why_in_doubt:
        yield NextStep("refused", why)
    for server in circle.failback_servers:
        if _state(server) not in ENDED_STATES:
            yield _end(FailbackCall.STOP_REPLICATION, circle, server, keeps=may_live)
    yield from _ends_of_recovered(state, circle, keeps=keeps)
    for record in (*circle.failed_back, *circle.failback_gone):
        yield _record(record, in_origin=True)
    yield from _records_here(circle)
    for server in circle.failback_servers:
        if _state(server) != "DISCONNECTED":
            yield _end(FailbackCall.DISCONNECT, circle, server, keeps=may_live)
    for server in circle.failback_servers:
        yield _end(FailbackCall.DELETE_SERVER, circle, server, keeps=may_live)


def foreign_servers(circle: Circle, *, keeps: bool = False) -> Iterator[str]:
    """Yield why FAILBACK servers are not known to be of this very server: the ARN that one is found by may be stale.

    One that replicates must replicate an instance of the server. Of one that is stopped the instance may be gone, with
    its record: it is another's where that instance lives on.

    :param keeps: whether the recovered instance goes on in EC2, unknown to DRS
    """
    yield from (why for server in circle.failback_servers if (why := _why_foreign(circle, server, keeps=keeps)))


def _why_foreign(circle: Circle, server: Answer, *, keeps: bool) -> str:
    own = {ec2_id(record) for record in (*circle.recovered, *circle.drills, *circle.gone)}
    instance = replicated_instance(server)
    if instance in own:
        return ""
    others = {ec2_id(record) for record in circle.recovery.instances}
    is_gone = circle.recovery.state_in_ec2(instance) in {None, "", *EC2_GONE}
    if _state(server) in ENDED_STATES and instance not in others and (is_gone or keeps):
        return ""
    why = (
        f"FAILBACK server {_id(server)} replicates {instance or 'an unknown instance'}, which was not recovered from it"
    )
    return f"{why}: look whose it is in DRS's console of the origin"


def _end(call: FailbackCall, circle: Circle, server: Answer, *, keeps: bool) -> NextStep:
    """Stop, disconnect or delete a FAILBACK server, unless it is another's."""
    if why := _why_foreign(circle, server, keeps=keeps):
        return NextStep("refused", why)
    return _call(call, _id(server), in_origin=True)


def _termination(circle: Circle) -> str:
    """Return the id of a job that terminates recovery instances of the server; empty: none does."""
    return next(
        (
            str(job.get("jobID"))
            for job in circle.recovery.jobs
            if job.get("type") == "TERMINATE"
            and job.get("status") != ENDED_STATUS
            and any(part.get("sourceServerID") == circle.server_id for part in job.get("participatingServers") or ())
        ),
        "",
    )


def _ends_of_recovered(state: CircleState, circle: Circle, *, keeps: bool) -> Iterator[NextStep]:
    production = production_instance(state, circle)
    if job_id := _termination(circle):
        yield NextStep("wait", f"job {job_id} terminates its recovered instance")
    for record in circle.recovered:
        if ec2_id(record) == production:
            yield NextStep("refused", f"{production} is what production runs on: nothing is terminated")
        elif not keeps:
            yield _call(FailbackCall.TERMINATE, str(record.get("recoveryInstanceID")))
        elif _state(record) == "DISCONNECTED":
            yield _record(record, in_origin=False)
        else:
            yield _call(FailbackCall.DISCONNECT_INSTANCE, str(record.get("recoveryInstanceID")))
    if circle.failback_drills:
        named = ", ".join(ec2_id(record) for record in circle.failback_drills)
        yield NextStep("refused", f"{named} of a failback drill still runs in the origin: terminate it first")


def _records_here(circle: Circle) -> Iterator[NextStep]:
    """Yield the removals of records of instances that are no more, in the recovery Region."""
    for record in circle.gone:
        yield _record(record, in_origin=False)


def _record(record: Answer, *, in_origin: bool) -> NextStep:
    return _call(FailbackCall.DELETE_RECORD, str(record.get("recoveryInstanceID")), in_origin=in_origin)


def _call(call: FailbackCall, target: str, *, in_origin: bool = False) -> NextStep:
    return NextStep("call", f"{call} of {target}", call, target, in_origin)


def _state(server: Answer) -> str:
    return str((server.get("dataReplicationInfo") or {}).get("dataReplicationState") or "")


def _id(server: Answer) -> str:
    return str(server.get("sourceServerID") or "")
