"""What people read at the end of a recovery, whole."""

from datetime import UTC, datetime, timedelta

from drs_provider.plan.model import Commit
from drs_provider.rules.commit.next_steps import next_steps
from drs_provider.rules.commit.question import otherwise, subject, text
from drs_provider.rules.purpose import MIGRATION, RECOVERY
from drs_provider.rules.run.handover import CommitDecision, CommitRecord, LaunchedInstance, RolledBack
from drs_provider.rules.run.state.commit_state import CommitState, decided, waiting
from drs_provider.rules.run.state.vocabulary import CommitStatus

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLACE = "aws_default, us-west-2"
UP = (
    LaunchedInstance(
        instance_id="i-1", server_id="s-1", hostname="db1", where="aws_default, us-west-2", state="running"
    ),
)
POLICY = Commit(approvers=("ann", "bob"))


def record(**more):
    return CommitRecord(
        **{"began_at": AT, "until": AT + timedelta(hours=24), "approvers": ("ann", "bob"), "instances": UP, **more}
    )


def said(of=None, **more):
    arguments = {"purpose": RECOVERY, "able": ["bob"], "replaced_live": False, "progress": "The run began.", **more}
    return text("shop", POLICY, of or record(), **arguments)


def test_the_question_says_what_goes_until_when_and_who_counts():
    assert subject("shop", RECOVERY) == "The recovery of shop is up: commit or roll back?"
    assert said() == (
        "**The recovery of shop is up, and nothing of it is final yet.** The run began.\n"
        "\n"
        "*Commit* keeps everything that runs. Nothing is destroyed or changed.\n"
        "*Roll back* **terminates the 1 instance below with their disks**. It puts the launch settings back and leaves "
        "the sources replicating. What was written on these instances is lost. It needs a reason.\n"
        "\n"
        "Asked: ann, bob. For *Roll back*, of them: bob.\n"
        "Without an answer within 1d, it is asked again, and nothing changes.\n"
        "\n"
        "| server | instance | where | state |\n"
        "|---|---|---|---|\n"
        "| db1 | i-1 | aws\\_default, us-west-2 | running |"
    )


def test_a_migration_is_asked_about_as_one_and_says_that_writes_stay_stopped():
    assert subject("shop", MIGRATION) == "The migration of shop is up: commit or roll back?"
    found = said(purpose=MIGRATION)
    assert found.startswith("**The migration of shop is up, and nothing of it is final yet.**")
    assert (
        "The steps that stopped the writes are not undone: after a roll back, let the application write to the sources "
        "again."
    ) in found


def test_the_question_says_what_speaks_against_a_roll_back():
    found = said(record(against=("db1 (s-1): it goes back",)), able=[], replaced_live=True, parts=["crm"])

    assert "**A roll back is refused as things are:**\n\n- db1 \\(s-1\\): it goes back\n" in found
    assert (
        "Nobody of them can roll back: whoever started the run does not count, nor does any answer where it was "
        "started from Airflow's command line."
    ) in found
    assert "Live recovered instances were replaced by this run: a roll back does not bring them back." in found
    assert "The recoveries of crm ask for themselves." in found
    assert "**What is up could not be looked at: no answer**" in said(record(problem="no answer"))


def test_the_question_says_what_stays_and_what_may_still_come():
    found = said(record(kept={"i-2": "it is committed"}, running=("drsjob-1",)))

    assert found.endswith(
        "| running |\n\n**Stays, whatever is answered:**\n\n- i-2: it is committed\n\nStill launching: drsjob-1."
    )


def test_silence_is_said_in_words():
    found = [otherwise(Commit(approvers=("ann",), on_timeout=policy)) for policy in ("ask", "commit", "roll_back")]

    assert found == [
        "it is asked again, and nothing changes",
        "the recovery is committed",
        "the recovery is rolled back, unless something speaks against it",
    ]
    assert waiting(record(reminders=1)) == (
        "not committed: waits for ann, bob until 2026-03-02 12:00:00 UTC, asked 2 times; then it is asked again, and "
        "nothing changes"
    )


def test_a_decision_is_said_with_who_and_when():
    assert decided(CommitDecision(kind="commit", by="ann", at=AT, comment="fine")) == (
        "committed by ann at 2026-03-01 12:00:00 UTC: fine"
    )
    assert decided(CommitDecision(kind="roll_back", by=None, at=AT, expired=True)) == (
        "rolled back by recovery.commit.on_timeout, for nobody answered at 2026-03-01 12:00:00 UTC"
    )


def a_state(status, words="committed by ann", replication=None):
    return CommitState(status, words, record(), (RolledBack(replication=replication or {}),))


def test_what_comes_next_by_how_it_stands():
    def told(commit, has_failback=True):
        return [(step.name, step.status, step.words) for step in next_steps("shop", commit, has_failback=has_failback)]

    reprotect = "start drs.shop.failback with mode reprotect"
    failback = "once reprotect says that all is ready, start drs.shop.failback with mode failback"
    by_hand = (
        "the plan has no section failback: reverse the replication in the console of DRS, or write one and start "
        "drs.shop.failback with mode reprotect"
    )
    assert told(None) == [
        ("commit", "not_planned", "the plan has no recovery.commit: what runs is production"),
        ("reprotect", "next", reprotect),
        ("failback", "later", failback),
    ]
    assert told(a_state(CommitStatus.WAITING, "waits"), has_failback=False) == [
        ("commit", "waiting", "waits"),
        ("reprotect", "later", by_hand),
    ]
    assert told(a_state(CommitStatus.COMMITTED)) == [
        ("commit", "done", "committed by ann"),
        ("reprotect", "next", reprotect),
        ("failback", "later", failback),
    ]
    back = [
        ({"s-1": "CONTINUOUS"}, ". The sources are replicated as before"),
        (
            {"s-1": "CONTINUOUS", "s-2": "DISCONNECTED"},
            ". Not replicated, as before the roll back: s-2 (DISCONNECTED)",
        ),
        ({}, ""),
    ]
    for replication, sources in back:
        assert told(a_state(CommitStatus.ROLLED_BACK, "rolled back by bob", replication)) == [
            ("commit", "done", f"rolled back by bob{sources}")
        ]
    assert told(a_state(CommitStatus.INCOMPLETE, "half")) == [("commit", "waiting", "half")]
    assert told(a_state(CommitStatus.UNDECIDED, "nobody has decided"))[0] == (
        "commit",
        "waiting",
        "nobody has decided; clear finish.commit to ask again",
    )
