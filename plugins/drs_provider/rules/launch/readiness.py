"""Whether a source server may be launched now, in a drill or in a recovery."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import duration, parse_instant
from drs_provider.rules.findings import Finding, Rule, Severity
from drs_provider.rules.launch.live_instances import Replacing
from drs_provider.rules.launch.replication import difficulty, progress
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.servers import READY_STATE, Answer, hostname_of, is_live, is_protected, lag_of

_STATES: Final = {
    "STOPPED": "replication is stopped, and stopping it deleted the recovery points",
    "INITIATING": "replication is being set up",
    "INITIAL_SYNC": "the first full copy is not done",
    "BACKLOG": "replication lags behind: data waits to be sent",
    "CREATING_SNAPSHOT": "DRS is creating the first snapshot of what it copied",
    "PAUSED": "replication is paused",
    "RESCAN": "DRS is scanning the source's disks again",
    "STALLED": "replication is stalled",
    "DISCONNECTED": "the source server was disconnected from DRS",
}
_NOTHING: Final = Replacing()
_NEVER_SYNCED: Final = frozenset({"INITIATING", "INITIAL_SYNC"})
_BAD_VOLUMES: Final = frozenset(
    {"MISSING_VOLUME_ATTRIBUTES", "MISSING_VOLUME_ATTRIBUTES_AND_PRECHECK_UNAVAILABLE", "PENDING"}
)


@dataclass(frozen=True)
class _Case:
    server: Answer
    server_id: str
    hostname: str
    purpose: Purpose
    newest_snapshot: Answer | None
    busy_job: str | None
    live_instances: Sequence[Answer]
    replacing: Replacing
    max_lag: timedelta | None
    now: datetime
    as_of: datetime | None
    takes_latest: bool

    def finding(
        self, rule: Rule, what: str, next_step: str, *, hard: bool = False, kind: str = "", detail: str = ""
    ) -> Finding:
        """Find what refuses a run whose purpose refuses a broken source, and every run where it is ``hard``."""
        severity = "refusal" if hard else self.purpose.severity
        return Finding(severity, self.server_id, self.hostname, what, next_step, rule, kind, detail)

    @property
    def replication(self) -> Answer:
        return self.server.get("dataReplicationInfo") or {}


def assess(
    server: Answer | None,
    *,
    asked_id: str,
    purpose: Purpose,
    newest_snapshot: Answer | None,
    busy_job: str | None,
    live_instances: Sequence[Answer],
    max_lag: timedelta | None,
    now: datetime,
    replacing: Replacing = _NOTHING,
    as_of: datetime | None = None,
    takes_latest: bool = False,
) -> tuple[Finding, ...]:
    """Return everything that speaks against launching a server, all at once.

    What is wrong with the *source* refuses a drill and only warns in a recovery. Refused in both: a server that DRS
    does not know, one without any recovery point (DRS refuses the whole request for it), and one whose live recovered
    instance a launch would terminate, unless a recovery replaces it (``replace_live_instances``). A drill is refused
    over a drill instance of somebody else too, unless ``replace_drills``; a recovery is warned of it.

    :param server: the item of DescribeSourceServers; None: DRS did not return it
    :param asked_id: the id that was asked for
    :param purpose: what the run is for
    :param newest_snapshot: the newest item of DescribeRecoverySnapshots; None: there is none
    :param busy_job: id of a running job that holds the server
    :param live_instances: items of DescribeRecoveryInstances for this server
    :param max_lag: the most lag allowed; None: any
    :param now: the present instant
    :param replacing: what the run may replace, and whose the live instances are
    :param as_of: the instant that the launch goes back to: ``newest_snapshot`` is then the newest not after it
    :param takes_latest: its recovery points were not asked for (``recovery_points.must_be_asked``)
    """
    if server is None:
        what = "DRS knows no such source server in this account and Region"
        next_step = "check the id, the connection's account and the Region of its protection group"
        return (Finding("refusal", asked_id, asked_id, what, next_step, "unknown"),)
    case = _Case(
        server,
        asked_id,
        hostname_of(server, asked_id),
        purpose,
        newest_snapshot,
        busy_job,
        live_instances,
        replacing,
        max_lag,
        now,
        as_of,
        takes_latest,
    )
    return tuple(finding for rule in _RULES for finding in rule(case))


def refusals(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return those findings that keep a server from being launched."""
    return tuple(finding for finding in findings if finding.severity == "refusal")


def _state(case: _Case) -> Iterator[Finding]:
    state = str(case.replication.get("dataReplicationState", "unknown"))
    if state == READY_STATE:
        return
    rule: Rule = "initial_sync" if state in _NEVER_SYNCED else "state"
    words_for_state = _STATES.get(state, "this state is not known to this version")
    error = difficulty(case.replication)
    seen = (case.server.get("lifeCycle") or {}).get("lastSeenByServiceDateTime")
    kind = f"{state}: {words_for_state}" + (f" ({error})" if error else "")
    last_seen = f"last seen {duration(max(case.now - parse_instant(seen), timedelta(0)))} ago" if seen else ""
    who = case.purpose if case.purpose.launches else case.purpose.section
    details = ", ".join(part for part in (progress(case.replication, now=case.now), last_seen) if part)
    yield case.finding(
        rule,
        f"{kind}, {details}" if details else kind,
        f"a {who} needs CONTINUOUS: look at the server's replication in the DRS console"
        if case.purpose.refuses_broken_source
        else "the launch uses the newest point in time there is",
        kind=kind,
        detail=details,
    )


