"""Whether a source server's replication may be ended for good: who agreed, and whether its replacement really runs."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from drs_provider.people import is_said_by_anybody, is_same_person
from drs_provider.rules.answers import Answer
from drs_provider.rules.run.handover import RecordedAnswer

Ending = Literal["stop", "disconnect"]

APPROVE: Final = "Approve"
ENDED_STATES: Final[Mapping[Ending, frozenset[str]]] = {
    "stop": frozenset({"STOPPED", "DISCONNECTED"}),
    "disconnect": frozenset({"DISCONNECTED"}),
}
_DESTROYS: Final = {
    "stop": (
        "**Replication of these source servers is stopped. DRS deletes all their recovery points at once**, so no "
        "earlier state can be recovered any more, and nothing new is protected. Starting it again means a full copy "
        "of every disk."
    ),
    "disconnect": (
        "**These source servers are disconnected from DRS. DRS deletes all their recovery points and every "
        "replication resource** (staging disks, replication servers), and the agent on the source is cut off. There "
        "is no way back: the agent has to be installed again, with a full copy of every disk."
    ),
}


def what_it_destroys(ending: Ending, servers: Sequence[str]) -> str:
    """Return the Markdown for the people who are asked: what is lost, and for which servers."""
    names = "\n".join(f"- `{name}`" for name in servers)
    return (
        f"{_DESTROYS[ending]}\n\nThe recovered instances are not touched, and become the only copy of the data. For "
        f"EC2 sources, reversing the replication is usually what comes next, not this.\n\n{names}"
    )


def why_not_agreed(  # noqa: PLR0911  (one reason, one way out)
    task_id: str,
    answer: RecordedAnswer | None,
    *,
    run_type: str,
    triggered_by: str | None,
    approvers: Sequence[str] = (),
) -> str | None:
    """Say why a recorded answer does not allow it; None: it does.

    :param answer: what the approval task left, signed. A task that is marked as successful leaves none
    :param run_type: ``manual``, ``scheduled``…: a schedule ends no replication
    :param triggered_by: who triggered the run; somebody else has to agree
    :param approvers: whose answer counts; empty: anybody's but the one who triggered the run
    """
    if run_type != "manual":
        return f"the run is {run_type}, and only a person may start this: trigger it manually"
    if answer is None:
        return f"{task_id} has recorded no answer (a task that is marked as successful approves nothing)"
    who = None if answer.expired else answer.by
    if answer.chosen != APPROVE:
        return f"the answer of {task_id} is {answer.chosen!r}, given by {who or 'an unknown user'}"
    if not who:
        return f"no person is recorded as having answered {task_id}: a timeout approves nothing"
    if is_said_by_anybody(triggered_by):
        return (
            f"this run was started from Airflow's command line as {triggered_by}, where anybody can give any name: "
            "start it in Airflow's pages or by its API, so that somebody else can approve it"
        )
    if is_same_person(who, triggered_by):
        return f"{who} triggered this run: somebody else must approve it in {task_id}"
    if approvers and who not in approvers:
        return f"{who}, who answered {task_id}, is not among the approvers: {', '.join(approvers)}"
    return None


def why_not_replaced(  # noqa: PLR0917  (everything that was looked at)
    ending: Ending,
    name: str,
    instances: Sequence[Answer],
    given: str | None,
    states: Mapping[str, str],
    unhealthy: Mapping[str, str],
) -> str | None:
    """Say why a server's source may not be given up yet; None: what replaced it is seen to run.

    :param name: the server as messages name it
    :param instances: its recovery instances, as DRS describes them
    :param given: the EC2 instance that is said to replace it, None: the recovered instance that DRS knows
    :param states: EC2's state by instance id
    :param unhealthy: what the status checks of instances say that have not passed both
    """
    real = [instance for instance in instances if instance.get("isDrill") is False and instance.get("ec2InstanceID")]
    if ending == "disconnect" and instances:
        ids = ", ".join(str(instance.get("recoveryInstanceID")) for instance in instances)
        return (
            f"{name} still has a recovery instance in DRS ({ids}), and DRS refuses to disconnect it: disconnect and "
            "delete that instance's record in the DRS console first, which leaves the EC2 instance alone"
        )
    instance = given or (str(real[0]["ec2InstanceID"]) if real else None)
    if instance is None:
        hint = "name it in recovered_instances" if ending == "disconnect" else "recover it first"
        return f"{name} has no recovered instance that replaces it (a drill's does not count): {hint}"
    drill = next(
        (known for known in instances if known.get("ec2InstanceID") == instance and known.get("isDrill") is True), None
    )
    if drill is not None:
        return f"{name} is replaced by {instance}, which is a drill's instance: recover it first"
    if states.get(instance) != "running":
        return f"{name} is replaced by {instance}, which EC2 calls {states.get(instance, 'unknown')}: it must run"
    if instance in unhealthy:
        return f"{name} is replaced by {instance}, whose status checks have not passed: {unhealthy[instance]}"
    return None
