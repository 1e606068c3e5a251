"""What a full account costs: two plans that share it, a plan of a thousand servers, and a sky that throttles."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from drs_provider.rules.run.names import dag_id_of

from benchmarks import plans
from benchmarks.figures import CrowdJob, crowd
from demo.simulator_api import jobs
from demo.stack import Settings, Stack, StackError

MOST_JOBS, MOST_SERVERS = 20, 500
QUIET_AFTER = 5.0
"""Seconds without a running job after which a run's clean-up counts as done."""

CROWDS = {"two_plans_of_300": (300, 300), "one_plan_of_1000": (1000,)}
WEATHER: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "calm": [],
    "bad": [{"do": "throttle", "probability": 0.5}, {"do": "commit_then_drop", "probability": 0.1}],
    # Real seconds: into the second wave, and longer than any single try.
    "outage": [
        {"service": "drs", "do": "outage", "after": 12, "for": 90},
        {"service": "drs", "do": "expired_token", "count": 3},
    ],
}
"""What strikes the plan of a hundred servers, one drill each."""
HUNDRED = (20, 5)
"""Servers a wave, and waves, of the plan that meets the weather."""


def measure(work: Path, settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """Drill the crowds one after the other, each in one wave; return what each took of quotas and time.

    :raises StackError: when a run fails.
    """
    sizes = [(servers, 1) for members in CROWDS.values() for servers in members]
    folder, fleet = plans.write_of(work / "crowds", sizes)
    found: dict[str, Any] = {}
    with Stack(replace(settings, plans=folder, fleets=(fleet,)), say) as stack:
        first = 0
        for label, members in CROWDS.items():
            say(label.replace("_", " "))
            found[label] = _drill(stack, range(first, first + len(members)), sum(members))
            first += len(members)
    return found


def _drill(stack: Stack, numbers: Sequence[int], servers: int) -> dict[str, Any]:
    since = max((int(call["n"]) for call in stack.simulator.calls()), default=0)
    for number in numbers:
        stack.await_dag(dag_id_of(plans.name(number)))
    asked_at = time.time()
    asked = {
        dag_id: stack.airflow.trigger(dag_id, {"mode": "drill", "reason": "make bench"})
        for dag_id in (dag_id_of(plans.name(number)) for number in numbers)
    }
    done = _ended(stack, since)
    while sum(job.servers for job in done) < servers:
        for dag_id, run_id in asked.items():
            if stack.airflow.run(dag_id, run_id)["state"] == "failed":
                raise StackError(f"{dag_id} {run_id} failed; see {stack.places.logs}")
        stack.check(wait=1.0)
        done = _ended(stack, since)
    summed = crowd(done, MOST_JOBS, MOST_SERVERS)
    _await_quiet(stack)
    refused = [call for call in stack.simulator.calls(since) if call["error"] == "ServiceQuotaExceededException"]
    return {
        "servers": servers,
        "jobs": len(done),
        **asdict(summed),
        "before_the_first_call_s": min(job.called_at for job in done) - asked_at,
        "longer_than_allowed_at_real_speed": summed.excess_share(stack.settings.speed),
        "refused_for_want_of_room": len(refused),
    }


def _ended(stack: Stack, since: int) -> list[CrowdJob]:
    """Return the jobs that were started since that call and have ended."""
    calls = stack.simulator.calls(since)  # first: each of them has its job in what is read after it
    newest = {frozenset(job.servers): job for job in jobs(stack.simulator.state())}
    found = []
    for call in calls:
        if call["operation"] != "StartRecovery" or not call["committed"] or call["status"] != HTTPStatus.ACCEPTED:
            continue
        members = frozenset(server["sourceServerID"] for server in call["request"]["sourceServers"])
        job = newest[members]
        if job.ended_at is not None:
            found.append(CrowdJob(len(members), call["at"], job.ended_at.timestamp()))
    return found


def _await_quiet(stack: Stack) -> None:
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_AFTER:
        regions = [region for account in stack.simulator.state()["accounts"].values() for region in account.values()]
        if any(job.get("endDateTime") is None for region in regions for job in region["jobs"].values()):
            quiet_since = time.monotonic()
        stack.check(wait=1.0)


def measure_weather(work: Path, settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """Drill a hundred servers on a calm day, where half of all calls are throttled and a tenth of answers lost, and
    through an outage of DRS with credentials that expire.

    :raises StackError: when a run fails.
    """
    folder, fleet = plans.write_of(work / "weather", [HUNDRED])
    found: dict[str, Any] = {"servers": HUNDRED[0] * HUNDRED[1]}
    with Stack(replace(settings, plans=folder, fleets=(fleet,)), say) as stack:
        dag_id = dag_id_of(plans.name(0))
        stack.await_dag(dag_id)
        for label, faults in WEATHER.items():
            say(f"{label} weather")
            since = max((int(call["n"]) for call in stack.simulator.calls()), default=0)
            stack.simulator.clear_faults()
            if faults:
                stack.simulator.add_faults(faults)
            run_id = stack.airflow.trigger(dag_id, {"mode": "drill", "reason": "make bench"})
            began = time.time()
            while (ended := stack.airflow.run(dag_id, run_id)["state"]) not in {"success", "failed"}:
                stack.check(wait=1.0)
            if ended != "success":
                raise StackError(f"{dag_id} {run_id} ended as {ended}; see {stack.places.logs}")
            calls = stack.simulator.calls(since)
            found[label] = {"calls": len(calls), "seconds": time.time() - began}
    found["times_the_calls"] = found["bad"]["calls"] / found["calm"]["calls"]
    return found
