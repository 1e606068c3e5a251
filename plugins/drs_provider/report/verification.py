"""Whether a plan is verified: by which drill, until when, and if not, why no longer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from drs_provider.formatting import some
from drs_provider.report.result import RunReport
from drs_provider.rules.run.handover import ServerFingerprint


@dataclass(frozen=True)
class Verification:
    """``by`` names the drill that counts; ``why`` is one sentence without a full stop, whatever the answer."""

    is_verified: bool
    why: str
    by: str | None = None
    at: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON."""
        return {
            "verified": self.is_verified,
            "why": self.why,
            "run": self.by,
            "at": self.at.isoformat() if self.at else None,
            "until": self.until.isoformat() if self.until else None,
        }


def verify(
    reports: Iterable[RunReport],
    *,
    digest: str,
    valid_for: timedelta | None,
    now: datetime,
    servers: Mapping[str, ServerFingerprint] | None = None,
) -> Verification:
    """Look for the newest drill that proves the plan as it is now.

    :param reports: reports of the plan's runs, in any order; recoveries count as little as drills that did not pass
    :param digest: of the plan as it is now
    :param valid_for: how long a passed drill counts; None: for ever
    :param servers: what the servers are now, where somebody has asked; what is not known on one side is not compared
    """
    drills = sorted(
        (report for report in reports if report.run.purpose.proves_plan), key=lambda report: report.finished_at
    )
    passed = [report for report in drills if report.verdict == report.run.purpose.good_verdict]
    if not passed:
        if not drills:
            return Verification(False, "no drill of it has ever been reported")
        last = drills[-1]
        return Verification(False, f"no drill has passed; the last one, {last.run.run_id}, {_ended(last)}")
    drill = passed[-1]
    until = drill.finished_at + valid_for if valid_for else None
    facts = (drill.run.run_id, drill.finished_at, until)
    named = f"the drill of {drill.finished_at:%Y-%m-%d %H:%M} UTC"
    later = [report for report in drills if report.finished_at > drill.finished_at and report.verdict == "failed"]
    changes = changed(drill.drill.fingerprints, servers) if servers is not None else []
    against = {
        f"the plan, or a group of it, has changed since {named}": drill.run.plan_digest != digest,
        f"{named} counted until {until:%Y-%m-%d %H:%M} UTC" if until else "": until is not None and until <= now,
        f"a drill has failed since {named}: {later[-1].run.run_id if later else ''}": later,
        f"since {named} {'; '.join(changes)}": changes,
    }
    if why := next((words for words, holds in against.items() if holds), None):
        return Verification(False, why, *facts)
    end = f", counts until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    return Verification(True, f"{named} passed{end}", *facts)


def changed(then: Mapping[str, ServerFingerprint], now: Mapping[str, ServerFingerprint]) -> list[str]:
    """Say what of the servers has changed; no fingerprints at all (an older report) is no change."""
    if not then:
        return []
    both = [server for server in now if server in then]
    parts = []
    for words, names in (
        ("new", [now[server].hostname for server in now if server not in then]),
        ("gone", [then[server].hostname for server in then if server not in now]),
        ("renamed", [now[server].hostname for server in both if now[server].hostname != then[server].hostname]),
        (
            "other disks",
            [now[server].hostname for server in both if _differs(now[server].disks, then[server].disks)],
        ),
        (
            "other launch settings",
            [now[server].hostname for server in both if _differs(now[server].launch, then[server].launch)],
        ),
    ):
        if names:
            parts.append(f"{words}: {some(names)}")
    return parts


def _differs(now: str, then: str) -> bool:
    return bool(now and then) and now != then


def _ended(report: RunReport) -> str:
    return f"ended as {report.verdict.replace('_', ' ')}"
