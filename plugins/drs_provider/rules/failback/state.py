"""Where every server stands on its way there and back: one state from what the cloud says in both Regions.

Never from what a run remembers: another Airflow with an empty database, or people in the console, may have gone on. In
the circle of EC2 servers `failback.state` decides nothing, for AWS does not say what it means there: the FAILBACK
server's own replication does, and the instances in the origin Region. For servers from data centres `failback.state` is
the truth. Every doubt falls on the side on which nothing is deleted: ``REPROTECTED``, after which recovered instances
may go, needs a running instance in the origin, a server that replicates just this one, and disks that are rescanned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import Circle, ec2_id, replicated_instance
from drs_provider.rules.failback.copy_progress import CopyProgress
from drs_provider.rules.failback.data_centre.conversion import hidden_conversion
from drs_provider.rules.failback.hidden_launch import hidden_launch
from drs_provider.rules.failback.replication_errors import ReplicationError


class Stage(StrEnum):
    """A server's place in the circle, in its order."""

    UNKNOWN = "unknown"
    """DRS knows no such source server."""
    RESTING = "resting"
    """Protected, and nothing of a way there or back is left in either Region."""
    PROTECTED = "protected"
    """Its source is replicated, or was; something keeps it from resting (``notes``)."""
    RECOVERED = "recovered"
    """Production runs on a recovered instance, which is not replicated back."""
    REVERSING = "reversing"
    """Replication to the origin is being set up."""
    COPYING = "copying"
    """The recovered instance's disks are being copied to the origin."""
    READY = "ready"
    """The copy is up to date: it can be launched in the origin."""
    LAUNCHING = "launching"
    """A job launches it in the origin, or converts its failback client."""
    FAILED_BACK = "failed_back"
    """It was launched in the origin and is not protected from there."""
    REPROTECTING = "reprotecting"
    """The failed-back instance is being replicated to the recovery Region again."""
    REPROTECTED = "reprotected"
    """It is protected as in the beginning; what the way back has left can be removed (``leftovers``)."""
    STUCK = "stuck"
    """It does not go on by itself, or not now; ``why`` says what is the matter and what to do."""


@dataclass(frozen=True)
class CircleState:
    """Where one server stands.

    :param stuck_at: where it would stand if it were not stuck; None where it is not, or nobody can tell
    :param why: why it is stuck and what to do next; empty otherwise
    :param passes: whether waiting may help a stuck server: its replication has stalled
    :param recovered: id of the recovered instance
    :param failback_server: id of the server that replicates it in the origin
    :param failed_back: id of the instance in the origin that production runs on
    :param protected_by: id of the server that replicates the failed-back instance
    :param failback_drills: ids of instances of a failback drill that run in the origin
    :param copy: how far the copy that this stage waits for is
    :param leftovers: ids of what the circle still holds beside the server itself
    :param notes: what else is worth telling
    """

    server_id: str
    stage: Stage
    stuck_at: Stage | None = None
    why: str = ""
    passes: bool = False
    recovered: str = ""
    failback_server: str = ""
    failed_back: str = ""
    protected_by: str = ""
    failback_drills: tuple[str, ...] = ()
    copy: CopyProgress | None = None
    leftovers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


COPY_STAGES: Final[Mapping[str, Stage]] = {
    "NOT_STARTED": Stage.REVERSING,
    "REPLICATION_STATE_NOT_AVAILABLE": Stage.REVERSING,
    "INITIATING": Stage.REVERSING,
    "INITIAL_SYNC": Stage.COPYING,
    "CREATING_SNAPSHOT": Stage.COPYING,
    "RESCAN": Stage.COPYING,
    "BACKLOG": Stage.COPYING,
    "CONTINUOUS": Stage.READY,
}
"""By ``dataReplicationState`` of what replicates a recovered instance; what is not here is stuck."""

PROTECTING_STATES: Final = frozenset(
    {"INITIATING", "INITIAL_SYNC", "CREATING_SNAPSHOT", "RESCAN", "BACKLOG", "CONTINUOUS"}
)
"""In which a server is on its way to protect a failed-back instance, or does so."""

