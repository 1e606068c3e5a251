"""What people read who are asked about a failback: what goes where, what is overwritten, what is removed."""

from collections.abc import Mapping, Sequence
from typing import Final

from drs_provider.formatting import MANY, escaped, plural, some, timespan
from drs_provider.rules.preflight.table import grouped_warnings
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.handover import ListedServer, PreflightResult, ServerBack

_MOST: Final = 30
"""Warnings that stand in full; preflight's log has all."""


def cut_over_text(
    preflight: PreflightResult, policy: Policy, *, triggered_by: str | None, earlier: Sequence[str]
) -> str:
    """Say in Markdown what goes back to where, from which data, and what preflight warns of."""
    who = escaped(triggered_by or "an unknown user")
    lines = [
        f"**A failback of {escaped(preflight.plan)}**, requested by {who}: {escaped(preflight.reason)}",
        "",
        (
            "Once approved, the steps of the plan stop the writes, every server is launched in its origin from a "
            "recovery point that is younger, and production goes on there. What was recovered is kept until people "
            "agree to its end."
        ),
        "",
        "| wave | server | runs on now | goes back to | launched into |",
        "|---|---|---|---|---|",
        *_servers(preflight),
        "",
    ]
    if preflight.too_old:
        names = escaped(some(preflight.too_old, MANY))
        lines += [f"- **Further behind than failback.max_lag allows** ({len(preflight.too_old)}): {names}.", ""]
    lines += _machines(preflight)
    lines += _warnings(preflight)
    return "\n".join([*lines, "", _who_must(policy, earlier, "nothing is stopped or launched")])


def clean_up_text(
    preflight: PreflightResult,
    listed: Sequence[ListedServer],
    unlisted: Mapping[str, str],
    policy: Policy,
    *,
    triggered_by: str | None,
    doubts: Sequence[str] = (),
) -> str:
    """Say in Markdown what is removed of every server, in which order, and what stays.

    :param doubts: why something may have been written since the last sync, which only what is removed holds then
    """
    lines = [
        (
            f"**What the failback of {escaped(preflight.plan)} has left**, of {plural(len(listed), 'server')} whose "
            "production runs in the origin and is protected from there again, up to date and rescanned."
        ),
        "",
        (
            "Once approved, and looked at twice more: each FAILBACK server is stopped, **its recovery points go**; the "
            "recovered instance is **terminated**; DRS's records and the FAILBACK server are deleted. Nothing that is "
            "not in this table is touched. From then on only a new recovery leads back to the recovery Region."
        ),
        "",
        "| server | terminated | in | FAILBACK server deleted | production, stays | protected by, stays |",
        "|---|---|---|---|---|---|",
        *(
            f"| {escaped(server.hostname)} | `{server.recovered or 'gone already'}` | {server.region} of account "
            f"{server.account} | {_ids(server.failback_servers, server)} | {_production(server)} | "
            f"`{server.protected_by}` |"
            for server in listed
        ),
        "",
    ]
    lines += [f"- Nothing is removed of {escaped(name)}: {escaped(why)}." for name, why in unlisted.items()]
    lines += [f"- **What is removed may hold writes that production has not**: {escaped(doubt)}." for doubt in doubts]
    who = escaped(triggered_by or "an unknown user")
    return "\n".join([*lines, "", f"Started by {who}. {_who_must(policy, (), 'nothing is removed')}"])


def _servers(preflight: PreflightResult) -> list[str]:
    return [
        f"| {name} | {escaped(server.hostname)} | `{server.back.recovered}` | {_goes_to(server.back)} | "
        f"{_into(server.back)} |"
        for name, wave in preflight.chosen_waves.items()
        for server in wave.servers
        if server.back
    ]


def _ids(names: Sequence[str], server: ListedServer) -> str:
    if not server.failed_back:
        return "it has none"
    return ", ".join(f"`{name}`" for name in names or ("gone already",))


def _production(server: ListedServer) -> str:
    return f"`{server.failed_back}`" if server.failed_back else "its machine in the data centre"


def _goes_to(back: ServerBack) -> str:
    return "its data centre" if back.from_data_centre else f"{back.region} of account {back.account}"


def _machines(preflight: PreflightResult) -> list[str]:
    """Say how many machines are converted in data centres, and what that proves not."""
    names = [server.hostname for server in preflight.servers() if server.back and server.back.is_converted]
    if not names:
        return []
    line = (
        f"- **{plural(len(names), 'machine')} in a data centre {'is' if len(names) == 1 else 'are'} converted**, "
        f"rebooted into what was copied: {escaped(some(names, MANY))}. **Their last sync is not proven**: DRS makes no "
        "recovery point of a failback client. Who approves agrees that nothing but its lag and what is left to send, "
        "as DRS tells them after the writes have stopped, is looked at; the run ends with exceptions."
    )
    return [line, ""]


def _into(back: ServerBack) -> str:
    if back.from_data_centre:
        return "**its machine, converted already**" if back.already else "**its machine, converted**"
    if back.already:
        return f"**`{back.already}`, runs there already**"
    return f"**`{back.original}`, stopped and overwritten**" if back.original else "a new instance"


def _warnings(preflight: PreflightResult) -> list[str]:
    warnings = preflight.warnings
    if not warnings:
        return ["Preflight has no warnings."]
    said = grouped_warnings(warnings)
    lines = [f"Preflight has {plural(len(warnings), 'warning')}:", ""]
    lines += [f"- {escaped(line)}" for line in said[:_MOST]]
    return [*lines, f"- and {len(said) - _MOST} more, in the log of preflight.check"] if len(said) > _MOST else lines


def _who_must(policy: Policy, earlier: Sequence[str], otherwise: str) -> str:
    return (
        f"{policy.required} must approve, of: {escaped(', '.join(policy.approvers) or 'anyone')}."
        + (" Who triggered the run does not count." if policy.four_eyes else "")
        + (f" Approved so far: {escaped(', '.join(earlier))}." if earlier else "")
        + f" Without an answer within {timespan(policy.timeout)} {otherwise}."
    )