def _lag(case: _Case) -> Iterator[Finding]:
    lag = lag_of(case.server)
    if lag is None or case.max_lag is None or lag <= case.max_lag:
        return
    yield case.finding(
        "lag",
        f"replication lags {duration(lag)} behind, {duration(case.max_lag)} are allowed",
        "wait until it has caught up, or raise max_lag"
        if case.purpose.refuses_broken_source
        else "expect to lose that much data",
        kind=f"replication lags behind by more than the {duration(case.max_lag)} that are allowed",
        detail=duration(lag),
    )


def _recovery_point(case: _Case) -> Iterator[Finding]:
    if case.takes_latest:
        return
    if case.newest_snapshot is None and case.as_of is not None:
        yield case.finding(
            "recovery_point",
            f"there is no recovery point at or before {case.as_of:%Y-%m-%d %H:%M:%S} UTC",
            "choose a later point in time, or leave the server out",
            hard=True,
        )
    elif case.newest_snapshot is None:
        yield case.finding(
            "recovery_point",
            "there is no recovery point",
            "DRS refuses the whole job for it: leave the server out, or wait for its first recovery point",
            hard=True,
        )


def _staging(case: _Case) -> Iterator[Finding]:
    staging = case.server.get("stagingArea") or {}
    if staging.get("status") == "EXTENSION_ERROR":
        error = staging.get("errorMessage") or "DRS gave no reason"
        account = staging.get("stagingAccountID") or "the staging account"
        yield case.finding("staging", f"its extension from {account} is broken: {error}", "repair the extension")


def _volumes(case: _Case) -> Iterator[Finding]:
    disks = case.replication.get("replicatedDisks") or ()
    bad = [f"{disk.get('deviceName')} is {disk['volumeStatus']}" for disk in disks if _is_bad(disk)]
    if bad:
        yield case.finding(
            "volumes",
            f"volume attributes are missing: {', '.join(bad)}",
            "DRS may refuse the launch: see the volume's status in the DRS console",
        )


def _is_bad(disk: Answer) -> bool:
    return disk.get("volumeStatus") in _BAD_VOLUMES


def _busy(case: _Case) -> Iterator[Finding]:
    if not case.busy_job:
        return
    if not case.purpose.minds_other_runs:
        step = "a drill of it is refused until that job has ended"
    elif case.purpose.refuses_broken_source:
        step = "start again when that job has ended"
    else:
        step = "the launch waits until that job has ended"
    what, kind = f"it is in the running job {case.busy_job}", "it is in a running job"
    severity = case.purpose.holding_severity
    yield Finding(severity, case.server_id, case.hostname, what, step, "busy", kind, case.busy_job)


def _instances(case: _Case) -> Iterator[Finding]:
    for instance in case.live_instances:
        if is_protected(instance):
            yield _recovered(case, instance)
        elif is_live(instance):
            yield _drilled(case, instance)


def _name(instance: Answer) -> str:
    return f"{instance.get('recoveryInstanceID')} ({instance.get('ec2InstanceState', 'state unknown')})"


def _recovered(case: _Case, instance: Answer) -> Finding:
    name, origin, may = _name(instance), case.replacing.origin(instance), case.purpose.may_replace_recovered
    what = f"it has a live recovered instance {name}, and a launch would terminate it"
    parts = {"kind": "it has a live recovered instance, and a launch would terminate it", "detail": name}
    if may and case.replacing.replace_live_instances:
        next_step = "replace_live_instances is set, so the launch terminates it"
        return Finding("warning", case.server_id, case.hostname, what, next_step, "live_instance", **parts)
    if not case.purpose.minds_other_runs:
        next_step = "a drill of it is refused while production is up on that instance"
        return Finding("warning", case.server_id, case.hostname, what, next_step, "live_instance", **parts)
    if not may:
        next_step = f"leave the server out: a {case.purpose} never replaces it"
    elif origin.is_recent(case.now):
        by = f"run {origin.mark}" if origin.mark else f"job {origin.job_id}"
        what = f"it has just been recovered: {name} was {origin.words(case.now)}, and a launch would terminate it"
        parts = {"kind": f"it has just been recovered by {by}, and a launch would terminate it", "detail": name}
        next_step = f"see {by}, and leave the server out: production is up on that instance"
    else:
        next_step = "leave the server out, or set replace_live_instances=True to terminate it"
    return case.finding("live_instance", what, next_step, hard=True, **parts)


def _drilled(case: _Case, instance: Answer) -> Finding:
    name, owner = _name(instance), case.replacing.owner(instance, case.now)
    if owner != "stranger":
        what = f"its last drill's instance {name} still runs"
        kind, step = "the instance of its last drill still runs", "DRS replaces it at the launch"
        return Finding("warning", case.server_id, case.hostname, what, step, "replaced", kind, name)
    detail = f"{name}, {case.replacing.origin(instance).words(case.now)}"
    kind = "it has a drill instance that this plan did not launch, and a launch would terminate it"
    what = f"{kind}: {detail}"
    refuses = case.purpose.spares_others_drills and not case.replacing.replace_drills
    if refuses and not case.purpose.minds_other_runs:
        step, refuses = "ask whose it is: a drill is refused over it, unless replace_drills is set", False
    elif refuses:
        step = "ask whose it is and wait until it is gone, leave the server out, or set replace_drills to terminate it"
    elif case.purpose.spares_others_drills:
        step = "replace_drills is set, so the launch terminates it"
    else:
        step = f"the {case.purpose} terminates it"
    severity: Severity = "refusal" if refuses else "warning"
    return Finding(severity, case.server_id, case.hostname, what, step, "replaced", kind, detail)


_RULES = (_state, _lag, _recovery_point, _staging, _volumes, _busy, _instances)
