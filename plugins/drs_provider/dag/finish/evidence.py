"""Collect what a run left behind, for its report: from XCom and from the states of its tasks."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from airflow.sdk.definitions.context import Context

from drs_provider.dag.run_reader import RunReader
from drs_provider.formatting import timespan
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import Wave, wave_dependencies
from drs_provider.report.collect_drill import drill_facts, networks_of
from drs_provider.report.collect_people import ended_by_a_person, notifications_of, waits_of
from drs_provider.report.collect_steps import broken_above, order_of, plan_steps, wave_steps, with_steps
from drs_provider.rules.run.controls import ORDER
from drs_provider.rules.run.keys import CLEANED, ERROR, INSTANCES, LATER, LAUNCH, PREFLIGHT, REMOVED, SUPERSEDED, TRIES
from drs_provider.rules.run.names import DELAY, LAUNCH_SETTINGS, LOOK_OVER_TASK, PAUSE, PREFLIGHT_TASK

if TYPE_CHECKING:
    from drs_provider.report.evidence import RunEvidence

_FAILED = ("failed", "upstream_failed")
_CLEANING = ("finish.clean_up", "finish.remove_network", LOOK_OVER_TASK)


def collect(context: Context, runnable: RunnablePlan) -> "RunEvidence":
    """Everything that is known about this run now; what nobody recorded is left out, never made up."""
    from drs_provider.report.evidence import RunEvidence

    left = RunReader(context)
    plan = runnable.plan
    preflight = left.of(PREFLIGHT_TASK, PREFLIGHT)
    depends_on = wave_dependencies(plan)
    waits = waits_of(left.of, left.states, [wave.name for wave in plan.waves])
    kept = ("passed", "checked_at", "findings", "quotas", "skew_seconds")
    return RunEvidence.model_validate(
        {
            "run": _run(context, runnable, preflight or {}),
            "objectives": {"rto": plan.rto, "rpo": plan.rpo},
            "preflight": preflight and {key: preflight[key] for key in kept},
            "waves": [_wave(left, wave, depends_on[wave.name], preflight) for wave in plan.waves],
            "cleanup": _cleanup(left, preflight),
            "networks": networks_of(left.of, left.states, plan, context["params"]["mode"]),
            "errors": left.errors(),
            "waits": waits,
            "steps": plan_steps(left, plan),
            "notifications": notifications_of(left.of, left.states) if plan.notify else (),
            "drill": drill_facts(left, [wave.name for wave in plan.waves], preflight),
            "cancelled": ended_by_a_person(waits) or _cancelled(left, plan.waves) or order_of(left, plan),
            "finished_at": datetime.now(UTC),
        }
    )


def _run(context: Context, runnable: RunnablePlan, preflight: Mapping[str, Any]) -> dict[str, Any]:
    plan, dag_run, params = runnable.plan, context["dag_run"], dict(context["params"])
    url = conf.get("api", "base_url", fallback="")
    # A run that is cleared after its end gets a new start from Airflow; its recovery time counts from the first one.
    started_at, is_cleared = dag_run.start_date, bool(dag_run.clear_number)
    if started_at and is_cleared:
        started_at = min(dag_run.run_after, started_at)
    return {
        "dag_id": dag_run.dag_id,
        "run_id": dag_run.run_id,
        "mode": params["mode"],
        "plan": plan.name,
        "title": plan.title or plan.name,
        "description": plan.description or "",
        "owner": plan.owner or "",
        "plan_digest": preflight.get("digest", runnable.digest),
        "plan_path": runnable.path.name,
        "triggered_by": getattr(dag_run, "triggering_user_name", None),
        "run_type": dag_run.run_type.value,
        "queued_at": None if is_cleared else getattr(dag_run, "queued_at", None),
        "started_at": started_at,
        "reason": params.get("reason") or None,
        "point_in_time": preflight.get("point_in_time") or params.get("point_in_time") or "latest",
        "params": params,
        "airflow_url": f"{url.rstrip('/')}/dags/{dag_run.dag_id}/runs/{dag_run.run_id}" if url else None,
    }


def _wave(
    left: RunReader,
    wave: Wave,
    depends_on: tuple[str, ...],
    preflight: Mapping[str, Any] | None,
) -> dict[str, Any]:
    watch = f"{wave.name}.recovery_job"
    launches = [launch for task in left.tasks(wave.name, "start_recovery") if (launch := left.of(task, LAUNCH))]
    launches += left.of(watch, LATER) or ()
    verdict = left.of(watch) or {}
    ended = {job["job_id"]: job for job in verdict.get("jobs") or left.of(watch, "jobs") or ()}
    results = {server["server_id"]: server for server in left.of(watch, "servers") or ()}
    launched_how = _how(left, wave.name)
    steps = wave_steps(left, wave)
    state, reason = with_steps(*_state(left, wave, depends_on, verdict), steps=steps, steps_only=not wave.groups)
    points = {server: point for launch in launches for server, point in (launch.get("points") or {}).items()}
    return {
        "name": wave.name,
        "depends_on": depends_on,
        "groups": wave.groups,
        "tolerate_failures": str(wave.tolerate_failures),
        "timeout": timespan(wave.timeout),
        "state": state,
        "state_reason": reason,
        "steps": steps,
        "jobs": [
            {
                "job_id": job["job_id"],
                "region": launch["region"],
                "aws_conn_id": launch["aws_conn_id"],
                "created_at": job["created_at"],
                "ended_at": ended.get(job["job_id"], {}).get("ended_at"),
                "adopted": job["adopted"],
                "attempt": job.get("attempt", 1),
                "servers": job["servers"],
            }
            for launch in launches
            for job in launch["jobs"]
        ],
        "servers": [
            {
                **_server({**member, **_point(points, member["server_id"])}, results.get(member["server_id"])),
                **launched_how.get(member["server_id"], {}),
            }
            for part in ((preflight or {}).get("waves", {}).get(wave.name) or {"targets": ()})["targets"]
            for member in part["servers"]
        ]
        + [
            {**_facts(member), "status": "EXCLUDED"}
            for member in (preflight or {}).get("excluded", ())
            if member["group"] in wave.groups
        ],
    }


def _how(left: RunReader, wave: str) -> dict[str, dict[str, Any]]:
    """Collect by server what was changed for its launch, what failed before, and what its instance is like."""
    found: dict[str, dict[str, Any]] = {}
    for task in left.tasks(wave, LAUNCH_SETTINGS):
        for server, changes in (left.of(task) or {}).items():
            found.setdefault(server, {})["settings_changed"] = changes
    for server, tries in (left.of(f"{wave}.recovery_job", TRIES) or {}).items():
        found.setdefault(server, {})["tries"] = tries
    for server, instance in (left.of(f"{wave}.recovery_job", INSTANCES) or {}).items():
        facts = {key: instance.get(key) for key in ("protected", "not_protected")}
        found.setdefault(server, {}).update(facts, differences=instance["differences"])
    return found


def _cancelled(left: RunReader, waves: Sequence[Wave]) -> str | None:
    """Give the words of the order that the run's starts obeyed by starting nothing more."""
    starts = [
        task for wave in waves for task in (*left.tasks(wave.name, "start_recovery"), f"{wave.name}.recovery_job")
    ]
    said = (left.of(task, ORDER) for task in starts)
    return next((str(words) for words in said if str(words).startswith("cancelled")), None)


