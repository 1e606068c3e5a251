"""Native Recovery Plans at work: a second actor that starts jobs and holds servers.

Its semantics are the documented ones: steps one after the other, servers of a step side by side in one job, a CRITICAL
server that fails stops the execution, cancelling never stops a job that runs, a retry takes the failed servers only.
"""

from typing import Any

from drs_simulator.errors import Conflict, NotFound, QuotaExceeded
from drs_simulator.operations.recovery import check_tags, ensure_free, ensure_room
from drs_simulator.operations.recovery_plans import find_plan, plan_of_fault, servers_of
from drs_simulator.operations.registry import Answer, Context, Request, operation, page
from drs_simulator.world.jobs import JOB_WATCHERS
from drs_simulator.world.launch import create_launch_job
from drs_simulator.world.resources import Execution, Job, Key, Region
from drs_simulator.world.world import World, happening


def _find(context: Context, execution_arn: str) -> Execution:
    found = context.region.executions.get(execution_arn)
    if found is None and (faulty := plan_of_fault(context)) and faulty[1].arn == execution_arn:
        return faulty[1]
    if found is None:
        raise NotFound(
            f"Recovery plan execution {execution_arn} does not exist", execution_arn, "RecoveryPlanExecution"
        )
    return found


def _find_step(context: Context, step_arn: str) -> tuple[Execution, dict[str, Any]]:
    for execution in context.region.executions.values():
        for step in execution.steps:
            if step["recoveryPlanExecutionStepArn"] == step_arn:
                return execution, step
    raise NotFound(f"Recovery plan execution step {step_arn} does not exist", step_arn, "RecoveryPlanExecutionStep")


def _summary(execution: Execution) -> Answer:
    answer: Answer = {
        "recoveryPlanExecutionArn": execution.arn,
        "recoveryPlanArn": execution.plan_arn,
        "mode": execution.mode,
        "status": execution.status,
        "startedAt": execution.started,
    }
    return answer | ({"errorDetail": execution.error} if execution.error else {})


def _whole(execution: Execution) -> Answer:
    return {
        **_summary(execution),
        "tags": dict(execution.tags),
        **({"completedAt": execution.completed} if execution.completed else {}),
    }


STEP_SUMMARY = ("recoveryPlanExecutionStepArn", "stepName", "stepIndex", "status", "configuration", "errorDetail")


@operation("StartRecoveryPlanExecution")
def start_recovery_plan_execution(context: Context, request: Request) -> Answer:
    """Begin to run a plan: all its servers are held until it is over."""
    world, region = context.world, context.region
    plan = find_plan(context, request["recoveryPlanArn"])
    check_tags(request.get("tags"))
    token = request.get("clientToken")
    for earlier in region.executions.values():
        if token and earlier.token == token:
            return {"recoveryPlanExecution": _whole(earlier)}
        if not earlier.is_over:
            raise QuotaExceeded("one recovery plan execution at a time", "L-00000003")
    if not plan.steps:
        raise Conflict(f"Recovery plan {plan.name} has no steps", resourceId=plan.arn)
    names = [
        server["serverArn"].rsplit("/", 1)[-1] for step in plan.steps for server in servers_of(step["configuration"])
    ]
    for name in names:
        ensure_free(world, context.server(name))
    execution_arn = f"{plan.arn}/execution/{world.fresh_id('rpe-')}"
    now = world.stamp()
    execution = Execution(
        arn=execution_arn,
        plan_arn=plan.arn,
        mode=request["mode"],
        status="CREATED",
        started=now,
        tags=dict(request.get("tags") or {}),
        steps=[_execution_step(execution_arn, number, step, now) for number, step in enumerate(plan.steps, 1)],
        snapshots={
            server["sourceServerID"]: server["recoverySnapshotID"] for server in request.get("sourceServers") or ()
        },
        token=token,
    )
    region.executions[execution.arn] = execution
    region.plan_held.update(dict.fromkeys(names, execution.arn))
    world.at(world.now + 1.0, execution_goes_on, region.key, execution.arn)
    return {"recoveryPlanExecution": _whole(execution)}


def _execution_step(execution_arn: str, number: int, step: dict[str, Any], now: str) -> dict[str, object]:
    servers = servers_of(step["configuration"])
    configuration = (
        {"executionServerStepConfiguration": {"servers": [dict(server) for server in servers]}}
        if servers
        else step["configuration"]
    )
    return {
        "recoveryPlanExecutionStepArn": f"{execution_arn}/step/{number}",
        "stepIndex": number,
        "status": "NOT_STARTED",
        "stepName": step["stepName"],
        "configuration": dict(configuration),
        "attempt": 1,
        "createdAt": now,
        "updatedAt": now,
    }


def _servers(step: dict[str, Any]) -> list[dict[str, Any]]:
    return list(step["configuration"].get("executionServerStepConfiguration", {}).get("servers", ()))


