"""Tags on what a wave has launched: which run it belongs to, and in a drill until when it may live."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.launch.tags import EXPIRES, PLAN, RUN, RUN_ID, WAVE, job_tags, run_key, tag_value
from drs_provider.rules.run.keys import PREFLIGHT, UNTAGGED
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook


_CLOCKS_DIFFER: Final = timedelta(minutes=10)


class TagInstances(BaseOperator):
    """Tag the recovery instances of one wave, in DRS and in EC2 with their volumes and interfaces.

    Nothing waits for it but the clean-up, and it never fails a run: the jobs carry the same tags, so the sweeper finds
    the instances without theirs. What could not be tagged becomes a warning in the report.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#e8f0f8"
    ui_fgcolor = "#1b2a3a"

    def __init__(
        self,
        *,
        plan: str,
        wave: str,
        targets: Sequence[Target],
        lifetime: timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan, self.wave, self.targets, self.lifetime = plan, wave, tuple(targets), lifetime

    def execute(self, context: Context) -> int:
        """Return how many instances carry the tags now."""
        from drs_provider.rules.launch.tags import life_tags

        found: dict[str, Any] | None = context["ti"].xcom_pull(task_ids=PREFLIGHT_TASK, key=PREFLIGHT)
        if not found or not found["passed"] or not found["waves"][self.wave]["selected"]:
            raise AirflowSkipException("nothing was launched")
        tags = {**own_tags(context), **life_tags(found["mode"], now=datetime.now(UTC), lifetime=self.lifetime)}
        refused: dict[str, str] = {}
        number = 0
        for target in self.targets:
            try:
                hook = traces_hook({"aws_conn_id": target.aws_conn_id, "region": target.region})
                # By tags: a wave's later jobs (boot order, failed ones again) are started by the task that watches it.
                jobs = [
                    job["jobID"] for job in jobs_of_run(hook, context) if job["tags"].get(WAVE) == tag_value(self.wave)
                ]
                done, why = tag_launched(hook, jobs, tags) if jobs else (0, {})
            except DrsProviderError as error:
                done, why = 0, {str(target): str(error)}
            refused |= why
            number += done
        for name, words in refused.items():
            self.log.warning("%s is not tagged: %s", name, words)
        if refused:
            context["ti"].xcom_push(key=UNTAGGED, value=refused)
        return number


def traces_hook(where: Mapping[str, Any]) -> "TracesHook":
    """Return the hook of a launch's account and Region."""
    from drs_provider.hooks.drill_resources import TracesHook

    return TracesHook(aws_conn_id=where["aws_conn_id"], region_name=where["region"] or None)


def tag_launched(hook: "TracesHook", job_ids: Sequence[str], tags: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Tag the instances that these jobs launched; return how many, and what was refused, by instance."""
    jobs = hook.jobs(job_ids)
    servers = sorted({s["sourceServerID"] for job in jobs for s in job.get("participatingServers", ())})
    found = [one for one in hook.recovery_instances(source_server_ids=servers) if one.get("jobID") in job_ids]
    refused = hook.mark(found, tags)
    return len(found) - len(refused), {name: str(error) for name, error in refused.items()}


def own_tags(context: Context) -> dict[str, str]:
    """Return the tags that name the run that a task belongs to."""
    run = context["dag_run"]
    everything = job_tags(dag_id=run.dag_id, run_id=run.run_id, wave="", chunk=0, attempt=0)
    return {key: everything[key] for key in (RUN, PLAN, RUN_ID)}


def jobs_of_run(
    hook: "TracesHook | Any", context: Context, *, also: Sequence[str] = (), look_back: timedelta = _CLOCKS_DIFFER
) -> list[Mapping[str, Any]]:
    """Return the jobs of an account and Region that carry this run's tags, those of an earlier start among them.

    :param also: keys of runs that this one continues
    :param look_back: how long before this run they may have begun
    """
    run = context["dag_run"]
    ours = {run_key(run.dag_id, run.run_id), *also}
    # Not start_date alone: Airflow moves it when an ended run is cleared, past the jobs of its first start.
    began = min(run.run_after, run.start_date or run.run_after)
    return [job for job in hook.jobs_since(began - look_back) if job.get("tags", {}).get(RUN) in ours]


def settings_marks(tags: Mapping[str, str], *, run: Any) -> dict[str, str]:
    """Return the tags that say whose temporary launch settings a server has, from those of the drill's jobs."""
    from drs_provider.rules.settings.drill_memory import EXPIRES as SETTINGS_EXPIRES
    from drs_provider.rules.settings.drill_memory import RUN as SETTINGS_RUN

    if EXPIRES not in tags:
        return {}
    return {SETTINGS_RUN: run_key(run.dag_id, run.run_id), SETTINGS_EXPIRES: tags[EXPIRES]}
