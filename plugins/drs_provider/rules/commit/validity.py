"""Which decision about a recovery stands, and when nobody's answer, or a roll back as things are now, is none."""

from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import instant_words, some
from drs_provider.plan.model import Commit
from drs_provider.rules.commit.roll_back import COMMITTED, RollBackSurvey, committed_before
from drs_provider.rules.run.approvals import COMMIT, ROLL_BACK
from drs_provider.rules.run.handover import CommitDecision, CommitRecord

DEFAULTS: Final = {"commit": COMMIT, "roll_back": ROLL_BACK}
"""What nobody's answer chooses, by ``on_timeout``; ``ask`` chooses nothing."""

MOST_LATE: Final = timedelta(hours=1)
"""How long after its time the policy may still decide: where Airflow was down meanwhile, people are asked again."""

_REFUSED: Final = "the roll back is refused, nothing was terminated"


def standing(
    known: CommitRecord | None, found: RollBackSurvey, *, continues: bool, has_ended: bool, now: datetime
) -> CommitDecision | None:
    """Give the decision that stands: the task's own, or the one that the instances' tags tell of; None: ask.

    A roll back is about what was launched when it was decided; where the run has launched more since, or the roll back
    has ended and something is still up, people are asked about that.

    :param continues: whether the run continues another one; elsewhere a tag keeps its instance, and decides nothing
    :param has_ended: whether all that roll back have ended
    """
    decision = known.decision if known else None
    if decision is None:
        return committed_before(found, now=now) if continues else None
    if decision.kind == "roll_back" and found.up:
        is_more = any(launched.job_id not in decision.job_ids for launched in found.up)
        return None if is_more or has_ended else decision
    return decision


def is_nothing_to_decide(found: RollBackSurvey) -> bool:
    """Tell whether nothing that a run launched is up, is kept, or may still come up."""
    return not (found.up or found.kept or found.running)


def why_silent(
    option: str, policy: Commit, record: CommitRecord, found: RollBackSurvey, *, problem: str, now: datetime
) -> str | None:
    """Say why nobody's answer decides nothing; None: the plan's policy decides.

    :param option: what Airflow gives as chosen
    :param record: as people were asked
    :param found: what is up now
    :param problem: why that is not known; empty: it is
    """
    if option != DEFAULTS.get(policy.on_timeout):
        return f"nobody answered, and {option!r} is not what recovery.commit.on_timeout ({policy.on_timeout}) says"
    if now < record.until:
        return f"nobody answered yet, and there is time until {instant_words(record.until)}"
    if now - record.until > MOST_LATE:
        return f"nobody answered until {instant_words(record.until)}, and that is long ago: people are asked again"
    if why := record.problem or problem:
        return f"nobody answered, and what is up is not known: {why}"
    asked = {instance.instance_id for instance in record.instances}
    if more := [f"{each.hostname} ({each.instance_id})" for each in found.up if each.instance_id not in asked]:
        return f"nobody answered, and nobody was asked about {some(more)}"
    return None


def why_no_roll_back(found: RollBackSurvey) -> str:
    """Say why there is nothing that can be rolled back as a whole; empty: there is."""
    if found.committed:
        named = [f"{name} ({said})" for name, said in found.committed.items()]
        return (
            f"{_REFUSED}: committed are {some(named)}. Commit the others too, or take the tag {COMMITTED} off, then "
            "answer again"
        )
    if found.up:
        return ""
    if found.running:
        return f"{_REFUSED}: nothing is up yet, and {some(found.running)} still launches. Answer again once that ended"
    return f"{_REFUSED}: nothing of the run is up that may be rolled back"
