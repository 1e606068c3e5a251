"""What DRS and EC2 are asked of instances whose start was refused, and what is made of answers that do not come."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from drs_provider.exceptions import AccessDenied, Throttled
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.launch.tags import job_tags
from drs_provider.rules.run.handover import InstanceStart, InstanceStarts, Launch, LaunchedJob
from drs_provider.services.launch.never_started import StartProofs
from drs_provider.services.store import save

ENDED = datetime(2026, 11, 30, 12, tzinfo=UTC)
TAGS = job_tags(dag_id="drs.shop", run_id="r", wave="db", chunk=0, attempt=1)
DENIED = AccessDenied("ec2:DescribeInstances", "UnauthorizedOperation", "no")


class Store(dict):
    def set(self, key, value):
        self[key] = value


@dataclass
class Aws:
    """One account and Region; ``calls``: what was asked."""

    error: Exception | None = None
    calls: list = field(default_factory=list)

    def recovery_instances(self, *, source_server_ids):
        self.calls.append(tuple(source_server_ids))
        return [
            {"ec2InstanceID": f"i-{s}", "sourceServerID": s, "jobID": "drsjob-1", "ec2InstanceState": "STOPPED"}
            for s in source_server_ids
        ]

    def jobs(self, job_ids):
        return [
            {"jobID": name, "status": "COMPLETED", "endDateTime": ENDED.isoformat(), "tags": TAGS} for name in job_ids
        ]

    def ec2_instances(self, names):
        if self.error:
            raise self.error
        return {
            name: {
                "State": {"Name": "stopped"},
                "LaunchTime": ENDED - timedelta(minutes=1),
                "StateTransitionReason": "User initiated (2026-11-30 11:59:58 GMT)",
            }
            for name in names
        }


def rounds(aws, *, refused=("s-1", "s-2"), accepted=()):
    store, at = Store(), ENDED + timedelta(minutes=1)
    starts = {f"i-{s}": (InstanceStart(at=at, refused="no machine", is_capacity=True),) for s in refused}
    starts |= {f"i-{s}": (InstanceStart(at=at),) for s in accepted}
    save(store, InstanceStarts(max_tries=0, instances=starts))
    launch = Launch(jobs=(LaunchedJob(job_id="drsjob-1", servers=("s-1", "s-2", "s-3")),))
    return SimpleNamespace(
        store=store,
        started=(SimpleNamespace(launch=launch),),
        run=SimpleNamespace(dag_id="drs.shop", run_id="r"),
        preflight=SimpleNamespace(installation="", continue_run=None),
        hook_of=lambda _: aws,
    )


def result(server):
    return ServerResult(server, server, True, "failed", instance_id=f"i-{server}", instance_state="STOPPED")


def test_those_whose_start_was_refused_are_asked_about_once_and_no_others():
    aws = Aws()
    proofs = StartProofs(rounds(aws, accepted=("s-3",)))

    assert proofs.never_started([result("s-1"), result("s-2"), result("s-3")]) == {"s-1", "s-2"}
    assert proofs.why_not(result("s-1")) is None
    assert aws.calls == [("s-1", "s-2", "s-3")]


def test_where_nothing_was_refused_nobody_is_asked():
    aws = Aws()

    assert StartProofs(rounds(aws, refused=(), accepted=("s-1",))).never_started([result("s-1")]) == frozenset()
    assert aws.calls == []


def test_what_may_not_be_looked_at_is_not_proven():
    proofs = StartProofs(rounds(Aws(error=DENIED)))

    assert proofs.never_started([result("s-1")]) == frozenset()
    assert proofs.why_not(result("s-1")) == f"it cannot be looked at: {DENIED}"


def test_what_aws_does_not_answer_now_is_no_verdict():
    with pytest.raises(Throttled):
        StartProofs(rounds(Aws(error=Throttled("ec2:DescribeInstances", "RequestLimitExceeded", "slow")))).why_not(
            result("s-1")
        )


def test_right_before_a_launch_it_is_asked_anew():
    aws = Aws()
    found = rounds(aws)
    live = aws.recovery_instances(source_server_ids=("s-1", "s-9"))
    proofs = StartProofs(found)
    proofs.why_not(result("s-1"))

    assert proofs.still_proven(found.started[0], live) == {"i-s-1"}
    assert aws.calls[-1] == ("s-1",)
    assert StartProofs(rounds(aws, refused=())).still_proven(found.started[0], live) == frozenset()