ENDED_STATES: Final = frozenset({"STOPPED", "DISCONNECTED"})
NOT_SEEN_YET: Final = frozenset({"", "AGENT_NOT_SEEN"})
"""Errors of a stalled server that are usual for a short while after its source has changed (observed)."""


def state_of(circle: Circle) -> CircleState:
    """Return where a server stands; every circle has exactly one state."""
    base = _base(circle)
    if circle.server is None:
        return base
    contradiction = _contradiction(circle)
    if contradiction:
        return _stuck(base, None, contradiction)
    if circle.origin_place is None or _origin_environment(circle) == "ON_PREMISES":
        return _from_data_centre(circle, circle.server, base)
    return _from_ec2(circle, circle.server, base)


def _from_ec2(circle: Circle, server: Answer, base: CircleState) -> CircleState:
    if circle.launch is not None and not circle.launch.is_drill:
        return replace(base, stage=Stage.LAUNCHING)
    if circle.failed_back:
        return _failed_back(circle, circle.failed_back[0], base)
    if circle.failback_servers:
        return _unless_hidden(circle, _on_the_way(circle, circle.failback_servers[0], base))
    if circle.recovered:
        return _recovered(circle, server, circle.recovered[0], base)
    return _at_home(server, base)


def _origin_environment(circle: Circle) -> str:
    return str(circle.recovered[0].get("originEnvironment") or "") if circle.recovered else ""


# -- what cannot be --------------------------------------------------------------------------------------------------


def _contradiction(circle: Circle) -> str:
    """Say what no state has a place for; empty: nothing."""
    server = circle.server or {}
    if server.get("replicationDirection") == "FAILBACK":
        return "this is a FAILBACK server: name the server that protects its source in the recovery Region"
    if not circle.is_origin_known and circle.origin_place is not None:
        account, region = circle.origin_place
        return f"its origin, {region} of account {account}, could not be looked at: check the connection of the origin"
    if circle.origin_place is None and _origin_environment(circle) == "AWS":
        return "DRS does not say from which Region it came: reverse it in DRS's console"
    return _several(circle) or _wrong_server(circle)


def _several(circle: Circle) -> str:
    several: tuple[tuple[str, list[str]], ...] = (
        ("recovered instances run", [ec2_id(record) for record in circle.recovered]),
        ("FAILBACK servers replicate it", [_id(found) for found in _connected(circle)]),
        ("instances run in the origin", [ec2_id(record) for record in circle.failed_back]),
    )
    for words, ids in several:
        if len(ids) > 1:
            return (
                f"{len(ids)} {words} ({', '.join(ids)}), and nobody can tell which is right: remove the others by hand"
            )
    return ""


def _wrong_server(circle: Circle) -> str:
    drills = {ec2_id(record) for record in circle.drills}
    wrong = [found for found in circle.failback_servers if replicated_instance(found) in drills]
    if wrong:
        return (
            f"FAILBACK server {_id(wrong[0])} replicates {replicated_instance(wrong[0])}, an instance of a drill, that "
            "must never become production: stop its replication and delete it"
        )
    if len(circle.twins) > 1 or (circle.twins and not _is_successor(circle)):
        return (
            f"{_id(circle.twins[0])} replicates the same machine: somebody has installed the agent again instead of "
            "reversing the replication. Disconnect and delete the server that is not up to date"
        )
    return ""


def _connected(circle: Circle) -> list[Answer]:
    return [found for found in circle.failback_servers if _state(found) != "DISCONNECTED"]


def _is_successor(circle: Circle) -> bool:
    """Whether DRS has made another server for the failed-back instance, which the server itself does not replicate."""
    return bool(circle.failed_back) and replicated_instance(circle.server or {}) != ec2_id(circle.failed_back[0])


# -- EC2 --------------------------------------------------------------------------------------------------------------


