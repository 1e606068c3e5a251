"""Applying launch settings before a launch, and putting back what a drill has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.exceptions import AwsError, Conflict, DrsProviderError, RunRefused
from drs_provider.formatting import duration, parse_instant
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, failing_for_good
from drs_provider.operators.template_values import rendered_bool, rendered_ids, rendered_mapping

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.services.launch_actions import ActionChanges
    from drs_provider.services.settings_survey import ServerSettings, SettingsSurvey
    from drs_provider.triggers.jobs import DrsJobEvent

LOOK_AGAIN_AFTER = timedelta(seconds=15)
"""Pause where DRS says that a server is held but shows no job that holds it."""

LONGEST_JOB = timedelta(days=1)
"""How far back running jobs are looked for: DescribeJobs filters by date, not by status."""

_DRIFT = "drs_settings_drift"


class DrsSettingsOperator(DrsOperator):
    """Base of the two operators: settings of a server are never changed while a job holds it; that is waited for."""

    def __init__(self, *, max_wait: timedelta = timedelta(hours=2), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_wait = max_wait

    @cached_property
    def hook(self) -> "LaunchSettingsHook":
        """The hook of this task's account and Region, made when first asked for."""
        from drs_provider.hooks.launch_settings import LaunchSettingsHook

        return LaunchSettingsHook(**self.aws)

    def execute(self, context: Context) -> Any:
        """Look, then change, or wait for jobs that hold servers."""
        with failing_for_good():
            self.prepare(context)
            return self.go_on(context, waiting_since=None)

    def resume_settings(self, context: Context, event: "DrsJobEvent | Any", *, waiting_since: str | None = None) -> Any:
        """Look again from the start after a wait: what was true before it may be no more."""
        with failing_for_good():
            self.prepare(context)
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeJobs", "Refused", str(event["detail"]))
            return self.go_on(context, waiting_since=parse_instant(waiting_since) if waiting_since else None)

    def go_on(self, context: Context, *, waiting_since: datetime | None) -> Any:
        """Do what the operator is for; called again after every wait."""
        raise NotImplementedError

    def wait_for_jobs(self, servers: Sequence[str], waiting_since: datetime | None) -> None:
        """Return if no running job holds any of these servers; else defer until those jobs have ended."""
        from drs_provider.rules.launch.jobs import holders

        if not servers:
            return
        jobs = [job["jobID"] for job in holders(self.hook.jobs_since(self._now() - LONGEST_JOB), servers)]
        if jobs:
            self._wait(f"servers are held by running jobs: {', '.join(jobs)}", jobs, waiting_since)

    def settle(self, errors: Mapping[str, DrsProviderError], waiting_since: datetime | None) -> None:
        """Raise what went wrong, one error for all servers; a Conflict is waited for if nothing else is wrong."""
        if not errors:
            return
        others = {server: error for server, error in errors.items() if not isinstance(error, Conflict)}
        if not others:
            self.wait_for_jobs(tuple(errors), waiting_since)
            self._wait(str(next(iter(errors.values()))), (), waiting_since)
        for server, error in others.items():
            self.log.error("%s: %s", server, error)
        final = [error for error in others.values() if not error.retryable]
        if len(others) == 1 or not final:
            raise (final or list(others.values()))[0]
        lines = "\n".join(f"  - {server}: {error}" for server, error in others.items())
        raise RunRefused(
            f"the launch settings of {len(others)} servers could not be changed; clear this task to go on:\n{lines}"
        )

    def _wait(self, why: str, jobs: Sequence[str], waiting_since: datetime | None) -> NoReturn:
        now = self._now()
        since = waiting_since or now
        if now >= since + self.max_wait:
            raise RunRefused(
                f"waited {duration(now - since)}: {why}. Settings are not changed under a running job; clear "
                "this task when it has ended"
            )
        self.log.info("Waiting, this is no failure: %s", why)
        kwargs = {"waiting_since": since.isoformat()}
        if jobs:
            from drs_provider.triggers.jobs import DrsJobTrigger

            trigger = DrsJobTrigger(
                watches=[{"aws": self.aws, "job_ids": list(jobs)}],
                since=now.isoformat(),
                deadline=(since + self.max_wait).isoformat(),
            )
            self.defer(trigger=trigger, method_name=self.resume_settings.__name__, kwargs=kwargs)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = now + LOOK_AGAIN_AFTER
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_settings.__name__, kwargs=kwargs)

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)


