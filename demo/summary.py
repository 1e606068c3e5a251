"""What the demo says when the drill has ended, from the run's report. Pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from drs_provider.rules.run.state import RunStatus
from drs_provider.rules.run.state.words import shown

from demo.board import clock

_MOST = 10


def verdict(report: Mapping[str, Any], speed: float) -> list[str]:
    """Return the lines that say how a run ended: verdict, RTO, RPO, failures, what was not started.

    :param report: the report as in ``report.json``.
    :param speed: how many times faster than in reality DRS worked.
    """
    counts = report["counts"]
    look = shown(RunStatus(report["verdict"]))
    servers = f"{counts['launched']} of {counts['servers']} launched, {counts['failed']} failed"
    lines = [
        f"{look.sign} {look.words.upper()}: {report['verdict_reason']}",
        f"  servers    {servers}, {counts['not_started']} not started",
        f"  RTO        {_objective(report['objectives']['rto'])}",
        f"  RPO        {_objective(report['objectives']['rpo'])}",
    ]
    real = at_real_speed(report, speed)
    if real is not None and speed != 1:
        lines.append(
            f"             at real speed the RTO would be {clock(real)}: DRS worked {speed:g} times faster here, "
            "orchestration did not"
        )
    lines += _findings(report["preflight"]) + _failures(report["failures"])
    lines += [
        f"  - {wave['wave']}: {wave['servers']} servers not started: {wave['because']}"
        for wave in report["not_started"]
    ]
    if not report["failures"]:
        lines += [f"  ✕ {error['task']}: {error['message']}" for error in report["errors"]]
    return lines


def at_real_speed(report: Mapping[str, Any], speed: float) -> timedelta | None:
    """Stretch the time that DRS's jobs and the boots took back to its real length; orchestration's own time stays.

    None when the run did not get every server there: there is no recovery time then.
    """
    path = report["critical_path"]
    if report["objectives"]["rto"]["measured_seconds"] is None or path["jobs_seconds"] is None:
        return None
    simulated = path["jobs_seconds"] + (path.get("boots_seconds") or 0.0)
    return timedelta(seconds=simulated * speed + path["overhead_seconds"])


def _objective(result: Mapping[str, Any]) -> str:
    if result["measured_seconds"] is None:
        return f"not measured: {result['why']}"
    target = result["target_seconds"]
    measured = f"{result['measured_seconds']:.1f} s measured"
    return (
        measured if target is None else f"{measured}, objective {clock(timedelta(seconds=target))}: {result['outcome']}"
    )


def _findings(preflight: Mapping[str, Any] | None) -> list[str]:
    if preflight is None or preflight["passed"]:
        return []
    lines = []
    refusals = [finding for finding in preflight["findings"] if finding["severity"] == "refusal"]
    for finding in refusals[:_MOST]:
        where = finding["hostname"] or finding["server_id"]
        lines.append("  ✕ " + (f"{where}: " if where else "") + finding["what"])
        lines.append(f"    next: {finding['next_step']}")
    return lines


def _failures(failures: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for failure in failures[:_MOST]:
        lines.append(f"  ✕ {failure['hostname']} ({failure['wave']}): {failure['reason']}")
        lines.append(f"    next: {failure['next_step']}")
    if len(failures) > _MOST:
        lines.append(f"  … and {len(failures) - _MOST} more; the report names them all")
    return lines


def launched_by(report: Mapping[str, Any]) -> int:
    """Count the instances that a run launched, by its report: those of its servers, and those that were terminated."""
    there = {server["instance_id"] for wave in report["waves"] for server in wave["servers"]}
    gone = {instance["instance_id"] for instance in report["cleanup"]["terminated"]}
    return len((there | gone) - {None})


def left_over(before: Mapping[str, str], after: Mapping[str, str] | None, launched: int | None) -> tuple[str, bool]:
    """Say what EC2 says of the instances that came during the run; True only when it is proven that none is left.

    An empty answer proves nothing by itself: EC2 still has to show, as terminated, as many as the run launched.

    :param before: instance id → state, when the run began.
    :param after: the same, when it had ended; None: EC2 did not answer.
    :param launched: how many instances the run launched, by its report; None: there is no report.
    """
    if after is None:
        return "! EC2 did not answer: whether a drill instance is left is not known", False
    came = sorted(set(after) - set(before))
    left = [instance for instance in came if after[instance] != "terminated"]
    if left:
        named = ", ".join(left[:_MOST]) + (", …" if len(left) > _MOST else "")
        return f"✕ EC2: {len(left)} of {len(came)} drill instances are still there: {named}", False
    if launched is None:
        return (
            f"! EC2: {len(came)} instances came and are gone; without a report it is not known how many should",
            False,
        )
    if len(came) < launched:
        words = f"{len(came)} of the {launched} instances that the drill launched"
        return f"! EC2 shows only {words}: that none of them is left is not proven", False
    return f"✓ EC2: {len(came)} instances came during the drill, none of them is left; it launched {launched}", True
