"""The plan files, and the fleet, of scenarios. Pure."""

from collections.abc import Sequence
from typing import Any

from benchmarks.chaos.scenarios import ACCOUNTS, LARGE, PEOPLE, REGION, Account, Scenario, Server, Step, Wave

LONG, SHORT = "12h", "4s"
"""How long people are waited for: for ever, as far as a campaign goes, or until the time is over."""

STEP_TIMEOUT = "20m"

WEBHOOK_CONN_ID = "chaos_hook"
TOPIC = f"arn:aws:sns:{REGION}:{LARGE.id}:chaos"
"""Where runs tell of themselves."""

_QUOTAS = {"jobs": "L-D88FAC3A", "per_job": "L-B827C881", "in_jobs": "L-05AFA8C6"}


def documents(
    scenario: Scenario, listener: str = "http://127.0.0.1:9", *, conn_id: str | None = None
) -> list[dict[str, object]]:
    """Return the YAML documents of a scenario: a protection group for every wave, its plan, and its rival's.

    :param listener: address of the local server that http steps ask
    :param conn_id: an Airflow connection of its own
    """
    groups = [_group(scenario, wave, conn_id or scenario.account.conn_id) for wave in scenario.waves]
    plans = [_plan(each, listener) for each in (scenario, scenario.rival) if each]
    return [*groups, *plans]


def _group(scenario: Scenario, wave: Wave, conn_id: str) -> dict[str, object]:
    return {
        "kind": "ProtectionGroup",
        "name": f"{scenario.base}-{wave.name}",
        "region": REGION,
        "aws_conn_id": conn_id,
        "launch": dict(wave.launch),
        "drill_launch": dict(wave.drill_launch),
        "servers": [_member(server) for server in wave.servers],
    }


def _member(server: Server) -> Any:
    more: dict[str, object] = {} if server.critical else {"critical": False}
    more |= {"order": server.order} if server.order > 1 else {}
    return {"id": server.id, **more} if more else server.id


def _plan(scenario: Scenario, listener: str) -> dict[str, object]:
    approval = scenario.approval and {
        "required": scenario.approval.required,
        "approvers": list(PEOPLE),
        "timeout": SHORT if scenario.approval.act == "expire" else LONG,
    }
    return {
        "kind": "RecoveryPlan",
        "name": scenario.plan,
        "drill": {"network": scenario.network},
        **({"launch": "ahead"} if scenario.ahead else {}),
        **({"recovery": {"approval": approval}} if approval else {}),
        **({"notify": [{"kind": "sns", "topic_arn": TOPIC}]} if scenario.notify else {}),
        "waves": [_wave(scenario, wave, listener) for wave in scenario.waves],
    }


def _wave(scenario: Scenario, wave: Wave, listener: str) -> dict[str, object]:
    pause = wave.pause and {
        "message": "Does it look well?",
        "approvers": ["bob"],
        "timeout": SHORT if wave.pause.act == "expire" else LONG,
        "on_timeout": wave.pause.on_timeout,
    }
    sides = {
        side: [_step(scenario, step, listener) for step in wave.steps if step.side == side]
        for side in ("before", "after")
    }
    return {
        "name": wave.name,
        "groups": [f"{scenario.base}-{wave.name}"],
        "depends_on": list(wave.depends_on),
        "tolerate_failures": wave.tolerate,
        "ready": wave.ready,
        "retry_failed": wave.retry_failed,
        **({"delay_before": f"{wave.delay}s"} if wave.delay else {}),
        **({"pause_before": pause} if pause else {}),
        **{side: steps for side, steps in sides.items() if steps},
    }


def _step(scenario: Scenario, step: Step, listener: str) -> dict[str, object]:
    mark = scenario.mark(step)
    common: dict[str, object] = {
        "kind": step.kind,
        "name": step.name,
        "timeout": STEP_TIMEOUT,
        "retries": step.retries,
        "on_failure": step.on_failure,
    }
    match step.kind:
        case "ssm_command":
            special: dict[str, object] = {
                "document": "AWS-RunShellScript",
                "parameters": {"commands": [f"echo {mark}"]},
            }
        case "ssm_automation":
            special = {"document": mark}
        case "lambda":
            special = {"function": mark, "repeatable": step.repeatable}
        case "webhook":
            special = {"http_conn_id": WEBHOOK_CONN_ID, "payload": {"mark": mark}, "repeatable": step.repeatable}
        case "http":
            special = {"url": f"{listener}/{mark}"}
        case "wait":
            special = {"for": "2s"}
        case "approval":
            timeout = SHORT if step.act == "expire" else LONG
            special = {"message": "Shall it go on?", "approvers": ["ann"], "timeout": timeout}
    return common | special


def fleet(scenarios: Sequence[Scenario]) -> dict[str, object]:
    """Return the fleet that these runs recover, with the documents and functions that their steps call."""
    return {"accounts": [_account(account, scenarios) for account in ACCOUNTS]}


def _account(account: Account, scenarios: Sequence[Scenario]) -> dict[str, object]:
    origin = {"account": account.id, "region": "us-east-1"}
    mine = [scenario for scenario in scenarios if scenario.account == account]
    servers = [server for scenario in mine for server in scenario.servers]
    marks = [(scenario.mark(step), step.kind) for scenario in mine for step in scenario.steps]
    region = {
        "name": REGION,
        "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/17"}},
        "quotas": {code: getattr(account, name) for name, code in _QUOTAS.items()},
        "servers": [
            {"id": server.id, "hostname": server.hostname, "tags": {"App": "chaos"}, "origin": origin}
            for server in servers
        ],
        "recovery_instances": [{"server": server.id, "is_drill": False} for server in servers if server.has_live],
    }
    runbooks = {
        mark: {"type": "Automation", "takes": "2m", "steps": ["work"]}
        for mark, kind in marks
        if kind == "ssm_automation"
    }
    return {
        "id": account.id,
        "regions": [region],
        "ssm": {"documents": runbooks},
        "lambda_functions": {mark: {"behaviour": "echo", "takes": "1m"} for mark, kind in marks if kind == "lambda"},
    }