def _recovered(circle: Circle, server: Answer, record: Answer, base: CircleState) -> CircleState:
    state = _state(record)
    if circle.is_in_one_region and replicated_instance(server) == ec2_id(record):
        return _protecting(circle, record, base)
    if state == "DISCONNECTED":
        why = "its recovered instance was disconnected from DRS, and cannot be reversed: install the agent on it"
        return _stuck(base, Stage.RECOVERED, why)
    if state in ENDED_STATES:
        why = "its recovered instance was replicated back, and that was stopped: look for its FAILBACK server"
        return _stuck(base, Stage.RECOVERED, why)
    started = state not in {"", "NOT_STARTED", "REPLICATION_STATE_NOT_AVAILABLE"}
    if started and not circle.is_in_one_region:
        note = "DRS shows no FAILBACK server in the origin yet"
        return replace(base, stage=Stage.REVERSING, copy=_progress(record), notes=(*base.notes, note))
    return replace(base, stage=Stage.RECOVERED)


def _on_the_way(circle: Circle, found: Answer, base: CircleState) -> CircleState:
    """A FAILBACK server is there, and no instance was launched from it for good."""
    state = _state(found)
    base = replace(base, copy=_progress(found))
    if circle.launch is not None:
        base = replace(base, notes=(*base.notes, f"job {circle.launch.job_id} launches it for a drill"))
    if state in ENDED_STATES:
        return _ended(circle, found, base)
    return _copying(found, COPY_STAGES.get(state), base)


def _unless_hidden(circle: Circle, found: CircleState) -> CircleState:
    """What DRS has launched without showing it is not ready to be launched: production may run on it."""
    hidden = hidden_launch(circle) if found.stage is Stage.READY else None
    if hidden is None:
        return found
    if hidden.is_young:
        return replace(found, stage=Stage.LAUNCHING, notes=(*found.notes, hidden.note))
    return _stuck(found, Stage.LAUNCHING, hidden.why)


def _ended(circle: Circle, found: Answer, base: CircleState) -> CircleState:
    """Replication to the origin was ended: at the end of the circle, or in its middle."""
    if circle.recovered:
        why = (
            f"FAILBACK server {_id(found)} is {_state(found)}, its recovery points are deleted, and no instance was "
            "launched from it: "
        )
        stopped = _state(found) == "STOPPED"
        why += "start its replication, which copies everything again" if stopped else "delete it, and reverse again"
        return _stuck(base, Stage.COPYING, why)
    return _protecting(circle, None, base)


def _failed_back(circle: Circle, record: Answer, base: CircleState) -> CircleState:
    state = _state(record)
    if state in {"", "NOT_STARTED"}:
        return replace(base, stage=Stage.FAILED_BACK)
    if state in ENDED_STATES:
        why = (
            f"the replication of failed-back instance {ec2_id(record)} is {state}: start it again, or reverse it again"
        )
        return _stuck(base, Stage.REPROTECTING, why)
    return _protecting(circle, record, base)


def _protecting(circle: Circle, record: Answer | None, base: CircleState) -> CircleState:
    """Some server is about to replicate, or replicates, what production runs on in the origin.

    :param record: the instance, where DRS still has its record
    """
    instance = replicated_instance(circle.server or {}) if record is None else ec2_id(record)
    protector = circle.twins[0] if circle.twins else circle.server or {}
    if not instance or replicated_instance(protector) != instance:
        note = f"no server in the recovery Region replicates {instance or 'it'} yet"
        return replace(base, stage=Stage.REPROTECTING, notes=(*base.notes, note))
    state, info = _state(protector), protector.get("dataReplicationInfo") or {}
    error = ReplicationError.of(info)
    base = replace(base, protected_by=_id(protector), copy=_progress(protector))
    if state == "STALLED" and (error.code if error else "") in NOT_SEEN_YET:
        return replace(base, stage=Stage.REPROTECTING, notes=(*base.notes, "DRS has not seen its agent yet"))
    if state not in PROTECTING_STATES:
        return _stuck(base, Stage.REPROTECTING, _words(protector, error), passes=state not in ENDED_STATES)
    if state != "CONTINUOUS" or not _progress(protector).is_rescanned:
        return replace(base, stage=Stage.REPROTECTING)
    return _proven(circle, record, instance, base)


