"""Replication as a pure function of time: state, lag and progress of a source server, and its recovery points.

The recovery point policy is DRS's own three rules: every 10 minutes for an hour, every hour for a day, every day for
a week. Points are computed, never stored: the same server has the same points whoever asks, and they age out by
themselves.
"""

from dataclasses import dataclass, field
from math import ceil

from drs_simulator import ids

GIB = 1024**3
INITIATING_SECONDS = 300.0
SNAPSHOT_SECONDS = 30.0
POLICY = ((600, 3600), (3600, 86400))
"""(interval, retention) of the two fixed rules, in seconds."""
DAY = 86400


@dataclass
class Replication:
    """What was decided about a server's replication; what that means now, `observed` says."""

    steady: str | None = "CONTINUOUS"
    """A state that stays as it is; None: it goes through its phases since `began`."""
    began: float = 0.0
    """Simulated second at which the present state or the phases began."""
    sync_seconds: float = 1000.0
    is_rescan: bool = False
    is_reconnecting: bool = False
    """Whether it begins with an agent that has not been seen yet, not with an initiation."""
    consistent_since: float | None = None
    """Simulated second of the first recovery point."""
    lag: float = 0.0
    retention_days: int = 7

    @property
    def first_consistent(self) -> float | None:
        """Simulated second from which there are recovery points; None: there will be none as things stand."""
        if self.consistent_since is not None:
            return self.consistent_since
        if self.steady is not None:
            return None
        return self.began + INITIATING_SECONDS + self.sync_seconds + SNAPSHOT_SECONDS


@dataclass(frozen=True)
class CopyStall:
    """Where and since when (simulated second) a copy stands still, and what is said of it."""

    share: float
    since: float
    error: str

    def begins(self, replication: Replication) -> float | None:
        """Return the simulated second at which a copy comes to stand; None: it does not, or is over before."""
        if replication.steady is not None:
            return None
        first_byte = replication.began + INITIATING_SECONDS
        stands = max(first_byte + self.share * replication.sync_seconds, self.since)
        return stands if stands < first_byte + replication.sync_seconds else None


@dataclass(frozen=True)
class Weather:
    """What faults do to a server's replication now; times are simulated seconds."""

    stalled_since: float | None = None
    stall_error: str = "AGENT_NOT_SEEN"
    disconnected_since: float | None = None
    rescan: tuple[float, float] | None = None
    """Began, ends."""
    extra_lag: float = 0.0
    expired_before: float | None = None
    """Points taken before are gone."""
    copy_stall: "CopyStall | None" = None
    last_words: tuple[float, ...] = ()
    """When the source was stopped: what its agent sent last is a recovery point."""


@dataclass(frozen=True)
class Observed:
    """What DescribeSourceServers says of replication."""

    state: str
    lag: float | None
    done: float = 1.0
    """Share of the bytes that are replicated (or rescanned)."""
    eta: float | None = None
    """Simulated seconds until it is CONTINUOUS."""
    error: str | None = None
    initiation_done: float = 1.0
    last_good: float = field(default=0.0)
    """Simulated second up to which data arrived."""


CALM = Weather()


def sync_seconds(disks: tuple[int, ...]) -> float:
    """Return how long an initial sync takes: 15-25 minutes for 8 GiB were seen."""
    return 900.0 + 15.0 * sum(disks)


def observed(replication: Replication, now: float, weather: Weather = CALM) -> Observed:
    """Return the state at a simulated second."""
    calm = _undisturbed(replication, now)
    if calm.state in {"STOPPED", "DISCONNECTED"}:
        return calm
    if weather.disconnected_since is not None:
        lost, state, error = weather.disconnected_since, "DISCONNECTED", "AGENT_NOT_SEEN"
        return _broken(calm, replication, now, state=state, error=error, since=lost)
    if weather.stalled_since is not None:
        return _broken(calm, replication, now, state="STALLED", error=weather.stall_error, since=weather.stalled_since)
    return _slowed(calm, replication, now, weather)


