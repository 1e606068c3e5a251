"""What speaks against continuing a run that the cloud knows: only a run of the same plan that is not going on here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from drs_provider.formatting import some
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.tags import MODE, PLAN, WAVE, read_mark, run_key, tag_value
from drs_provider.rules.launch.takeover import purpose_of_job
from drs_provider.rules.purpose import Purpose


@dataclass(frozen=True)
class Continuation:
    """A run that another one asks to go on with.

    :param key: the key that was asked for
    :param jobs: the launch jobs in the plan's accounts and Regions that bear it
    :param plan: name of the plan
    :param own_key: key of the run that asks
    :param dag_id: its DAG
    :param waves: wave by id of every server of the plan, as its groups resolve now
    :param installation: id of the Airflow that asks
    :param going_on: run id of a run of this Airflow that is not over and has this key, or continues the same run
    """

    key: str
    jobs: Sequence[Answer]
    plan: str
    own_key: str
    dag_id: str
    waves: Mapping[str, str]
    installation: str = ""
    going_on: str | None = None

    @property
    def run_ids(self) -> tuple[str, ...]:
        """What this Airflow may call the runs that started these jobs, as their tags say; another's are not its own."""
        return run_ids_of(self.jobs, own=self.installation)


def installation_of(jobs: Iterable[Answer]) -> str:
    """Return the id of the Airflow that began the run of these jobs; empty: it had none.

    Those of a run that went on with it bear its key as well, and their own Airflow's id: the key says whose it is.
    """
    marks = [mark for job in jobs if (mark := read_mark(job.get("tags")))]
    found = [mark for mark in marks if mark.run == run_key(mark.plan, mark.run_id, mark.installation)]
    return next((mark.installation for mark in found or marks), "")


def continuation_problems(asked: Continuation, purpose: Purpose) -> Iterator[str]:
    """Yield why the run must not be continued, in words; nothing: it may be.

    Jobs and their tags decide, not what a database says: the run that is continued is most likely of another Airflow.
    """
    key, plan, dag_id = asked.key, asked.plan, asked.dag_id
    if key == asked.own_key:
        yield f"continue_run: {key} is the key of this run itself: leave continue_run empty to start a new run"
        return
    if asked.going_on:
        yield (
            f"continue_run: run {key} is going on in this Airflow as {asked.going_on}: wait for its end or cancel it "
            f"(drs run cancel {plan} {asked.going_on}); two runs must not hold the same servers"
        )
    if not asked.jobs:
        yield f"continue_run: no job of a run with the key {key} is in the cloud; see drs takeover {plan}"
    if foreign := _foreign_plans(asked.jobs, dag_id):
        yield (
            f"continue_run: run {key} is not of {dag_id} but of {', '.join(foreign)}: a run continues only a run of "
            f"its own plan; drs takeover {plan} shows the keys"
        )
        return
    for mode in _other_modes(asked.jobs, purpose):
        yield f"continue_run: run {key} is a {mode} and cannot continue as a {purpose}"
    if moved := [*_moved(asked.jobs, asked.waves)]:
        yield (
            f"continue_run: run {key} launched servers in other waves than the plan has them in now, and would launch "
            f"them again: {some(moved)}. Restore the plan that the run was started with"
        )


def run_ids_of(jobs: Iterable[Answer], *, own: str) -> tuple[str, ...]:
    """Return the run ids in the tags of jobs, but for those that say that they are of another Airflow.

    :param own: id of the Airflow that asks
    """
    marks = (read_mark(_tags(job)) for job in jobs)
    return tuple(
        dict.fromkeys(mark.run_id for mark in marks if mark and mark.run_id and not mark.is_of_other_airflow(own))
    )


def jobs_of_plan(jobs: Iterable[Answer], dag_id: str, purpose: Purpose) -> set[str]:
    """Return the ids of those jobs that a run of the plan for this has started, by DRS's own word and by their tags."""
    return {
        str(job["jobID"])
        for job in jobs
        if purpose_of_job(job).is_temporary is purpose.is_temporary
        and _tags(job).get(MODE) in (None, "", purpose.name)
        and _tags(job).get(PLAN) == tag_value(dag_id)
    }


def _foreign_plans(jobs: Iterable[Answer], dag_id: str) -> list[str]:
    named = {_tags(job).get(PLAN) or "a plan that its jobs do not name" for job in jobs}
    return sorted(named - {tag_value(dag_id)})


def _other_modes(jobs: Iterable[Answer], purpose: Purpose) -> list[str]:
    modes = {word for job in jobs for word in (purpose_of_job(job).name, _tags(job).get(MODE) or purpose.name)}
    return sorted(modes - {purpose.name})


def _moved(jobs: Iterable[Answer], waves: Mapping[str, str]) -> Iterator[str]:
    """Yield each server that a job launched in another wave than its own. One that has left the plan is no matter."""
    seen: set[str] = set()
    for job in jobs:
        then = _tags(job).get(WAVE, "")
        for item in job.get("participatingServers", ()):
            server = str(item["sourceServerID"])
            now = waves.get(server)
            if now is not None and server not in seen and then != tag_value(now):
                seen.add(server)
                yield f"{server} ({then or 'no wave'}, now {now})"


def _tags(job: Answer) -> Mapping[str, str]:
    tags: Mapping[str, str] = job.get("tags") or {}
    return tags
