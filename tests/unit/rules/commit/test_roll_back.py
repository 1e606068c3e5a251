"""What a roll back may terminate, and what speaks against it: whole sentences, and every doubt keeps."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.commit.refusals import Refusal, refusal_words
from drs_provider.rules.commit.roll_back import (
    COMMITTED,
    OwnLaunches,
    ReversedSource,
    RollBackSurvey,
    committed_before,
    committed_tags,
    insisted_on,
    merged,
    sources_of,
    survey_of,
    why_not_own,
    why_not_replicated,
    why_refused,
)
from drs_provider.rules.launch.tags import MODE, RUN
from drs_provider.rules.run.handover import CommitDecision

OURS = OwnLaunches(frozenset({"drsjob-1"}), frozenset({"key-1"}), frozenset({"s-1"}), frozenset({"i-source"}))
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BACK = "arn:aws:drs:us-east-1:111122223333:source-server/s-back"


def instance(name="i-1", **more):
    return {
        "recoveryInstanceID": name,
        "ec2InstanceID": name,
        "sourceServerID": "s-1",
        "jobID": "drsjob-1",
        "isDrill": False,
        "ec2InstanceState": "RUNNING",
        "tags": {RUN: "key-1", MODE: "recovery"},
        **more,
    }


def in_ec2(name="i-1", state="running", **tags):
    pairs = [{"Key": key, "Value": value} for key, value in {RUN: "key-1", MODE: "recovery", **tags}.items()]
    return {"InstanceId": name, "State": {"Name": state}, "Tags": pairs}


def server(state="CONTINUOUS", **more):
    hints = {"hostname": "db1", "awsInstanceID": "i-source"}
    return {
        "sourceServerID": "s-1",
        "sourceProperties": {"identificationHints": hints},
        "dataReplicationInfo": {"dataReplicationState": state},
        **more,
    }


def looked(*instances, ec2=None, servers=None, reversed_sources=None):
    return survey_of(
        instances,
        ec2=ec2 if ec2 is not None else {str(each["recoveryInstanceID"]): in_ec2() for each in instances},
        servers=servers if servers is not None else {"s-1": server()},
        own=OURS,
        reversed_sources=reversed_sources or {},
        where="aws_default, us-west-2",
    )


@pytest.mark.parametrize(
    ("change", "there", "why"),
    [
        ({}, in_ec2(), None),
        ({"tags": {}}, {**in_ec2(), "Tags": []}, None),
        (
            {"jobID": "drsjob-9"},
            in_ec2(),
            "it was launched by drsjob-9, which is not this run's: it is kept",
        ),
        (
            {"jobID": None},
            in_ec2(),
            "it was launched by no job that DRS knows, which is not this run's: it is kept",
        ),
        (
            {"sourceServerID": "s-9"},
            in_ec2(),
            "its server s-9 is none that this run launches: it is kept",
        ),
        (
            {"sourceServerID": None},
            in_ec2(),
            "its server is not named, and is none that this run launches: it is kept",
        ),
        ({"isDrill": True}, in_ec2(), "DRS does not say that a recovery launched it: it is kept"),
        ({"isDrill": None}, in_ec2(), "DRS does not say that a recovery launched it: it is kept"),
        ({"isDrill": "False"}, in_ec2(), "DRS does not say that a recovery launched it: it is kept"),
        (
            {"recoveryInstanceID": "i-source", "ec2InstanceID": "i-source"},
            in_ec2(),
            "DRS replicates it as a source: it is kept",
        ),
        ({"ec2InstanceID": "i-2"}, in_ec2(), "DRS says that it is i-2 in EC2: it is kept"),
        ({}, None, "DRS calls it live and EC2 does not show it: it is kept until both agree"),
        ({"tags": {MODE: "drill"}}, in_ec2(), f"its tag {MODE} is 'drill': it is kept"),
        ({}, in_ec2(**{MODE: "drill"}), f"its tag {MODE} is 'drill': it is kept"),
        (
            {"tags": {RUN: "key-2", MODE: "recovery"}},
            in_ec2(),
            "its tags say that it is of key-2 of a plan that is not named, which is another run: it is kept",
        ),
        (
            {},
            in_ec2(**{RUN: "key-2"}),
            "its tags say that it is of key-2 of a plan that is not named, which is another run: it is kept",
        ),
    ],
)  # fmt: skip
def test_only_what_is_proven_to_be_the_runs_own_may_go(change, there, why):
    assert why_not_own(instance(**change), there, OURS) == why


@pytest.mark.parametrize(
    ("change", "source", "back", "refusal"),
    [
        ({}, server(), None, None),
        ({}, server("BACKLOG"), None, None),
        ({}, server("RESCAN"), None, None),
        (
            {},
            server("STALLED"),
            None,
            (
                "its source is not replicated (STALLED): the recovered instance may be all that is left of it",
                True,
            ),
        ),
        (
            {},
            server("DISCONNECTED"),
            None,
            (
                "its source is not replicated (DISCONNECTED): the recovered instance may be all that is left of it",
                True,
            ),
        ),
        (
            {},
            server("", dataReplicationInfo={}),
            None,
            (
                (
                    "its source is not replicated (DRS does not say how): the recovered instance may be all that is "
                    "left of it"
                ),
                True,
            ),
        ),
        (
            {},
            server(
                "STALLED",
                dataReplicationInfo={
                    "dataReplicationState": "STALLED",
                    "dataReplicationError": {"error": "AGENT_NOT_SEEN"},
                },
            ),
            None,
            (
                (
                    "its source is not replicated (STALLED: AGENT_NOT_SEEN: DRS has no contact with its agent): the "
                    "recovered instance may be all that is left of it"
                ),
                True,
            ),
        ),
        (
            {},
            None,
            None,
            ("DRS does not know its source server any more, so nothing would be left of it", False),
        ),
        (
            {"dataReplicationInfo": {"dataReplicationState": "INITIATING"}},
            server(),
            None,
            ("reverse replication of i-1 has begun (INITIATING)", False),
        ),
        (
            {"failback": {"state": "FAILBACK_IN_PROGRESS"}},
            server(),
            None,
            ("reverse replication of i-1 has begun (FAILBACK_IN_PROGRESS)", False),
        ),
        (
            {},
            server(replicationDirection="FAILBACK"),
            None,
            ("its server is a FAILBACK server, so this recovery is part of a way back", False),
        ),
        (
            {},
            server(reversedDirectionSourceServerArn=BACK),
            None,
            (
                (
                    "its server names s-back for the way back, and whether that still replicates i-1 is unknown: it "
                    "was not looked at"
                ),
                False,
            ),
        ),
        (
            {},
            server(reversedDirectionSourceServerArn=BACK),
            ReversedSource(problem="no answer"),
            (
                "its server names s-back for the way back, and whether that still replicates i-1 is unknown: no answer",
                False,
            ),
        ),
        (
            {},
            server(reversedDirectionSourceServerArn=BACK),
            ReversedSource({"sourceProperties": {"identificationHints": {"awsInstanceID": "i-1"}}}),
            ("reverse replication has begun: FAILBACK server s-back replicates i-1", False),
        ),
        (
            {},
            server(reversedDirectionSourceServerArn=BACK),
            ReversedSource({"sourceServerID": "s-back"}),
            ("reverse replication has begun: FAILBACK server s-back replicates i-1", False),
        ),
        ({}, server(reversedDirectionSourceServerArn=BACK), ReversedSource(), None),
        ({"dataReplicationInfo": {"dataReplicationState": "REPLICATION_STATE_NOT_AVAILABLE"}}, server(), None, None),
        (
            {"dataReplicationInfo": {"dataReplicationState": "REPLICATION_STATE_NOT_AVAILABLE"}},
            server(reversedDirectionSourceServerArn=BACK),
            ReversedSource(),
            (
                (
                    "its server names s-back for the way back, and whether that still replicates i-1 is unknown: DRS "
                    "says REPLICATION_STATE_NOT_AVAILABLE of the instance"
                ),
                False,
            ),
        ),
        (
            {"failback": {"state": "FAILBACK_LAUNCH_STATE_NOT_AVAILABLE"}},
            server(reversedDirectionSourceServerArn=BACK),
            ReversedSource(),
            (
                (
                    "its server names s-back for the way back, and whether that still replicates i-1 is unknown: DRS "
                    "says FAILBACK_LAUNCH_STATE_NOT_AVAILABLE of the instance"
                ),
                False,
            ),
        ),
        (
            {},
            server(reversedDirectionSourceServerArn=BACK),
            ReversedSource({"sourceProperties": {"identificationHints": {"awsInstanceID": "i-of-before"}}}),
            None,
        ),
    ],
)
def test_what_refuses_a_roll_back(change, source, back, refusal):
    found = why_refused(instance(**change), source, back)

    assert [(each.reason, each.may_be_insisted_on) for each in found] == ([refusal] if refusal else [])


def test_what_is_up_is_told_with_its_server_and_job():
    found = looked(instance())

    assert [(up.instance_id, up.server_id, up.hostname, up.state, up.job_id) for up in found.up] == [
        ("i-1", "s-1", "db1", "running", "drsjob-1")
    ]
    assert found.replication == {"s-1": "CONTINUOUS"}
    assert found.targets(insisted=()) == {"i-1": "s-1"}


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_what_is_going_in_ec2_is_waited_for(state):
    """DRS calls it live a while longer: that is no reason to call the roll back incomplete."""
    found = looked(instance(), ec2={"i-1": in_ec2(state=state)})

    assert found == RollBackSurvey(ending={"i-1": "s-1"})
    assert found.targets(insisted=()) == {}
    assert found.why_kept("i-1", insisted=()) is None
    assert looked(instance(jobID="drsjob-9"), ec2={"i-1": in_ec2(state=state)}) == RollBackSurvey()


def test_what_is_committed_stays_whatever_people_say():
    found = looked(instance(), ec2={"i-1": in_ec2(**{COMMITTED: "2026-03-01T12:00:00Z by ann"})})

    assert found.targets(insisted={"s-1"}) == {}
    assert found.why_kept("i-1", insisted={"s-1"}) == "it is committed: 2026-03-01T12:00:00Z by ann"


def test_only_a_missing_replication_can_be_insisted_on():
    stalled = looked(instance(), servers={"s-1": server("STALLED")})
    reversed_ = looked(instance(failback={"state": "FAILBACK_IN_PROGRESS"}))

    assert stalled.targets(insisted=()) == {}
    assert stalled.targets(insisted={"s-1"}) == {"i-1": "s-1"}
    assert reversed_.targets(insisted={"s-1"}) == {}
    assert reversed_.why_kept("i-1", insisted={"s-1"}) == "reverse replication of i-1 has begun (FAILBACK_IN_PROGRESS)"


@pytest.mark.parametrize(
    ("insists", "then", "lifted"),
    [(True, "STALLED", True), (True, "", True), (True, "CONTINUOUS", False), (True, None, False), (False, "", False)],
)
def test_people_insist_on_what_was_not_replicated_when_they_decided(insists, then, lifted):
    before = {} if then is None else {"s-1": then}
    decision = CommitDecision(kind="roll_back", by="bob", at=AT, insists=insists, replication=before)
    found = looked(instance(), servers={"s-1": server("STALLED")})

    why = found.why_kept("i-1", insisted=insisted_on(decision))

    assert why == (
        None
        if lifted
        else "its source is not replicated (STALLED): the recovered instance may be all that is left of it"
    )


def test_what_was_not_looked_at_is_kept():
    assert looked(instance()).why_kept("i-9", insisted={"s-1"}) == (
        "it was not there a moment ago: it is kept until it was looked at"
    )


@pytest.mark.parametrize(
    ("refusals", "insists", "words"),
    [
        ([], False, ""),
        ([Refusal("s-1", "db1", "it is stalled", True)], True, ""),
        (
            [Refusal("s-1", "db1", "it is stalled", True)],
            False,
            (
                "the roll back is refused, nothing was terminated: db1 (s-1): it is stalled. To roll back all the "
                "same, begin the reason with shop:"
            ),
        ),
        (
            [Refusal("s-1", "db1", "it is stalled", True), Refusal("s-2", "db2", "it goes back")],
            True,
            "the roll back is refused, nothing was terminated: db2 (s-2): it goes back",
        ),
    ],
)
def test_a_refusal_says_what_to_do(refusals, insists, words):
    assert refusal_words(refusals, insists=insists, plan="shop") == words


def test_a_commit_is_read_again_from_its_tag():
    decision = CommitDecision(kind="commit", by="ann", at=AT)
    tags = committed_tags(decision)

    found = looked(instance(tags={**instance()["tags"], **tags}))

    assert tags == {COMMITTED: "2026-03-01T12:00:00Z by ann", MODE: "recovery"}
    assert committed_before(found, now=datetime.now(UTC)) == decision.model_copy(update={"is_of_tags": True})
    assert committed_before(looked(instance()), now=AT) is None


def test_a_commit_by_policy_is_read_again_as_one():
    tags = committed_tags(CommitDecision(kind="commit", by=None, at=AT, expired=True))
    found = committed_before(looked(instance(tags={**instance()["tags"], **tags})), now=AT)

    assert found is not None
    assert (found.by, found.expired, found.at) == (None, True, AT)


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        ("CONTINUOUS", "CONTINUOUS", None),
        ("STALLED", "CONTINUOUS", None),
        ("STALLED", "STALLED", None),
        ("CONTINUOUS", "STALLED", "its replication is STALLED, was CONTINUOUS"),
        (None, "STALLED", "its replication is STALLED"),
        ("CONTINUOUS", "", "its replication is unknown to DRS, was CONTINUOUS"),
        ("", "", "its replication is unknown to DRS"),
    ],
)
def test_a_source_is_as_before_or_that_is_said(before, now, why):
    assert why_not_replicated(before=before, now=now) == why


def test_sources_and_places_are_put_together():
    assert sources_of([server(), {"sourceServerID": "s-2"}]) == {"i-source"}
    both = merged([looked(instance()), looked(instance(jobID="drsjob-9"))])
    assert (len(both.up), list(both.kept)) == (1, ["i-1"])