def _slowed(calm: Observed, replication: Replication, now: float, weather: Weather) -> Observed:
    if weather.copy_stall is not None and (stalled := _standing(replication, now, weather.copy_stall)) is not None:
        return stalled
    if weather.rescan is not None and calm.state == "CONTINUOUS":
        began, ends = weather.rescan
        done = (now - began) / max(ends - began, 1.0)
        return Observed("RESCAN", replication.lag + now - began, done, ends - now, last_good=began)
    if weather.extra_lag and calm.lag is not None:
        return Observed("BACKLOG", calm.lag + weather.extra_lag, calm.done, last_good=now - weather.extra_lag)
    return calm


def _standing(replication: Replication, now: float, stall: CopyStall) -> Observed | None:
    """Return what is said of a copy that stands still; None: it does not (yet)."""
    stands = stall.begins(replication)
    if stands is None or stands > now:
        return None
    done = (stands - replication.began - INITIATING_SECONDS) / replication.sync_seconds
    lag = None if replication.consistent_since is None else replication.lag + now - replication.began
    return Observed("STALLED", lag, max(done, 0.0), error=stall.error, last_good=replication.began)


def _broken(calm: Observed, replication: Replication, now: float, *, state: str, error: str, since: float) -> Observed:
    lag = None if calm.lag is None else replication.lag + now - since
    # A copy stands where it stood when the agent was lost.
    done = _undisturbed(replication, min(now, max(since, replication.began))).done
    return Observed(state, lag, done, error=error, last_good=min(calm.last_good, since))


def _undisturbed(replication: Replication, now: float) -> Observed:
    since = now - replication.began
    if replication.steady is not None:
        return _steady(replication, since, now)
    left = since - INITIATING_SECONDS
    whole = INITIATING_SECONDS + replication.sync_seconds + SNAPSHOT_SECONDS
    before = replication.consistent_since is not None
    lag = replication.lag + since if before else None
    if left < 0 and replication.is_reconnecting:
        return Observed("STALLED", lag, 0.0, error="AGENT_NOT_SEEN", last_good=replication.began)
    if left < 0:
        return Observed(
            "INITIATING",
            lag,
            0.0,
            whole - since,
            initiation_done=since / INITIATING_SECONDS,
            last_good=replication.began,
        )
    if left < replication.sync_seconds:
        state = "RESCAN" if replication.is_rescan else "INITIAL_SYNC"
        return Observed(state, lag, left / replication.sync_seconds, whole - since, last_good=replication.began)
    if since < whole:
        return Observed("CREATING_SNAPSHOT", replication.lag, 1.0, whole - since, last_good=now)
    return Observed("CONTINUOUS", replication.lag, last_good=now)


def _steady(replication: Replication, since: float, now: float) -> Observed:
    state = str(replication.steady)
    match state:
        case "STOPPED" | "DISCONNECTED":
            return Observed(state, None, last_good=replication.began)
        case "STALLED":
            return Observed(state, replication.lag + since, error="AGENT_NOT_SEEN", last_good=replication.began)
        case "PAUSED" | "RESCAN":
            return Observed(state, replication.lag + since, last_good=replication.began)
        case "BACKLOG":
            return Observed(state, max(replication.lag, 600.0), last_good=now - max(replication.lag, 600.0))
    return Observed(state, replication.lag, last_good=now)


@dataclass(frozen=True)
class RecoveryPoint:
    """One point in time that a server can be recovered to."""

    id: str
    taken: float
    """Simulated second."""


def recovery_points(
    server_id: str, replication: Replication, now: float, weather: Weather = CALM
) -> list[RecoveryPoint]:
    """Return the recovery points that exist at a simulated second, oldest first."""
    first = replication.first_consistent
    if first is None or replication.steady in {"STOPPED", "DISCONNECTED"}:
        return []
    newest = min(now, observed(replication, now, weather).last_good) if first <= now else now
    oldest = max(first, weather.expired_before if weather.expired_before is not None else first)
    # Servers do not take their snapshots at the same instant.
    offset = int(ids.stable("", server_id)[:6], 16) % 600
    taken: set[int] = set()
    for interval, retention in (*POLICY, (DAY, replication.retention_days * DAY)):
        step = int((newest - offset) // interval) * interval + offset
        while step > now - retention and step >= oldest:
            if step <= newest:
                taken.add(step)
            step -= interval
    kept = now - replication.retention_days * DAY
    taken.update(last for last in map(ceil, weather.last_words) if max(oldest, kept) <= last <= now)
    return [RecoveryPoint(ids.stable("pit-", server_id, second), float(second)) for second in sorted(taken)]