@happening
def execution_goes_on(world: World, due: float, key: Key, execution_arn: str) -> None:
    """Begin the next step, or end."""
    region = world.region(*key)
    execution = region.executions.get(execution_arn)
    if execution is None or execution.is_over:
        return
    if execution.status == "CANCELLING":
        _end(world, due, region, execution, "CANCELLED")
        return
    execution.status = "IN_PROGRESS"
    step = next((step for step in execution.steps if step["status"] == "NOT_STARTED"), None)
    if step is None:
        _end(world, due, region, execution, "COMPLETED")
    elif _servers(step):
        _launch(world, due, region, execution, step)
    else:
        minutes = step["configuration"]["waitStepConfiguration"]["waitDurationMinutes"]
        _set(world, due, step, "WAITING")
        world.at(due + minutes * 60, wait_is_over, key, execution_arn, step["stepIndex"])


def _set(world: World, due: float, step: dict[str, object], status: str) -> None:
    step["status"] = status
    step["updatedAt"] = world.stamp(due)


@happening
def wait_is_over(world: World, due: float, key: Key, execution_arn: str, index: int) -> None:
    """A WAIT step ends, unless somebody skipped it."""
    execution = world.region(*key).executions.get(execution_arn)
    if execution is not None and execution.steps[index - 1]["status"] == "WAITING":
        _set(world, due, execution.steps[index - 1], "COMPLETED")
        execution_goes_on(world, due, key, execution_arn)


def _launch(world: World, due: float, region: Region, execution: Execution, step: dict[str, Any]) -> None:
    names = [server["serverArn"].rsplit("/", 1)[-1] for server in _servers(step) if _has_failed(region, server)]
    try:
        ensure_room(world, region, len(names))
    except QuotaExceeded as error:
        _fail(world, due, region, execution, step=step, why=str(error))
        return
    points = {
        name: _pinned(world, region, execution, name)
        for name in names
        if name in region.servers and name not in region.busy
    }
    initiated_by = "START_DRILL" if execution.mode == "DRILL" else "START_RECOVERY"
    job = create_launch_job(world, region, points, initiated_by=initiated_by, tags=execution.tags)
    job.plan_step = step["recoveryPlanExecutionStepArn"]
    for server in _servers(step):
        if server["serverArn"].rsplit("/", 1)[-1] in points:
            server["jobID"] = job.id
    _set(world, due, step, "EXECUTING")


def _has_failed(region: Region, server: dict[str, Any]) -> bool:
    job = region.jobs.get(server.get("jobID", ""))
    part = job.participants.get(server["serverArn"].rsplit("/", 1)[-1]) if job is not None else None
    return part is None or part.status != "LAUNCHED"


def _pinned(world: World, region: Region, execution: Execution, name: str) -> float | None:
    wanted = execution.snapshots.get(name)
    points = world.recovery_points_of(region.servers[name]) if wanted else []
    return next((point.taken for point in points if point.id == wanted), None)


def plan_job_ends(world: World, due: float, job: Job) -> None:
    """A step's job is over: the step failed if a CRITICAL server did."""
    if job.plan_step is None:
        return
    region = world.regions[job.key]
    execution = region.executions.get(job.plan_step.rsplit("/step/", 1)[0])
    if execution is None:
        return
    step = next(step for step in execution.steps if step["recoveryPlanExecutionStepArn"] == job.plan_step)
    lost = [
        server["serverArn"]
        for server in _servers(step)
        if server.get("impactLevel") == "CRITICAL" and _has_failed(region, server)
    ]
    if lost:
        _fail(world, due, region, execution, step=step, why=f"critical servers failed: {', '.join(lost)}")
        return
    _set(world, due, step, "COMPLETED")
    execution_goes_on(world, due, job.key, execution.arn)


JOB_WATCHERS.append(plan_job_ends)


def _fail(world: World, due: float, region: Region, execution: Execution, *, step: dict[str, Any], why: str) -> None:
    _set(world, due, step, "FAILED")
    step["errorDetail"] = {"code": "STEP_FAILED", "message": why}
    execution.error = step["errorDetail"]
    _end(world, due, region, execution, "FAILED")


def _end(world: World, due: float, region: Region, execution: Execution, status: str) -> None:
    execution.status = status
    execution.completed = world.stamp(due)
    for name, holder in tuple(region.plan_held.items()):
        if holder == execution.arn:
            del region.plan_held[name]


@operation("GetRecoveryPlanExecution")
def get_recovery_plan_execution(context: Context, request: Request) -> Answer:
    """Return an execution."""
    return {"recoveryPlanExecution": _whole(_find(context, request["recoveryPlanExecutionArn"]))}


@operation("ListRecoveryPlanExecutions")
def list_recovery_plan_executions(context: Context, request: Request) -> Answer:
    """List executions, newest first."""
    plan, status = request.get("recoveryPlanArn"), request.get("status")
    faulty = plan_of_fault(context)
    executions = [
        execution
        for execution in (*(faulty[1:] if faulty else ()), *reversed(context.region.executions.values()))
        if plan in {None, execution.plan_arn} and status in {None, execution.status}
    ]
    return page(context, request, executions, _summary, "recoveryPlanExecutions")