def _proven(circle: Circle, record: Answer | None, instance: str, base: CircleState) -> CircleState:
    """Everything is rescanned, perhaps for another instance: what production runs on must say so itself, and run.

    A server that launches into its source keeps the id of its instance, and what it says may be from before: only the
    instance's own replication tells that it was reversed.
    """
    if record is not None and not circle.is_in_one_region and _state(record) != "CONTINUOUS":
        note = f"{instance} itself says {_state(record)} of its replication"
        return replace(base, stage=Stage.REPROTECTING, notes=(*base.notes, note))
    said = circle.origin.state_in_ec2(instance) if circle.origin is not None else None
    runs = said == "running" if said is not None else record is not None and record.get("ec2InstanceState") == "RUNNING"
    if not runs:
        words = said or str((record or {}).get("ec2InstanceState") or "") or "unknown"
        why = (
            f"{instance}, which production should run on in the origin, is {words}: start it before anything is removed"
        )
        return _stuck(base, Stage.REPROTECTING, why)
    return replace(base, stage=Stage.REPROTECTED)


def _at_home(server: Answer, base: CircleState) -> CircleState:
    """No live recovered instance, no FAILBACK server, nothing launched in the origin."""
    state = _state(server)
    base = replace(base, copy=_progress(server))
    if state in ENDED_STATES:
        then = "start it again" if state == "STOPPED" else "install the agent again"
        return _stuck(base, Stage.PROTECTED, f"its replication is {state}, so nothing protects it: {then}")
    if state == "CONTINUOUS" and not base.leftovers:
        return replace(base, stage=Stage.RESTING)
    notes = base.notes if state == "CONTINUOUS" else (*base.notes, _words(server, _error(server)))
    return replace(base, stage=Stage.PROTECTED, notes=notes)


# -- data centres -----------------------------------------------------------------------------------------------------


def _from_data_centre(circle: Circle, server: Answer, base: CircleState) -> CircleState:
    if not circle.recovered:
        return _at_home(server, base)
    record = circle.recovered[0]
    failback = str((record.get("failback") or {}).get("state") or "FAILBACK_NOT_STARTED")
    base = replace(base, copy=_progress(record))
    if failback == "FAILBACK_COMPLETED":
        return _completed(record, server, base)
    if circle.launch is not None and failback != "FAILBACK_NOT_STARTED":
        return replace(base, stage=Stage.LAUNCHING)
    hidden = hidden_conversion(circle) if failback not in {"FAILBACK_NOT_STARTED", "FAILBACK_ERROR"} else None
    if hidden is not None and hidden.is_young:
        return replace(base, stage=Stage.LAUNCHING, notes=(*base.notes, hidden.note))
    if hidden is not None:
        return _stuck(base, Stage.LAUNCHING, hidden.why)
    return _to_data_centre(record, failback, base)


def _to_data_centre(record: Answer, failback: str, base: CircleState) -> CircleState:
    """A recovered instance that no job converts: it is copied to a failback client, or was."""
    if _state(record) == "DISCONNECTED":
        why = "its recovered instance was disconnected from DRS, and no failback client can reach it: recover it again"
        return _stuck(base, Stage.RECOVERED, why)
    if failback == "FAILBACK_NOT_STARTED":
        return replace(base, stage=Stage.RECOVERED, copy=None)
    if failback == "FAILBACK_ERROR":
        error = _error(record)
        said = f"DRS says {failback}" + (f", {error.words}" if error else "")
        return _stuck(base, Stage.COPYING, f"{said}. Stop the failback, and boot the failback client again")
    stage = COPY_STAGES.get(_state(record))
    if stage is Stage.READY and failback != "FAILBACK_READY_FOR_LAUNCH":
        stage = Stage.COPYING
    return _copying(record, stage, base)


