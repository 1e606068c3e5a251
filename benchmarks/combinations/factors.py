"""What is combined: the fields of a plan, the run, where its servers are, what people do, how the cloud is. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.combinations.pairs import Value

FACTORS: Final[Mapping[str, Sequence[str]]] = {
    # The plan.
    "network": ("isolated", "shared", "standing"),
    "members": ("ids", "tags", "optional"),
    "waves": ("one", "chain", "beside"),
    "when": ("in_waves", "ahead"),
    "order": ("together", "staged"),
    "launch": ("left", "instance_type", "fallback", "actions", "drill_launch", "unprotected", "stopped"),
    "tolerate": ("0", "1", "50%"),
    "retry_failed": ("0", "1"),
    "ready": ("launched", "running", "status_checks"),
    "steps": ("none", "wait", "command", "function", "plan", "may_fail"),
    "people": ("nobody", "pause", "approval", "two_approvals"),
    "objectives": ("none", "rto", "both"),
    "keep_for": ("0", "30m"),
    "delay": ("0", "2m"),
    # The run.
    "mode": ("drill", "recovery"),
    "scope": ("all", "a_wave", "without_a_server"),
    "data": ("latest", "an_instant"),
    "told": ("nothing", "replace_drills", "replace_live_instances"),
    "layout": ("one_account", "two_accounts", "two_regions"),
    # People and Airflow.
    "action": (
        "nothing",
        "clear_preflight",
        "clear_settings",
        "clear_start",
        "clear_watch",
        "clear_clean_up",
        "clear_run",
        "clear_failed",
        "second_run",
        "takeover",
        "cancel",
        "skip_wave",
        "edited_xcom",
        "edited_plan",
        "mark_watch",
        "mark_approval",
    ),
    "moment": ("launching", "launched", "kept", "ended"),
    # The cloud.
    "cloud": (
        "quiet",
        "live_instance",
        "foreign_drill",
        "template_tool",
        "launch_into",
        "second_interface",
        "interface_of_production",
        "extended_server",
        "native_plan",
        "fails_once",
        "fails_always",
        "stalled_source",
        "lost_answer",
        "throttled",
        "silent_account",
        "no_start",
    ),
}
"""Factor → its values; the first one is the plain one."""

NOT_COVERED: Final = (
    (
        "mark failed, trigger from another DAG, schedule, backfill, asset events, pausing a DAG, killed processes: "
        "they need Airflow's scheduler (tests/e2e, make chaos)"
    ),
    "http, tcp and webhook steps, notifications: they reach out of the simulator",
    "answers of people other than yes",
)
"""What this campaign says nothing about."""

_WHILE_IT_RUNS: Final = frozenset({"takeover", "cancel", "skip_wave", "edited_xcom", "edited_plan", "mark_watch"})
_ONCE_OVER: Final = frozenset({"clear_run", "clear_failed"})
_APPROVALS: Final = frozenset({"approval", "two_approvals"})


def excludes(ours: Value, theirs: Value) -> bool:
    """Tell whether two values cannot be in one run; factors in the order of the table."""
    return _without_sense(dict([ours, theirs]))


def _without_sense(two: Mapping[str, str]) -> bool:
    action, moment, cloud, layout = (two.get(name) for name in ("action", "moment", "cloud", "layout"))
    return any(
        (
            # A plan cannot say it.
            two.get("members") == "tags" and two.get("order") == "staged",
            two.get("launch") == "stopped" and (two.get("ready") == "status_checks" or two.get("steps") == "command"),
            two.get("network") == "standing" and layout in ("two_accounts", "two_regions"),
            cloud == "no_start" and two.get("when") == "in_waves",
            cloud == "silent_account" and layout in ("one_account", "two_regions"),
            # It never comes to that.
            moment == "kept" and (two.get("mode") == "recovery" or two.get("keep_for") == "0"),
            moment == "kept" and cloud == "template_tool",
            action in _WHILE_IT_RUNS and moment == "ended",
            action in _ONCE_OVER and moment in ("launching", "launched", "kept"),
            action == "skip_wave" and (two.get("waves") == "one" or two.get("scope") == "a_wave"),
            action == "mark_watch" and moment in ("launched", "kept"),
            action == "mark_approval" and (moment in ("launched", "kept", "ended") or two.get("mode") == "drill"),
            action == "mark_approval" and "people" in two and two["people"] not in _APPROVALS,
        )
    )
