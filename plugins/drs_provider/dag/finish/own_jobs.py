"""The launch jobs that a run may end what they launched of: its own, and those of the run that it continues."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.dag.run_reader import active_run_of, installation_of_run
from drs_provider.dag.waves.job_tags import continued_run, jobs_of_run, keys_of_run
from drs_provider.rules.purpose import Purpose
from drs_provider.services.signed import pull_believed

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.answers import Answer
    from drs_provider.rules.run.shape import PlanTarget

_log = logging.getLogger(__name__)


def own_jobs(
    context: Context,
    hook: "DrsHook",
    place: "PlanTarget",
    task_ids: Sequence[str],
    *,
    purpose: Purpose,
) -> list[str]:
    """Return the ids of the launch jobs of a run in one account and Region.

    They are found by the run's tags as well as by what its tasks left, so that a job whose start task died before it
    could leave anything is among them.

    :param task_ids: the tasks that launch
    :param purpose: what the run is for: of a run that it continues, only jobs for the same count
    """
    tagged = _tagged_jobs(context, hook, purpose)
    return sorted(tagged | _own(context, hook, _known_jobs(context, hook, place, task_ids) - tagged))


def _known_jobs(context: Context, hook: "DrsHook", place: "PlanTarget", task_ids: Sequence[str]) -> set[str]:
    from drs_provider.rules.run.handover import Launch

    launches = pull_believed(context["ti"], task_ids, Launch)
    here = (place.target.aws_conn_id, hook.region)
    return {job for launch in launches if (launch.aws_conn_id, launch.region) == here for job in launch.job_ids}


def _own(context: Context, hook: "DrsHook", job_ids: set[str]) -> set[str]:
    """Leave out what is remembered as started by this run, while the tags of the job name another one."""
    from drs_provider.rules.launch.tags import read_mark

    runs = keys_of_run(context)
    known = hook.jobs(sorted(job_ids)) if job_ids else ()
    marks = {str(job["jobID"]): read_mark(job.get("tags")) for job in known}
    foreign = {job for job, mark in marks.items() if mark and not mark.is_of(runs)}
    for job in sorted(foreign):
        _log.warning("Job %s is of %s, not of this run: what it has launched stays", job, marks[job])
    return job_ids - foreign


def _tagged_jobs(context: Context, hook: "DrsHook", purpose: Purpose) -> set[str]:
    from drs_provider.rules.launch.takeover import jobs_of

    jobs, key = jobs_of_run(hook, context), continued_run(context)
    continued = {str(job["jobID"]): job for job in jobs_of(jobs, key)} if key else {}
    own = {str(job["jobID"]) for job in jobs} - set(continued)
    return own | (_continued_jobs(context, key, list(continued.values()), purpose) if key else set())


def _continued_jobs(context: Context, key: str, jobs: "list[Answer]", purpose: Purpose) -> set[str]:
    """Give those jobs under the key of the run that this one continues whose instances this run may end.

    Preflight has agreed to go on with that run, and what it looked at is asked again: what another plan, a run for
    something else, or a run that goes on in this Airflow has launched stays.
    """
    from drs_provider.rules.launch.continuation import jobs_of_plan, run_ids_of
    from drs_provider.rules.launch.tags import tag_value

    run, own = context["dag_run"], installation_of_run(context)
    ours = jobs_of_plan(jobs, run.dag_id, purpose)
    if foreign := sorted({str(job["jobID"]) for job in jobs} - ours):
        _log.warning("%s: no %s of this plan, so what it has launched stays", ", ".join(foreign), purpose)
    if going_on := active_run_of(context, key, run_ids_of(jobs, own=own)):
        _log.warning("Run %s goes on here as %s: what it has launched stays", key, going_on)
        ours &= {str(job["jobID"]) for job in jobs if tag_value(run.run_id) in run_ids_of([job], own=own)}
    return ours
