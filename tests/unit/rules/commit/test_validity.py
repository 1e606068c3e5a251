"""Which decision stands, and when silence, or a roll back as things are now, decides nothing: whole sentences."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.plan.model import Commit
from drs_provider.rules.commit.roll_back import COMMITTED, RollBackSurvey
from drs_provider.rules.commit.validity import is_nothing_to_decide, standing, why_no_roll_back, why_silent
from drs_provider.rules.run.handover import CommitDecision, CommitRecord, LaunchedInstance

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def up(name="i-1", job="drsjob-1"):
    return LaunchedInstance(instance_id=name, server_id="s-1", hostname="db1", job_id=job)


def record(decision=None, **more):
    return CommitRecord(**{"began_at": AT, "until": AT, "instances": (up(),), "decision": decision, **more})


COMMIT = CommitDecision(kind="commit", by="ann", at=AT)
BACK = CommitDecision(kind="roll_back", by="bob", at=AT, job_ids=("drsjob-1",))
UP = RollBackSurvey(up=(up(),))
TAGGED = RollBackSurvey(up=(up("i-2"),), committed={"i-1": "2026-03-01T12:00:00Z by ann"})
OF_TAGS = COMMIT.model_copy(update={"is_of_tags": True})


@pytest.mark.parametrize(
    ("known", "found", "continues", "has_ended", "stands"),
    [
        pytest.param(None, UP, True, False, None, id="nobody was asked"),
        pytest.param(None, TAGGED, True, False, OF_TAGS, id="the first Airflow has committed"),
        pytest.param(None, TAGGED, False, False, None, id="a tag on an instance of this run decides nothing"),
        pytest.param(record(), TAGGED, False, False, None, id="asked, and not decided"),
        pytest.param(record(COMMIT), UP, False, True, COMMIT, id="a commit stands"),
        pytest.param(record(BACK), UP, False, False, BACK, id="a roll back stands until it has ended"),
        pytest.param(record(BACK), UP, False, True, None, id="it has ended, and something is up"),
        pytest.param(record(BACK), RollBackSurvey(), False, True, BACK, id="it has ended, and nothing is up"),
        pytest.param(record(BACK), RollBackSurvey(up=(up(job="drsjob-2"),)), False, False, None, id="more is launched"),
    ],
)
def test_which_decision_stands(known, found, continues, has_ended, stands):
    assert standing(known, found, continues=continues, has_ended=has_ended, now=AT) == stands


@pytest.mark.parametrize(
    ("found", "nothing"),
    [
        (RollBackSurvey(), True),
        (RollBackSurvey(ending={"i-1": "s-1"}, job_ids=("drsjob-1",)), True),
        (UP, False),
        (RollBackSurvey(kept={"i-1": "it is committed"}), False),
        (RollBackSurvey(running=("drsjob-1",)), False),
    ],
)
def test_people_are_asked_unless_nothing_is_there_and_nothing_may_come(found, nothing):
    assert is_nothing_to_decide(found) is nothing


@pytest.mark.parametrize(
    ("silence", "asked", "now", "why"),
    [
        (("Commit", "commit"), record(), (UP, "", MINUTE), None),
        (("Roll back", "roll_back"), record(), (UP, "", 0 * MINUTE), None),
        (("Roll back", "roll_back"), record(), (RollBackSurvey(), "", 60 * MINUTE), None),
        (
            ("Roll back", "commit"),
            record(),
            (UP, "", MINUTE),
            "nobody answered, and 'Roll back' is not what recovery.commit.on_timeout (commit) says",
        ),
        (
            ("Commit", "ask"),
            record(),
            (UP, "", MINUTE),
            "nobody answered, and 'Commit' is not what recovery.commit.on_timeout (ask) says",
        ),
        (
            ("Roll back", "roll_back"),
            record(),
            (UP, "", -MINUTE),
            "nobody answered yet, and there is time until 2026-03-01 12:00:00 UTC",
        ),
        (
            ("Roll back", "roll_back"),
            record(),
            (UP, "", 61 * MINUTE),
            "nobody answered until 2026-03-01 12:00:00 UTC, and that is long ago: people are asked again",
        ),
        (
            ("Roll back", "roll_back"),
            record(problem="no answer"),
            (UP, "", MINUTE),
            "nobody answered, and what is up is not known: no answer",
        ),
        (
            ("Roll back", "roll_back"),
            record(),
            (UP, "no answer now", MINUTE),
            "nobody answered, and what is up is not known: no answer now",
        ),
        (
            ("Roll back", "roll_back"),
            record(),
            (RollBackSurvey(up=(up(), up("i-2"))), "", MINUTE),
            "nobody answered, and nobody was asked about db1 (i-2)",
        ),
    ],
)
def test_when_silence_decides_nothing(silence, asked, now, why):
    (option, on_timeout), (found, problem, after) = silence, now
    policy = Commit(approvers=("ann", "bob"), on_timeout=on_timeout)

    assert why_silent(option, policy, asked, found, problem=problem, now=AT + after) == why


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (UP, ""),
        (
            TAGGED,
            (
                "the roll back is refused, nothing was terminated: committed are i-1 (2026-03-01T12:00:00Z by ann). "
                f"Commit the others too, or take the tag {COMMITTED} off, then answer again"
            ),
        ),
        (
            RollBackSurvey(kept={"i-1": "DRS replicates it as a source: it is kept"}),
            "the roll back is refused, nothing was terminated: nothing of the run is up that may be rolled back",
        ),
        (
            RollBackSurvey(running=("drsjob-1",)),
            (
                "the roll back is refused, nothing was terminated: nothing is up yet, and drsjob-1 still launches. "
                "Answer again once that ended"
            ),
        ),
    ],
)
def test_what_cannot_be_rolled_back_as_a_whole(found, words):
    assert why_no_roll_back(found) == words
