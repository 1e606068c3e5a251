"""Native Recovery Plans: their definition. How they run stands in `executions`."""

from typing import Any

from drs_simulator.errors import Conflict, Invalid, NotFound, QuotaExceeded
from drs_simulator.operations.recovery import check_tags
from drs_simulator.operations.registry import Answer, Context, Request, operation, page
from drs_simulator.world.construction import arn_of
from drs_simulator.world.resources import Execution, Plan

MOST_STEPS = 20
MOST_SERVERS = 100


def find_plan(context: Context, plan_arn: str) -> Plan:
    """Return a plan. Raises NotFound."""
    found = context.region.plans.get(plan_arn)
    if found is None and (faulty := plan_of_fault(context)) and faulty[0].arn == plan_arn:
        return faulty[0]
    if found is None:
        raise NotFound(f"Recovery plan {plan_arn} does not exist", plan_arn, "RecoveryPlan")
    return found


def plan_of_fault(context: Context) -> tuple[Plan, Execution] | None:
    """Return the plan and its execution that stand for the fault `native_plan`; None: no server is held by one."""
    world, region = context.world, context.region
    if not world.faults.has("native_plan"):
        return None
    held = [server for server in region.servers.values() if world.holds("native_plan", server) is not None]
    if not held:
        return None
    now, arn = world.stamp(), arn_of(region, "recovery-plan", "rp-00000000000fa017")
    execution_arn = f"{arn}/execution/rpe-00000000000fa017"
    servers = [{"serverArn": server.arn, "impactLevel": "CRITICAL"} for server in held]
    step = {
        "recoveryPlanExecutionStepArn": f"{execution_arn}/step/1",
        "stepIndex": 1,
        "status": "EXECUTING",
        "stepName": "held",
        "configuration": {"executionServerStepConfiguration": {"servers": servers}},
        "attempt": 1,
        "createdAt": now,
        "updatedAt": now,
    }
    plan = Plan(arn=arn, name="native", description=None, created=now, updated=now, tags={})
    execution = Execution(
        arn=execution_arn, plan_arn=arn, mode="DRILL", status="IN_PROGRESS", started=now, tags={}, steps=[step]
    )
    return plan, execution


def _find_step(context: Context, step_arn: str) -> tuple[Plan, dict[str, object]]:
    for plan in context.region.plans.values():
        for step in plan.steps:
            if step["recoveryPlanStepArn"] == step_arn:
                return plan, step
    raise NotFound(f"Recovery plan step {step_arn} does not exist", step_arn, "RecoveryPlanStep")


