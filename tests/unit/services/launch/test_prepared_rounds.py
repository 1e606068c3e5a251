"""What is looked at before the instances of a wave are started that were launched stopped."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from drs_provider.rules.launch.results import ServerResult, tolerance
from drs_provider.rules.purpose import DRILL, RECOVERY
from drs_provider.rules.run.handover import InstanceCheck, InstanceChecks, Launch, LaunchedJob, PreflightServer
from drs_provider.services.launch.job_results import LaunchResults
from drs_provider.services.launch.prepared_rounds import start_prepared

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LAUNCH = Launch(jobs=(LaunchedJob(job_id="drsjob-1", servers=("s-1",)),))


class Store(dict):
    def set(self, key, value):
        self[key] = value


class Ec2:
    """EC2 where the one instance is stopped."""

    def __init__(self):
        self.started = []

    def instance_states(self, names):
        return dict.fromkeys(names, "stopped")

    def repeated(self, operation, attempt):
        assert operation == "ec2:StartInstances"
        return attempt()

    def start_instances(self, names):
        self.started += names


@dataclass
class Rounds:
    """A wave as ``WaveRounds`` gives it: one server, launched ahead."""

    purpose: object
    check: InstanceCheck
    ec2: Ec2 = field(default_factory=Ec2)
    servers = (PreflightServer(server_id="s-1", hostname="web1", ahead=True, is_started=True),)
    prepared = frozenset(["s-1"])
    started = ()
    max_tries = 0

    def __post_init__(self):
        self.store = Store()

    def clock(self):
        return NOW

    def hook_of(self, launch):
        return self.ec2

    def look_after_instances(self, results):
        return tuple(results), InstanceChecks(servers={"s-1": self.check})

    def progress(self, results, allows):
        return SimpleNamespace(reached={"s-1"}, results=results, allows=allows)


def started(rounds, monkeypatch, *, status="launched", pending=(), hidden=()):
    monkeypatch.setattr("drs_provider.services.launch.prepared_rounds.may_try_again", lambda *_: False)
    result = ServerResult("s-1", "web1", critical=True, status=status, instance_id="i-1", instance_state="STOPPED")
    found = LaunchResults(LAUNCH, "us-west-2", (), (result,), dict.fromkeys(pending, "drsjob-1"), frozenset(hidden))
    step = start_prepared(rounds, [found], ready="running", allows=tolerance("0"), order=None)
    return rounds.ec2.started, dict(step.awaited)


IN_PLACE = InstanceCheck(instance_id="i-1", is_drill=True)
UNSEEN = {"s-1": "DRS does not show its instance yet"}
ASKED = {"s-1": "its start was asked for"}


@pytest.mark.parametrize(
    ("purpose", "check", "expected"),
    [
        (DRILL, IN_PLACE, (["i-1"], ASKED)),
        (DRILL, InstanceCheck(), ([], UNSEEN)),
        (DRILL, InstanceCheck(instance_id="i-of-another-job"), ([], UNSEEN)),
        (RECOVERY, InstanceCheck(), (["i-1"], ASKED)),
    ],
    ids=["in its place", "not looked at", "another one", "a recovery has no network of its own"],
)
def test_a_drills_instance_is_started_only_once_it_was_looked_at(purpose, check, expected, monkeypatch):
    assert started(Rounds(purpose, check), monkeypatch) == expected


@pytest.mark.parametrize("purpose", [DRILL, RECOVERY])
def test_what_ec2_calls_stopped_and_drs_does_not_show_is_awaited(purpose, monkeypatch):
    found = started(Rounds(purpose, IN_PLACE), monkeypatch, status="failed", pending=["s-1"], hidden=["s-1"])

    assert found == ([], UNSEEN)


def test_one_that_is_stopped_while_something_of_it_is_awaited_is_looked_at_too(monkeypatch):
    assert started(Rounds(DRILL, InstanceCheck()), monkeypatch, status="failed", pending=["s-1"]) == ([], UNSEEN)
