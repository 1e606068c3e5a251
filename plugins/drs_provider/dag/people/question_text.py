"""The text of what people are asked: what will be launched, and what speaks against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from drs_provider import formatting as words
from drs_provider.formatting import escaped, parse_instant, shortened, timespan
from drs_provider.notify.messages import WaveNow
from drs_provider.plan.model import Pause
from drs_provider.rules.launch.recovery_points import in_words
from drs_provider.rules.preflight.table import grouped_json
from drs_provider.rules.run.approvals import Policy

_MOST = 30
"""Warnings that stand in full; preflight's log has all."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run has come while somebody is asked.

    :ivar waves: the chosen waves of the run, in the order of the plan.
    :ivar taken: since the run began.
    :ivar rto: what the plan promises; None: nothing.
    """

    waves: tuple[WaveNow, ...]
    taken: timedelta
    rto: timedelta | None = None

    def in_words(self) -> str:
        """Set the time that has passed against the RTO."""
        taken = f"The run has taken {words.duration(self.taken.total_seconds())}"
        if self.rto is None:
            return f"{taken}; the plan has no RTO."
        if self.taken > self.rto:
            return f"**{taken}: its RTO of {timespan(self.rto)} is missed.**"
        return f"{taken} of its RTO of {timespan(self.rto)}."


def approval_text(
    preflight: Mapping[str, Any],
    policy: Policy,
    *,
    triggered_by: str | None,
    earlier: Sequence[str],
    standing: RunProgress,
) -> str:
    """Say in Markdown what an approval launches, from which data, and what preflight warns of."""
    who = escaped(triggered_by or "somebody whom Airflow does not name")
    lines = [
        f"**A real recovery of {escaped(preflight['plan'])}**, asked for by {who}: {escaped(preflight['reason'])}",
        "",
        "Once approved, these servers are launched as production. Nothing cleans them up; the source is left alone.",
        "",
        "| wave | servers | of which pinned | Region |",
        "|---|---|---|---|",
        *_waves(preflight),
        "",
        *_data(preflight),
        *_warnings(preflight),
        "",
        standing.in_words(),
        "",
        f"{policy.required} must agree, of: {escaped(', '.join(policy.approvers) or 'anyone')}."
        + (" Who triggered the run does not count." if policy.four_eyes else "")
        + (f" Approved so far: {escaped(', '.join(earlier))}." if earlier else "")
        + f" Without an answer within {timespan(policy.timeout)} nothing is launched.",
    ]
    return "\n".join(lines)


def pause_text(pause: Pause, preflight: Mapping[str, Any], wave: str, *, standing: RunProgress) -> str:
    """Say in Markdown what the plan asks, how far the run is, what comes next, and what happens without an answer."""
    then = "the run goes on" if pause.on_timeout == "continue" else "the run fails"
    names = [one["hostname"] for part in preflight["waves"][wave]["targets"] for one in part["servers"]]
    count = f"{len(names)} server{'s'[: len(names) != 1]}: {escaped(shortened(tuple(names)))}"
    does = f"launches wave {wave} of this {preflight['mode']}, {count}"
    if not names:
        does = f"runs the steps of wave {wave} of this {preflight['mode']}"
    return "\n".join(
        [
            f"**{escaped(pause.message)}**",
            "",
            f"*Continue* {does}.",
            "*Stop* launches neither this wave nor those after it; what is up is left to the run's own clean-up.",
            "",
            "| wave | state | servers up | failed |",
            "|---|---|---|---|",
            *(_standing(one, is_next=one.name == wave) for one in standing.waves),
            "",
            standing.in_words(),
            "",
            f"Asked: {escaped(', '.join(pause.approvers))}. Without an answer within {timespan(pause.timeout)} {then}.",
        ]
    )


def _standing(wave: WaveNow, *, is_next: bool) -> str:
    state = "**next**" if is_next else wave.state
    if wave.launched is None:
        return f"| {wave.name} | {state} | of {wave.servers} | |"
    return f"| {wave.name} | {state} | {wave.launched} of {wave.servers} | {wave.failed} |"


def _waves(preflight: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, wave in preflight["waves"].items():
        if not wave["selected"]:
            continue
        servers = [server for part in wave["targets"] for server in part["servers"]]
        regions = ", ".join(dict.fromkeys(part["region"] or part["aws_conn_id"] for part in wave["targets"]))
        pinned = sum("point" in server for server in servers)
        rows.append(f"| {name} | {len(servers)} | {pinned} | {escaped(regions)} |")
    return rows


def _data(preflight: Mapping[str, Any]) -> list[str]:
    lines = []
    if preflight["point_in_time"] != "latest":
        lines.append(
            f"- Everything goes back to **{in_words(parse_instant(preflight['point_in_time']))}** or just before."
        )
    points = [
        parse_instant(server["point"]["at"])
        for wave in preflight["waves"].values()
        for part in wave["targets"]
        for server in part["servers"]
        if "point" in server
    ]
    if points:
        lines.append(f"- Pinned servers hold data from {in_words(min(points))} to {in_words(max(points))}.")
    if preflight["too_old"]:
        names = escaped(shortened(tuple(preflight["too_old"])))
        lines.append(f"- **Older than recovery.max_lag allows** ({len(preflight['too_old'])}): {names}.")
    if preflight["replace_live_instances"]:
        lines.append("- **Live recovered instances are terminated**: replace live instances was chosen.")
    return lines


def _warnings(preflight: Mapping[str, Any]) -> list[str]:
    found = preflight["findings"]
    if not found:
        return ["Preflight warns of nothing."]
    said = grouped_json(found)
    lines = ["", f"Preflight warns of {len(found)} thing{'s'[: len(found) != 1]}:", ""]
    lines += [f"- {escaped(one)}" for one in said[:_MOST]]
    if len(said) > _MOST:
        lines.append(f"- and {len(said) - _MOST} more, in the log of preflight.check")
    return lines
