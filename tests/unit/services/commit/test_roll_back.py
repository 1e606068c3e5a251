"""A roll back that an error ends leaves nothing without termination protection; one that goes on switches none on."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from drs_provider.dag.finish import roll_back as task
from drs_provider.exceptions import AccessDenied, CredentialsExpired, RunRefused, ServiceUnavailable, Throttled
from drs_provider.rules.run.handover import CleanedUp, CommitDecision, RolledBack, Unprotected
from drs_provider.services.commit import roll_back
from drs_provider.services.commit.roll_back import RollBack, RollBackScope
from drs_provider.services.commit.settings_back import AppliedSettings
from drs_provider.services.store import load, save
from kit.fake_drs import NOW, MemoryStore

DENIED = AccessDenied("DescribeJobs", "AccessDeniedException", "you may not")
THROTTLED = Throttled("DescribeJobs", "ThrottlingException", "slowly")
SILENT = ServiceUnavailable("DescribeJobs", "ConnectTimeoutError", "no answer")
EXPIRED = CredentialsExpired("DescribeJobs", "ExpiredToken", "it is over")
REFUSED = RunRefused("the plan was edited")
DEADLINE = NOW + timedelta(hours=1)
ENDS = [
    (DENIED, NOW, True),
    (REFUSED, NOW, True),
    (THROTTLED, NOW, False),
    (SILENT, NOW, False),
    (EXPIRED, NOW, False),
    (THROTTLED, DEADLINE, True),
    (SILENT, DEADLINE + timedelta(seconds=1), True),
]


class Hook:
    """An account in which one instance runs, and whose jobs nobody may read."""

    region = "us-west-2"

    def __init__(self, error=None):
        self.error, self.protected = error, []

    def jobs(self, _):
        raise self.error

    def instance_states(self, names):
        return dict.fromkeys(names, "running")

    def protect(self, names):
        self.protected += names
        return {}


def unprotected():
    store = MemoryStore()
    save(store, Unprotected(instances=("i-1",)))
    return store


def rolling_back(hook, store):
    decision = CommitDecision(kind="roll_back", by="bob", at=NOW, comment="x", job_ids=("drsjob-1",))
    scope = RollBackScope(
        ("drsjob-1",), ("key",), frozenset({"s-1"}), "here", decision, AppliedSettings({}, {}), (None,)
    )
    return RollBack(hook, store, scope)


@pytest.mark.parametrize(("error", "now", "is_protected"), ENDS)
def test_an_error_before_anything_is_terminated_protects_again_where_it_ends_the_roll_back(error, now, is_protected):
    hook, store = Hook(error), unprotected()

    with pytest.raises(type(error)):
        rolling_back(hook, store).look(began=NOW, deadline=DEADLINE, requests=0, now=now)

    assert hook.protected == (["i-1"] if is_protected else [])
    assert load(store, Unprotected).instances == (() if is_protected else ("i-1",))


@pytest.mark.parametrize(("error", "is_protected"), [(DENIED, True), (THROTTLED, False)])
def test_an_error_after_all_is_terminated_does_too(error, is_protected, monkeypatch):
    hook, store = Hook(), unprotected()
    monkeypatch.setattr(roll_back, "survey", lambda *_, **__: None)
    monkeypatch.setattr(roll_back, "CleanUp", lambda *_, **__: SimpleNamespace(look=lambda **_: CleanedUp()))

    def find_holders(*_, **__):
        raise error

    monkeypatch.setattr(roll_back, "find_holders", find_holders)

    with pytest.raises(type(error)):
        rolling_back(hook, store).look(began=NOW, deadline=DEADLINE, requests=0, now=NOW)

    assert hook.protected == (["i-1"] if is_protected else [])


class Deferred(Exception):
    """Airflow goes on later."""


class Task:
    """What of the task a leg needs. ``at`` raises where it is said to: as it is prepared, or as it looks."""

    max_wait = DEADLINE - NOW
    resume_cleanup = task.RollBackRecovery.resume_cleanup
    _point_at = hook = None
    log = SimpleNamespace(warning=lambda *_: None)

    def __init__(self, now, **raises):
        self.now, self.raises, self.protections = now, raises, 0

    def prepare(self, _):
        self._raise("prepare")

    def _scope(self, _):
        self._raise("scope")

    def _raise(self, at):
        if at in self.raises:
            raise self.raises[at]

    def _now(self):
        return self.now

    def _protect_again(self, _):
        self.protections += 1

    def defer(self, **_):
        raise Deferred


@pytest.mark.parametrize("at", ["prepare", "scope", "look"])
@pytest.mark.parametrize(
    ("error", "now", "is_protected"), [*ENDS, (AirflowSkipException("nobody has decided"), NOW, True)]
)
def test_a_leg_protects_again_only_where_no_other_leg_follows(error, now, is_protected, at, monkeypatch):
    from drs_provider import clock

    leg = Task(now, **{at: error})
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr(task, "task_memory", lambda _: MemoryStore())

    def look(*_, **__):
        leg._raise("look")
        return RolledBack()

    monkeypatch.setattr(RollBack, "look", look)

    with pytest.raises(type(error) if is_protected else Deferred):
        task.RollBackRecovery._leg(leg, {"ti": None}, began=NOW, requests=0, looks=0)

    assert leg.protections == int(is_protected)