@operation("ListRecoveryPlanExecutionSteps")
def list_recovery_plan_execution_steps(context: Context, request: Request) -> Answer:
    """List the steps of an execution."""
    status = (request.get("filter") or {}).get("status")
    steps = [
        step for step in _find(context, request["recoveryPlanExecutionArn"]).steps if status in {None, step["status"]}
    ]

    def render(step: dict[str, Any]) -> Answer:
        return {key: step[key] for key in STEP_SUMMARY if key in step}

    return page(context, request, steps, render, "recoveryPlanExecutionSteps")


@operation("GetRecoveryPlanExecutionStep")
def get_recovery_plan_execution_step(context: Context, request: Request) -> Answer:
    """Return a step of an execution."""
    return {"recoveryPlanExecutionStep": _find_step(context, request["recoveryPlanExecutionStepArn"])[1]}


@operation("CancelRecoveryPlanExecution")
def cancel_recovery_plan_execution(context: Context, request: Request) -> Answer:
    """Begin no further step; a job that runs goes on to its end."""
    world, region = context.world, context.region
    execution = _find(context, request["recoveryPlanExecutionArn"])
    if execution.is_over or execution.status == "CANCELLING":
        raise Conflict(f"Recovery plan execution is {execution.status}", resourceId=execution.arn)
    execution.status = "CANCELLING"
    if not any(step["status"] == "EXECUTING" for step in execution.steps):
        _end(world, world.now, region, execution, "CANCELLED")
    return {"recoveryPlanExecution": _whole(execution)}


@operation("DeleteRecoveryPlanExecution")
def delete_recovery_plan_execution(context: Context, request: Request) -> Answer:
    """Forget an execution that is over."""
    execution = _find(context, request["recoveryPlanExecutionArn"])
    if not execution.is_over:
        raise Conflict(f"Recovery plan execution is {execution.status}", resourceId=execution.arn)
    del context.region.executions[execution.arn]
    return {"recoveryPlanExecutionArn": execution.arn}


@operation("RetryRecoveryPlanExecutionStep")
def retry_recovery_plan_execution_step(context: Context, request: Request) -> Answer:
    """Launch the failed servers of a failed step again, and go on from there."""
    world, region = context.world, context.region
    execution, step = _find_step(context, request["recoveryPlanExecutionStepArn"])
    if step["status"] not in {"FAILED", "TIMED_OUT"}:
        raise Conflict(
            f"step {step['stepName']} is {step['status']}: only a failed one can be retried", resourceId=execution.arn
        )
    _resume(region, execution)
    step["attempt"] += 1
    step.pop("errorDetail", None)
    _set(world, world.now, step, "NOT_STARTED")
    world.at(world.now, execution_goes_on, region.key, execution.arn)
    return {"recoveryPlanExecutionStep": step}


@operation("UpdateRecoveryPlanExecutionStep")
def update_recovery_plan_execution_step(context: Context, request: Request) -> Answer:
    """Skip a step, or change one that has not begun."""
    world, region = context.world, context.region
    execution, step = _find_step(context, request["recoveryPlanExecutionStepArn"])
    wanted = request.get("status")
    if wanted is not None:
        if wanted != "SKIPPED" or step["status"] not in {"NOT_STARTED", "WAITING", "FAILED", "TIMED_OUT"}:
            raise Conflict(
                f"step {step['stepName']} is {step['status']}: it cannot become {wanted}", resourceId=execution.arn
            )
        was = step["status"]
        _set(world, world.now, step, "SKIPPED")
        if was != "NOT_STARTED":
            _resume(region, execution)
            world.at(world.now, execution_goes_on, region.key, execution.arn)
    elif step["status"] != "NOT_STARTED":
        raise Conflict(f"step {step['stepName']} is {step['status']}", resourceId=execution.arn)
    if request.get("servers"):
        step["configuration"] = {
            "executionServerStepConfiguration": {
                "servers": [{"impactLevel": "CRITICAL", **server} for server in request["servers"]]
            }
        }
    if request.get("waitDurationMinutes"):
        step["configuration"] = {"waitStepConfiguration": {"waitDurationMinutes": request["waitDurationMinutes"]}}
    return {"recoveryPlanExecutionStep": step}


def _resume(region: Region, execution: Execution) -> None:
    if execution.is_over:
        others = [other for other in region.executions.values() if other is not execution and not other.is_over]
        if others:
            raise QuotaExceeded("one recovery plan execution at a time", "L-00000003")
        execution.status, execution.completed, execution.error = "IN_PROGRESS", None, None
        held = [server["serverArn"].rsplit("/", 1)[-1] for step in execution.steps for server in _servers(step)]
        region.plan_held.update(dict.fromkeys(held, execution.arn))