def _point(points: Mapping[str, Any], server_id: str) -> dict[str, Any]:
    return {"point": points[server_id]} if server_id in points else {}


def _facts(member: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in member.items() if key not in ("settings", "placement")}


def _server(member: Mapping[str, Any], result: Mapping[str, Any] | None) -> dict[str, Any]:
    facts = ("status", "instance_id", "instance_state", "point_in_time", "job_id", "reason", "events", "actions")
    if result is None:
        return _facts(member)
    known = {key: result[key] for key in facts if key in result}
    return {**_facts(member), **known, "status": result["status"].upper()}


def _state(
    left: RunReader, wave: Wave, depends_on: tuple[str, ...], verdict: Mapping[str, Any]
) -> tuple[str, str | None]:
    if verdict:
        return str(verdict["verdict"]), None
    watch = f"{wave.name}.recovery_job"
    tasks = [*left.tasks(wave.name, "start_recovery"), watch]
    words = next((said for task in tasks if (said := left.of(task, ERROR)) and left.state(task) == "failed"), None)
    states = [left.state(task) for task in tasks]
    order = next((said for task in tasks[:-1] if (said := left.of(task, ORDER))), None)
    if "failed" in states:
        taken = any(left.of(task, SUPERSEDED) for task in tasks[:-1])
        launched = any(left.of(task, LAUNCH) for task in tasks[:-1])
        return "not_started" if words and (taken or (words == order and not launched)) else "failed", words
    if "upstream_failed" in states:
        broken = broken_above(left, depends_on)
        gates = (f"{wave.name}.{name}" for name in (DELAY, PAUSE, *_names(left, wave.name)))
        gate = next((said for task in gates if (said := left.of(task, ERROR))), None)
        return "not_started", gate or f"it waits for {' and '.join(broken) or 'preflight'}"
    if all(state == "skipped" for state in states):
        return "not_started" if str(order).startswith(
            "cancelled"
        ) else "skipped", order or "not chosen for this run, or none of its servers was left"
    if states[0] == "success":
        return "running", f"its recovery job is {states[-1] or 'not watched yet'}"
    return "not_started", None


def _names(left: RunReader, wave: str) -> list[str]:
    return [task.removeprefix(f"{wave}.") for task in left.tasks(wave, LAUNCH_SETTINGS)]


def _cleanup(left: RunReader, preflight: Mapping[str, Any] | None) -> dict[str, Any]:
    names = {
        server["server_id"]: server
        for wave in (preflight or {}).get("waves", {}).values()
        for part in wave["targets"]
        for server in part["servers"]
    }
    tasks = sorted(task for task in left.states if task.startswith(_CLEANING))
    results = [result for task in tasks if (result := left.of(task) or left.of(task, CLEANED))]
    results += [{"terminated": (), **result} for task in tasks if (result := left.of(task, REMOVED))]
    terminated = [
        {
            **instance,
            "hostname": names.get(instance["source_server_id"], {}).get("hostname"),
            "region": names.get(instance["source_server_id"], {}).get("region"),
        }
        for result in results
        for instance in result.get("terminated", ())
    ]
    remaining = {instance: why for result in results for instance, why in result["left"].items()}
    states = [left.state(task) for task in tasks]
    if any(state in _FAILED for state in states):
        words = [said for task in tasks if (said := left.of(task, ERROR))]
        return {"state": "incomplete", "terminated": terminated, "left": remaining, "reason": "\n".join(words) or None}
    if all(state == "skipped" for state in states):
        return {"state": "not_run", "reason": "a recovery is not cleaned up"}
    return {"state": "done" if terminated else "nothing_to_do", "terminated": terminated, "left": remaining}
