"""Tags on what a wave has launched: which run it belongs to, and in a drill until when it may live."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider import clock
from drs_provider.dag.run_reader import installation_of_run, purpose_of_run, skip_where_nothing_is_launched
from drs_provider.dag.target_region import target_in_run
from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.rules.run.roster import Target
from drs_provider.services.signed import leave, pull

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.answers import Answer


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
        from drs_provider.rules.launch.tags import WAVE, life_tags, tag_value
        from drs_provider.rules.run.handover import PreflightResult, Untagged
        from drs_provider.services.launch.tags_of_jobs import tag_launched

        skip_where_nothing_is_launched(context)
        found = pull(context["ti"], PREFLIGHT_TASK, PreflightResult)
        if found is None or not found.passed or not found.wave(self.wave).selected:
            raise AirflowSkipException("nothing was launched")
        life = life_tags(purpose_of_run(context), now=clock.now(), lifetime=self.lifetime)
        tags = {**own_tags(context), **life}
        refused: dict[str, str] = {}
        number = 0
        for target in self.targets:
            if not found.servers_of(self.wave, target):
                continue  # it is not chosen, or lost: nobody answers there
            try:
                hook = traces_hook(target_in_run(context, target))
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
            leave(context["ti"], Untagged(resources=refused))
        return number


def traces_hook(target: Target) -> "TracesHook":
    """Return the hook of an account and Region."""
    from drs_provider.hooks.drill_resources import TracesHook

    return TracesHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)


def own_tags(context: Context) -> dict[str, str]:
    """Return the tags that name the run that a task belongs to; a run that continues another has that one's key."""
    from drs_provider.rules.launch.tags import name_tags, taken_over

    run, continued = context["dag_run"], continued_run(context)
    own = name_tags(dag_id=run.dag_id, run_id=run.run_id, installation=installation_of_run(context))
    return taken_over(own, continued)


def continued_run(context: Context) -> str | None:
    """Return the key of the run that this one continues; None: it continues none, or preflight refused to.

    What the other run has made is this one's to use and to remove only once preflight has seen that it may go on.
    """
    from drs_provider.rules.run.handover import PreflightResult

    continued = dict(context.get("params") or {}).get("continue_run")
    if not continued:
        return None
    found = pull(context["ti"], PREFLIGHT_TASK, PreflightResult)
    return str(continued) if found and found.passed and found.continue_run == continued else None


def keys_of_run(context: Context) -> tuple[str, ...]:
    """Return the keys that tags of this run's things carry: its own, and that of the run that it continues."""
    continued = continued_run(context)
    return (own_key(context), *([continued] if continued else []))


def own_key(context: Context) -> str:
    """Return the key of the run that a task belongs to."""
    from drs_provider.rules.launch.tags import run_key

    run = context["dag_run"]
    return run_key(run.dag_id, run.run_id, installation_of_run(context))


def jobs_of_run(hook: "DrsHook", context: Context) -> "list[Answer]":
    """Return the jobs of an account and Region that carry this run's tags, or those of the run that it continues.

    Those of an earlier start are among them.
    """
    from drs_provider.rules.launch.takeover import LOOK_BACK
    from drs_provider.services.launch.tags_of_jobs import JOBS_BEFORE_RUN, jobs_of_runs

    run, ours = context["dag_run"], keys_of_run(context)
    look_back = LOOK_BACK if continued_run(context) else JOBS_BEFORE_RUN
    # Not start_date alone: Airflow moves it when an ended run is cleared, past the jobs of its first start.
    began = min(run.run_after, run.start_date or run.run_after)
    return jobs_of_runs(hook, ours, since=began - look_back)


def settings_marks(
    tags: Mapping[str, str], *, own_run: str, installation: str, continues: str | None = None
) -> dict[str, str]:
    """Return the tags that say whose temporary launch settings a server has, from those of the drill's jobs.

    :param own_run: key of the drill
    :param installation: id of the Airflow that it is of
    :param continues: key of the run that it goes on with; None: with none
    """
    from drs_provider.rules.launch.tags import EXPIRES
    from drs_provider.rules.settings.drill_memory import marks_of

    return marks_of(own_run, tags[EXPIRES], installation, continues) if EXPIRES in tags else {}
