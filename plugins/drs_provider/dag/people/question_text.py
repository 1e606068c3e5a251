"""The text of what people are asked: what will be launched, and what speaks against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import MANY, escaped, instant_words, plural, some, timespan
from drs_provider.plan.model import Pause
from drs_provider.rules.launch.recovery_points import in_words
from drs_provider.rules.preflight.table import grouped_warnings
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.handover import PreflightResult
from drs_provider.rules.run.state import WaveState

_MOST: Final = 30
"""Warnings that stand in full; preflight's log has all."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run has come when somebody is asked. Airflow never changes a question: it is said in instants.

    :ivar waves: the chosen waves of the run, in the order of their dependencies.
    :ivar began: when the run began, from which its RTO counts.
    :ivar at: when it is asked.
    :ivar rto: what the plan promises; None: nothing.
    """

    waves: tuple[WaveState, ...]
    began: datetime
    at: datetime
    rto: timedelta | None = None

    def in_words(self) -> str:
        """Set the start of the run against the end of its RTO."""
        began = f"The run began at {instant_words(self.began)}"
        if self.rto is None:
            return f"{began}; the plan has no RTO."
        end = self.began + self.rto
        if self.at > end:
            return f"**{began}, and its RTO of {timespan(self.rto)} ended at {instant_words(end)}: it is missed.**"
        return f"{began}; its RTO of {timespan(self.rto)} ends at {instant_words(end)}."


def approval_text(
    preflight: PreflightResult,
    policy: Policy,
    *,
    triggered_by: str | None,
    earlier: Sequence[str],
    progress: RunProgress,
) -> str:
    """Say in Markdown what an approval launches, from which data, and what preflight warns of."""
    who = escaped(triggered_by or "an unknown user")
    lines = [
        f"**{_kind_of(preflight)} of {escaped(preflight.plan)}**, requested by {who}: {escaped(preflight.reason)}",
        "",
        "Once approved, these servers are launched as production. They are not cleaned up; "
        + (
            "what stops the writes stands in the plan, and about stopping EC2 sources people are asked apart."
            if preflight.purpose.quiesces
            else "the source is not changed."
        ),
        "",
        "| wave | servers | of which pinned | where |",
        "|---|---|---|---|",
        *_waves(preflight),
        "",
        *_data(preflight),
        *_warnings(preflight),
        "",
        progress.in_words(),
        "",
        _who_must(policy, earlier, "nothing is launched"),
    ]
    return "\n".join(lines)


def stop_text(
    preflight: PreflightResult,
    policy: Policy,
    *,
    triggered_by: str | None,
    earlier: Sequence[str],
    progress: RunProgress,
) -> str:
    """Say in Markdown which instances a migration stops, when, and what stays."""
    from drs_provider.rules.migration.source_instances import NamedSource, what_is_stopped

    servers = preflight.servers()
    sources = [
        NamedSource(server.server_id, server.hostname, server.source.instance_id, server.source.account, region)
        for server in servers
        if server.source and (region := server.source.region)
    ]
    others = [server.hostname for server in servers if server.source is None]
    lines = [
        (
            f"**These {len(sources)} EC2 instances are stopped: production of {escaped(preflight.plan)}**, in a "
            f"planned migration requested by {escaped(triggered_by or 'an unknown user')}: {escaped(preflight.reason)}"
        ),
        "",
        (
            "Each is stopped once the writes have stopped and a recovery point holds everything, before its wave is "
            "launched. They are not terminated, and their disks stay. While they are stopped, DRS does not replicate "
            "them."
        ),
        "",
        what_is_stopped(sources, others=others),
        "",
        progress.in_words(),
        "",
        _who_must(policy, earlier, "nothing is stopped or launched"),
    ]
    return "\n".join(lines)


def _who_must(policy: Policy, earlier: Sequence[str], otherwise: str) -> str:
    return (
        f"{policy.required} must approve, of: {escaped(', '.join(policy.approvers) or 'anyone')}."
        + (" Who triggered the run does not count." if policy.four_eyes else "")
        + (f" Approved so far: {escaped(', '.join(earlier))}." if earlier else "")
        + f" Without an answer within {timespan(policy.timeout)} {otherwise}."
    )


def pause_text(pause: Pause, preflight: PreflightResult, wave: str, *, progress: RunProgress) -> str:
    """Say in Markdown what the plan asks, how far the run is, what comes next, and what happens without an answer."""
    then = "the run continues" if pause.on_timeout == "continue" else "the run fails"
    names = [server.hostname for server in preflight.wave(wave).servers]
    does = (
        f"launches wave {wave} of this {preflight.mode}, {plural(len(names), 'server')}: {escaped(some(names, MANY))}"
    )
    if not names:
        does = f"runs the steps of wave {wave} of this {preflight.mode}"
    return "\n".join(
        [
            f"**{escaped(pause.message)}**",
            "",
            f"*Continue* {does}.",
            "*Stop* launches neither this wave nor those after it; what is up is left to the run's own clean-up.",
            "",
            f"At {instant_words(progress.at)}:",
            "",
            "| wave | state | servers up | failed |",
            "|---|---|---|---|",
            *(_row(state, is_next=state.name == wave) for state in progress.waves),
            "",
            progress.in_words(),
            "",
            f"Asked: {escaped(', '.join(pause.approvers))}. Without an answer within {timespan(pause.timeout)} {then}.",
        ]
    )


def _row(wave: WaveState, *, is_next: bool) -> str:
    state, servers = "**next**" if is_next else wave.status.words, len(wave.servers or ())
    if not wave.results_known:
        return f"| {wave.name} | {state} | of {servers} | |"
    return f"| {wave.name} | {state} | {wave.launched} of {servers} | {servers - wave.launched} |"


def _kind_of(preflight: PreflightResult) -> str:
    return "A planned migration" if preflight.purpose.quiesces else "A real recovery"


def _waves(preflight: PreflightResult) -> list[str]:
    rows = []
    for name, wave in preflight.chosen_waves.items():
        regions = ", ".join(dict.fromkeys(part.where for part in wave.targets))
        pinned = sum(server.point is not None for server in wave.servers)
        rows.append(f"| {name} | {len(wave.servers)} | {pinned} | {escaped(regions)} |")
    return rows


def _data(preflight: PreflightResult) -> list[str]:
    lines = []
    if preflight.as_of:
        lines.append(f"- Everything goes back to **{in_words(preflight.as_of)}** or just before.")
    points = [server.point.at for server in preflight.servers() if server.point]
    if points:
        lines.append(f"- Pinned servers hold data from {in_words(min(points))} to {in_words(max(points))}.")
    if preflight.too_old:
        names = escaped(some(preflight.too_old, MANY))
        lines.append(f"- **Older than recovery.max_lag allows** ({len(preflight.too_old)}): {names}.")
    lines += [f"- **{escaped(wave.why_lost)}**." for wave in preflight.chosen_waves.values() if wave.why_lost]
    if preflight.replace_live_instances:
        lines.append("- **Live recovered instances are terminated**: replace live instances was chosen.")
    return lines


def _warnings(preflight: PreflightResult) -> list[str]:
    if not preflight.findings:
        return ["Preflight has no warnings."]
    said = grouped_warnings(preflight.findings)
    lines = ["", f"Preflight has {plural(len(preflight.findings), 'warning')}:", ""]
    lines += [f"- {escaped(line)}" for line in said[:_MOST]]
    if len(said) > _MOST:
        lines.append(f"- and {len(said) - _MOST} more, in the log of preflight.check")
    return lines
