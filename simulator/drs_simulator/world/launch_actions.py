"""Launch actions: what runs on a launched instance before its part in the job is over."""

from drs_simulator.world import moto_ec2
from drs_simulator.world.jobs import find_job, server_ends, set_status, strike
from drs_simulator.world.resources import Job, Key, Participant, SourceServer
from drs_simulator.world.world import World, happening

AGENT_IS_FOUND_AFTER = 60.0
ACTION_TAKES = 30.0
ACTION_TIMES_OUT_AFTER = 3600.0
AGENT_IS_GIVEN_UP_AFTER = 600.0


def begin_actions(world: World, due: float, job: Job, participant: Participant) -> None:
    """Let the launch actions of a launched server run, if it has any; its part in the job ends after them."""
    server = world.region(*job.key).servers.get(participant.id)
    if (
        server is None
        or job.initiated_by == "FAILBACK"
        or not (server.launch.get("postLaunchEnabled") and _active(server))
    ):
        server_ends(world, due, job, participant, "LAUNCHED")
        return
    set_status(participant, due, "IN_PROGRESS")
    participant.actions = {"runs": []}
    missing = strike(world, job, server, "agent_missing") is not None
    wait = AGENT_IS_GIVEN_UP_AFTER if missing or _is_stopped(job, participant) else AGENT_IS_FOUND_AFTER
    world.at(due + wait * participant.factor, actions_begin, job.key, job.id, participant.id, missing)


def _is_stopped(job: Job, participant: Participant) -> bool:
    """Whether there is an instance on which no agent can report (ours: AWS does not say what DRS does then)."""
    return moto_ec2.state_of(moto_ec2.find(*job.key, str(participant.instance_id))) == "STOPPED"


def _active(server: SourceServer) -> list[dict[str, object]]:
    return sorted(
        (action for action in server.actions.values() if action["active"]), key=lambda action: action["order"]
    )


@happening
def actions_begin(  # noqa: PLR0917 - what the agenda holds is positional
    world: World, due: float, key: Key, job_id: str, server_id: str, agent_is_missing: bool
) -> None:
    """The SSM agent has shown up on the launched instance, or DRS has given it up."""
    region, job = find_job(world, key, job_id)
    if job is None:
        return
    participant = job.participants[server_id]
    server = region.servers[server_id]
    actions = _active(server)
    runs = [{"action": dict(action), "runId": _uuid(world), "status": "IN_PROGRESS"} for action in actions]
    participant.actions = {"runs": runs}
    if agent_is_missing or _is_stopped(job, participant):
        for run in runs:
            run |= {"status": "FAILED", "failureReason": "SSM agent was not found on the launched instance"}
        _actions_are_over(world, due, job, participant)
        return
    participant.actions["ssmAgentDiscoveryDatetime"] = world.stamp(due)
    _begin_action(world, due, job, participant, 0)


def _begin_action(world: World, due: float, job: Job, participant: Participant, number: int) -> None:
    server = world.region(*job.key).servers[participant.id]
    runs = (participant.actions or {})["runs"]
    if number >= len(runs):
        _actions_are_over(world, due, job, participant)
        return
    subject: dict[str, object] = {
        "service": "drs",
        "operation": "LaunchAction",
        "account": job.account,
        "region": job.region,
        "servers": (server.facts,),
        "job": job.id,
        "action": runs[number]["action"]["name"],
    }
    fault = world.faults.match("fail", "hang", **subject)
    takes = ACTION_TIMES_OUT_AFTER if fault is not None and fault.do == "hang" else ACTION_TAKES * participant.factor
    reason = None
    if fault is not None:
        reason = fault.error if fault.do == "fail" else "the action timed out after 3600 seconds"
    world.at(due + takes, action_ends, job.key, job.id, participant.id, number, reason)


@happening
def action_ends(  # noqa: PLR0917 - what the agenda holds is positional
    world: World, due: float, key: Key, job_id: str, server_id: str, number: int, failure: str | None
) -> None:
    """One launch action is over; the next one begins."""
    _, job = find_job(world, key, job_id)
    if job is None:
        return
    participant = job.participants[server_id]
    run = (participant.actions or {})["runs"][number]
    run["status"] = "SUCCEEDED" if failure is None else "FAILED"
    if failure is not None:
        run["failureReason"] = "".join(char if char.isascii() and char.isprintable() else " " for char in failure)[:256]
    _begin_action(world, due, job, participant, number + 1)


def _actions_are_over(world: World, due: float, job: Job, participant: Participant) -> None:
    """A failed action that is not optional makes the launch FAILED, although the instance exists and runs."""
    runs = (participant.actions or {})["runs"]
    failed = any(run["status"] == "FAILED" and not run["action"]["optional"] for run in runs)
    server_ends(world, due, job, participant, "FAILED" if failed else "LAUNCHED")


def _uuid(world: World) -> str:
    text = f"{world.random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