class DrsApplyLaunchSettingsOperator(DrsSettingsOperator):
    """Bring the launch settings of source servers to what is wanted: look, check everything, change what differs.

    DRS's own settings go through UpdateLaunchConfiguration, the others into a new version of the server's EC2 launch
    template, built on the present default version, which then becomes the default. What is not set is left alone.

    - Every reason against the settings is told at once, before the first change. Warnings do not stop it.
    - Nothing is changed while a job holds a server that differs: the task defers until the job has ended.
    - It looks at what is there, so it may run any number of times and be killed anywhere: a second run changes nothing.
    - ``is_temporary`` (a drill): what was before is written to a tag of the source server first, for
      :class:`DrsRestoreLaunchSettingsOperator`. Without it, what a drill has left behind is put back first.

    Returns ``{server_id: [{"field", "was", "now"}]}`` for every server given, an empty list where nothing differed.
    The XCom ``findings`` holds the warnings as ``[{"severity", "server_id", "hostname", "what", "next_step"}]``.

    :param settings: wanted settings by source server id, in the plan's words; see ``recovery.settings.effective``.
        ``protect`` and ``fallback`` are passed over: they are no state of a server. ``actions`` are DRS launch actions,
        as ``[{"code", "name", "optional", "parameters"}]`` (templated)
    :param is_temporary: whether the settings are a drill's, to be put back; must be a bool (templated)
    :param lifetime: how long a drill's settings may stay before the sweeper takes them for left-overs
    :param max_wait: how long to wait for jobs that hold servers
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "settings", "is_temporary")
    template_fields_renderers = {"settings": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#cfe2f3"
    ui_fgcolor = "#1b2a3a"

    def __init__(
        self,
        *,
        settings: Mapping[str, Mapping[str, Any]] | str,
        is_temporary: bool | str = False,
        lifetime: timedelta = timedelta(days=2),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lifetime = lifetime
        self.settings = settings
        self.is_temporary = is_temporary

    def go_on(self, context: Context, *, waiting_since: datetime | None) -> dict[str, list[dict[str, Any]]]:
        """Check, then apply what differs; return what differed, also before a retry or a wait."""
        from drs_provider.services.launch_actions import apply_actions, in_all_actions
        from drs_provider.services.settings_apply import Applying, ensure_sound, in_all, refusal_text
        from drs_provider.services.settings_survey import survey

        settings = {
            server: rendered_mapping(f"settings of {server}", values)
            for server, values in rendered_mapping("settings", self.settings).items()
        }
        is_temporary = rendered_bool("is_temporary", self.is_temporary)
        ensure_sound(settings)
        found = survey(self.hook, settings, keep_drill=is_temporary)
        for finding in found.findings:
            self.log.warning("%s: %s", finding.severity, finding)
        context["ti"].xcom_push(key="findings", value=[asdict(one) for one in found.findings])
        if found.refusals:
            raise RunRefused(refusal_text(found.refusals))
        different = [one for one in found.servers if one.changes or (one.before and not is_temporary)]
        held = {one.server_id for one in different} | {one.server_id for one in found.actions}
        self.wait_for_jobs([server for server in settings if server in held], waiting_since)
        drift = self._remember(context, different, found.actions)
        marks = self._marks(context) if is_temporary else {}
        if is_temporary:
            # Also where a dead drill's settings are just right: they are this drill's now, and its expiry holds.
            self._claim(found.servers, marks)
        self.settle(in_all(Applying(self.hook, is_temporary, marks).apply, different), waiting_since)
        self.settle(in_all_actions(partial(apply_actions, self.hook, marks=marks), found.actions), waiting_since)
        self.log.info("%d of %d servers differed; all are as wanted now", len(held), len(settings))
        self.leave(context, found)
        return {server: drift.get(server, []) for server in settings}

    def leave(self, context: Context, found: "SettingsSurvey") -> None:
        """Leave more for later tasks, once all is as wanted; ``found`` is what there was before."""

    def _marks(self, context: Context) -> dict[str, str]:
        """Return the tags that say whose temporary settings these are, and until when."""
        from drs_provider.rules.launch.tags import run_key, written
        from drs_provider.rules.settings.drill_memory import EXPIRES, RUN

        ti = context["ti"]
        return {RUN: run_key(ti.dag_id, ti.run_id), EXPIRES: written(self._now() + self.lifetime)}

    def _claim(self, standings: "Sequence[ServerSettings]", marks: Mapping[str, str]) -> None:
        from drs_provider.rules.settings.drill_memory import TAG
        from drs_provider.rules.settings.launch_actions import TAG as ACTIONS

        for one in standings:
            tags = (one.candidate.source or {}).get("tags") or {}
            if known := [name for name in (TAG, ACTIONS) if name in tags]:
                self.hook.tag(one.arn, known[0], tags[known[0]], **marks)

    def _remember(
        self, context: Context, different: "Sequence[ServerSettings]", actions: "Sequence[ActionChanges]"
    ) -> dict[str, list[dict[str, Any]]]:
        """Keep what differed before it is changed, for a next try sees it no more; a cleared task begins anew."""
        store: Any = context["task_state_store"]
        attempt = context["ti"].max_tries
        kept = store.get(_DRIFT) or {}
        drift: dict[str, list[dict[str, Any]]] = dict(kept["servers"]) if kept.get("max_tries") == attempt else {}
        changes = [(one.server_id, _differences(one)) for one in different]
        changes += [(one.server_id, one.drift()) for one in actions]
        for server, entries in changes:
            known = {entry["field"]: entry for entry in drift.get(server, ())}
            for entry in entries:
                was = known.get(entry["field"], entry)["was"]
                known[entry["field"]] = {**entry, "was": was}
            drift[server] = list(known.values())
        if changes:
            store.set(_DRIFT, {"max_tries": attempt, "servers": drift}, retention=NEVER_EXPIRE)
        return drift


class DrsRestoreLaunchSettingsOperator(DrsSettingsOperator):
    """Put back what drills have changed in the launch settings of these source servers.

    What was before is read from a tag of the source server, so it works after a crash, in another run, and from another
    Airflow. A setting that somebody has changed since the drill is left as it is. Servers without the tag are passed
    over. Jobs that hold a server are waited for. Made to be a teardown of :class:`DrsApplyLaunchSettingsOperator`.

    Returns ``{server_id: [{"field", "was", "now"}]}`` for the servers that had the tag.

    :param source_server_ids: servers whose settings are put back (templated)
    :param max_wait: how long to wait for jobs that hold servers
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "source_server_ids")
    template_fields_renderers = {"source_server_ids": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#cfe2f3"
    ui_fgcolor = "#1b2a3a"

    def __init__(self, *, source_server_ids: Sequence[str] | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source_server_ids = source_server_ids

    def go_on(self, context: Context, *, waiting_since: datetime | None) -> dict[str, list[dict[str, Any]]]:
        """Put back what can be put back now; wait for the rest."""
        from drs_provider.services.launch_actions import apply_actions, in_all_actions
        from drs_provider.services.settings_apply import in_all, put_back
        from drs_provider.services.settings_survey import survey

        servers = rendered_ids("source_server_ids", self.source_server_ids)
        found = survey(self.hook, {server: {} for server in servers})
        changed = [one for one in found.servers if one.before]
        held = {one.server_id for one in changed} | {one.server_id for one in found.actions}
        self.wait_for_jobs([server for server in servers if server in held], waiting_since)
        self.settle(in_all(lambda one: put_back(self.hook, one), changed), waiting_since)
        self.settle(in_all_actions(partial(apply_actions, self.hook), found.actions), waiting_since)
        restored = {one.server_id: [change.as_json() for change in one.restored] for one in changed}
        for standing in found.actions:
            restored[standing.server_id] = [*restored.get(standing.server_id, ()), *standing.drift()]
        return restored


def _differences(standing: "ServerSettings") -> list[dict[str, Any]]:
    """Word a server's changes from what it has now, a drill's left-overs included, to what it will have."""
    entries = {change.field: change.as_json() for change in standing.restored}
    for change in standing.changes:
        was = entries.get(change.field, change.as_json())["was"]
        entries[change.field] = {**change.as_json(), "was": was}
    return [entry for entry in entries.values() if entry["was"] != entry["now"]]