def servers_of(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the servers that a step's configuration names."""
    return list(configuration.get("serverStepConfiguration", {}).get("servers", ()))


def _shown(context: Context, plan: Plan) -> Answer:
    known = {server.arn for server in context.region.servers.values()}
    named = {server["serverArn"] for step in plan.steps for server in servers_of(step["configuration"])}
    answer: Answer = {
        "recoveryPlanArn": plan.arn,
        "name": plan.name,
        "status": "ACTIVE" if named <= known else "INVALID",
        "createdAt": plan.created,
        "updatedAt": plan.updated,
    }
    return answer


def _whole(context: Context, plan: Plan) -> Answer:
    more = {"description": plan.description} if plan.description is not None else {}
    return {**_shown(context, plan), **more, "tags": dict(plan.tags)}


def _step(plan: Plan, step: dict[str, object]) -> Answer:
    return {**step, "stepOrder": plan.steps.index(step) + 1}


def _ensure_idle(context: Context, plan: Plan) -> None:
    if any(
        execution.plan_arn == plan.arn and not execution.is_over for execution in context.region.executions.values()
    ):
        raise Conflict(f"Recovery plan {plan.name} has an execution in progress", resourceId=plan.arn)


def _ensure_fits(
    context: Context, plan: Plan, configuration: dict[str, object], *, instead_of: dict[str, object] | None = None
) -> None:
    kept = [
        server["serverArn"]
        for step in plan.steps
        if step is not instead_of
        for server in servers_of(step["configuration"])
    ]
    added = [server["serverArn"] for server in servers_of(configuration)]
    if len(kept) + len(added) > MOST_SERVERS:
        raise QuotaExceeded(f"a recovery plan has at most {MOST_SERVERS} servers", "L-00000001")
    twice = sorted({name for name in added if added.count(name) > 1 or name in kept})
    if twice:
        raise Invalid(f"servers stand in the plan twice: {', '.join(twice)}", [("configuration", "duplicates")])
    known = {server.arn for server in context.region.servers.values()}
    for name in added:
        if name not in known:
            raise NotFound(f"Source server {name} does not exist", name, "SourceServer")


@operation("CreateRecoveryPlan")
def create_recovery_plan(context: Context, request: Request) -> Answer:
    """Create a plan without steps; the same client token answers with the same plan."""
    check_tags(request.get("tags"))
    token = request.get("clientToken")
    for plan in context.region.plans.values():
        if token and plan.token == token:
            return {"recoveryPlan": _whole(context, plan)}
        if plan.name == request["name"]:
            raise Conflict(f"a recovery plan {plan.name} exists", resourceId=plan.arn)
    name = context.world.fresh_id("rp-")
    now = context.world.stamp()
    made = Plan(
        arn=arn_of(context.region, "recovery-plan", name),
        name=request["name"],
        description=request.get("description"),
        created=now,
        updated=now,
        tags=dict(request.get("tags") or {}),
        token=token,
    )
    context.region.plans[made.arn] = made
    return {"recoveryPlan": _whole(context, made)}


@operation("GetRecoveryPlan")
def get_recovery_plan(context: Context, request: Request) -> Answer:
    """Return a plan."""
    return {"recoveryPlan": _whole(context, find_plan(context, request["recoveryPlanArn"]))}


@operation("ListRecoveryPlans")
def list_recovery_plans(context: Context, request: Request) -> Answer:
    """List plans."""
    faulty = plan_of_fault(context)
    plans = [*context.region.plans.values(), *(faulty[:1] if faulty else ())]
    return page(context, request, plans, lambda plan: _shown(context, plan), "recoveryPlans")


@operation("UpdateRecoveryPlan")
def update_recovery_plan(context: Context, request: Request) -> Answer:
    """Change name or description."""
    plan = find_plan(context, request["recoveryPlanArn"])
    _ensure_idle(context, plan)
    plan.name = request.get("name") or plan.name
    plan.description = request.get("description", plan.description)
    plan.updated = context.world.stamp()
    return {"recoveryPlan": _whole(context, plan)}


@operation("DeleteRecoveryPlan")
def delete_recovery_plan(context: Context, request: Request) -> Answer:
    """Delete a plan that does not run."""
    plan = find_plan(context, request["recoveryPlanArn"])
    _ensure_idle(context, plan)
    del context.region.plans[plan.arn]
    return {"recoveryPlanArn": plan.arn}


@operation("CreateRecoveryPlanStep")
def create_recovery_plan_step(context: Context, request: Request) -> Answer:
    """Add a step, at the end or at `stepOrder`."""
    plan = find_plan(context, request["recoveryPlanArn"])
    _ensure_idle(context, plan)
    if len(plan.steps) >= MOST_STEPS:
        raise QuotaExceeded(f"a recovery plan has at most {MOST_STEPS} steps", "L-00000002")
    _ensure_fits(context, plan, request["configuration"])
    now = context.world.stamp()
    step = {
        "recoveryPlanStepArn": f"{plan.arn}/step/{context.world.fresh_id('rps-')}",
        "stepName": request["stepName"],
        "configuration": _with_impact(request["configuration"]),
        "createdAt": now,
        "updatedAt": now,
    }
    plan.steps.insert(request.get("stepOrder", MOST_STEPS) - 1, step)
    return {"recoveryPlanStep": _step(plan, step)}


def _with_impact(configuration: dict[str, object]) -> dict[str, object]:
    """A server whose impact level is not said is CRITICAL."""
    if "serverStepConfiguration" not in configuration:
        return configuration
    return {
        "serverStepConfiguration": {
            "servers": [{"impactLevel": "CRITICAL", **server} for server in servers_of(configuration)]
        }
    }


@operation("GetRecoveryPlanStep")
def get_recovery_plan_step(context: Context, request: Request) -> Answer:
    """Return a step."""
    return {"recoveryPlanStep": _step(*_find_step(context, request["recoveryPlanStepArn"]))}


@operation("ListRecoveryPlanSteps")
def list_recovery_plan_steps(context: Context, request: Request) -> Answer:
    """List the steps of a plan in their order."""
    plan = find_plan(context, request["recoveryPlanArn"])
    return page(context, request, plan.steps, lambda step: _step(plan, step), "recoveryPlanSteps")


@operation("UpdateRecoveryPlanStep")
def update_recovery_plan_step(context: Context, request: Request) -> Answer:
    """Change a step."""
    plan, step = _find_step(context, request["recoveryPlanStepArn"])
    _ensure_idle(context, plan)
    if request.get("configuration"):
        _ensure_fits(context, plan, request["configuration"], instead_of=step)
        step["configuration"] = _with_impact(request["configuration"])
    step["stepName"] = request.get("stepName") or step["stepName"]
    step["updatedAt"] = context.world.stamp()
    return {"recoveryPlanStep": _step(plan, step)}


@operation("DeleteRecoveryPlanStep")
def delete_recovery_plan_step(context: Context, request: Request) -> Answer:
    """Delete a step."""
    plan, step = _find_step(context, request["recoveryPlanStepArn"])
    _ensure_idle(context, plan)
    plan.steps.remove(step)
    return {"recoveryPlanStepArn": step["recoveryPlanStepArn"]}


@operation("ReorderRecoveryPlanSteps")
def reorder_recovery_plan_steps(context: Context, request: Request) -> Answer:
    """Put all steps into another order."""
    plan = find_plan(context, request["recoveryPlanArn"])
    _ensure_idle(context, plan)
    by_arn = {step["recoveryPlanStepArn"]: step for step in plan.steps}
    wanted = request["orderedStepArns"]
    if sorted(wanted) != sorted(by_arn):
        raise Invalid("orderedStepArns must name every step of the plan once", [("orderedStepArns", "not all steps")])
    plan.steps = [by_arn[name] for name in wanted]
    return {"recoveryPlanSteps": [_step(plan, step) for step in plan.steps]}