def _completed(record: Answer, server: Answer, base: CircleState) -> CircleState:
    """The failback client was converted; the source's own agent goes on where the machine is the original one.

    Only DRS's own word tells that it is. On another machine the agent of the original one may run again, and what it
    replicates is not production.
    """
    base = replace(base, copy=_progress(server))
    if (record.get("failback") or {}).get("failbackToOriginalServer") is not True:
        note = "DRS does not say that it was failed back to its original machine: nothing protects the one it runs on"
        return replace(base, stage=Stage.FAILED_BACK, notes=(*base.notes, note))
    state = _state(server)
    if state == "CONTINUOUS" and _progress(server).is_rescanned:
        return replace(base, stage=Stage.REPROTECTED, protected_by=base.server_id)
    if state in PROTECTING_STATES:
        return replace(base, stage=Stage.REPROTECTING, protected_by=base.server_id)
    note = "its agent does not replicate"
    return replace(base, stage=Stage.FAILED_BACK, notes=(*base.notes, note))


# -- shared -----------------------------------------------------------------------------------------------------------


def _copying(replicated: Answer, stage: Stage | None, base: CircleState) -> CircleState:
    """Place what is copied to the origin by its replication, unless DRS names an error."""
    error = _error(replicated)
    state = _state(replicated)
    if stage is None:
        passes = state not in ENDED_STATES
        return _stuck(base, Stage.COPYING, _words(replicated, error), passes=passes)
    if error is not None and stage is not Stage.READY:
        return _stuck(base, stage, _words(replicated, error), passes=True)
    return replace(base, stage=stage)


def _base(circle: Circle) -> CircleState:
    """Return all that a state tells beside the stage."""
    records = (*circle.recovered, *circle.drills, *circle.gone)
    back = (*circle.failed_back, *circle.failback_drills, *circle.failback_gone)
    notes = [f"{ec2_id(record)} of a drill runs in the recovery Region" for record in circle.drills]
    notes += [f"{ec2_id(record)} of a failback drill runs in the origin" for record in circle.failback_drills]
    notes += [f"DRS still lists {ec2_id(record)}, which is gone" for record in (*circle.gone, *circle.failback_gone)]
    notes += [f"the last launch of {_id(found)} failed" for found in circle.failback_servers if _has_failed(found)]
    notes += [
        f"{_id(found)} was launched, but DRS shows no instance of it"
        for found in circle.failback_servers
        if found.get("lastLaunchResult") == "SUCCEEDED" and not back
    ]
    return CircleState(
        server_id=circle.server_id,
        stage=Stage.UNKNOWN,
        recovered=ec2_id(circle.recovered[0]) if circle.recovered else "",
        failback_server=_id(circle.failback_servers[0]) if circle.failback_servers else "",
        failed_back=ec2_id(circle.failed_back[0]) if circle.failed_back else "",
        failback_drills=tuple(ec2_id(record) for record in circle.failback_drills),
        leftovers=(
            *(ec2_id(record) for record in records),
            *(_id(found) for found in circle.failback_servers),
            *(ec2_id(record) for record in back),
        ),
        notes=tuple(notes),
    )


def _stuck(base: CircleState, stage: Stage | None, why: str, *, passes: bool = False) -> CircleState:
    return replace(base, stage=Stage.STUCK, stuck_at=stage, why=why, passes=passes)


def _words(replicated: Answer, error: ReplicationError | None) -> str:
    state = _state(replicated) or "not told by DRS"
    return f"its replication is {state}" + (f": {error.words}" if error else "")


def _state(found: Answer) -> str:
    return str((found.get("dataReplicationInfo") or {}).get("dataReplicationState") or "")


def _error(found: Answer) -> ReplicationError | None:
    return ReplicationError.of(found.get("dataReplicationInfo") or {})


def _progress(found: Answer) -> CopyProgress:
    return CopyProgress.of(found.get("dataReplicationInfo"))


def _id(server: Answer) -> str:
    return str(server.get("sourceServerID") or "")


def _has_failed(server: Answer) -> bool:
    return server.get("lastLaunchResult") == "FAILED"
