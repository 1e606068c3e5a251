"""Applying launch settings before a launch, and putting back what a drill has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.formatting import duration, parse_instant
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, failing_for_good
from drs_provider.operators.installation import installation_of
from drs_provider.operators.task_memory import task_memory
from drs_provider.operators.template_values import rendered_bool, rendered_ids, rendered_mapping
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.run.handover import SettingsChanges
    from drs_provider.services.settings.apply import ServersHeld
    from drs_provider.services.settings.survey import SettingsSurvey

LOOK_AGAIN_AFTER = timedelta(seconds=15)
"""Pause where DRS says that a server is held but shows no job that holds it."""


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

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Look, then change, or wait for jobs that hold servers."""
        with failing_for_good():
            self.prepare(context)
            return self._leg(context, waiting_since=None)

    def resume_settings(
        self, context: Context, event: object, *, waiting_since: str | None = None
    ) -> dict[str, JsonValue]:
        """Look again from the start after a wait: what was true before it may be no more."""
        with failing_for_good():
            self.prepare(context)
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeJobs", "Refused", str(event["detail"]))
            return self._leg(context, waiting_since=parse_instant(waiting_since) if waiting_since else None)

    def change(self, context: Context) -> "SettingsChanges | ServersHeld":
        """Do what the operator is for; called again after every wait."""
        raise NotImplementedError

    def _leg(self, context: Context, *, waiting_since: datetime | None) -> dict[str, JsonValue]:
        from drs_provider.services.settings.apply import ServersHeld

        outcome = self.change(context)
        if isinstance(outcome, ServersHeld):
            self._wait(outcome, waiting_since)
        return sealed(context["ti"], outcome)

    def _wait(self, held: "ServersHeld", waiting_since: datetime | None) -> NoReturn:
        now = self._now()
        since = waiting_since or now
        if now >= since + self.max_wait:
            raise RunRefused(
                f"waited {duration(now - since)}: {held.reason}. Settings are not changed under a running job; clear "
                "this task when it has ended"
            )
        self.log.info("Waiting, will retry: %s", held.reason)
        kwargs = {"waiting_since": since.isoformat()}
        if held.job_ids:
            from drs_provider.triggers.jobs import DrsJobTrigger

            trigger = DrsJobTrigger(
                watches=[{"aws": self.aws, "job_ids": list(held.job_ids)}],
                since=now.isoformat(),
                deadline=(since + self.max_wait).isoformat(),
            )
            self.defer(trigger=trigger, method_name=self.resume_settings.__name__, kwargs=kwargs)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = now + LOOK_AGAIN_AFTER
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_settings.__name__, kwargs=kwargs)

    @staticmethod
    def _now() -> datetime:
        return clock.now()


class DrsApplyLaunchSettingsOperator(DrsSettingsOperator):
    """Bring the launch settings of source servers to what is wanted: look, check everything, change what differs.

    DRS's own settings go through UpdateLaunchConfiguration, the others into a new version of the server's EC2 launch
    template, built on the present default version, which then becomes the default. What is not set is left alone.

    - Every reason against the settings is told at once, before the first change. Warnings do not stop it.
    - Nothing is changed while a job holds a server that differs: the task defers until the job has ended.
    - It looks at what is there, so it may run any number of times and be killed anywhere: a second run changes nothing.
    - ``is_temporary`` (a drill): what was before is written to a tag of the source server first, for
      :class:`DrsRestoreLaunchSettingsOperator`. Without it, what a drill has left behind is put back first.

    Returns a ``SettingsChanges`` as JSON (``rules.run.handover``): ``{"servers": {server_id: [{"field", "was",
    "now"}]}}`` for every server given, an empty list where nothing differed. The XCom ``findings`` holds what speaks
    against the settings, a ``SettingsFindings``.

    :param settings: wanted settings by source server id, in the plan's words; see ``rules.settings.values.effective``.
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
        self.installation: str | None = None
        self.continue_run: str | None = None

    def change(self, context: Context) -> "SettingsChanges | ServersHeld":
        """Check, then apply what differs."""
        from drs_provider.rules.run.handover import PreflightFinding, SettingsFindings
        from drs_provider.rules.settings.drill_memory import INSTALLATION
        from drs_provider.services.settings.apply import (
            ServersHeld,
            SettingsApplication,
            ensure_no_rival,
            ensure_sound,
        )
        from drs_provider.services.settings.survey import survey

        settings = {
            server: rendered_mapping(f"settings of {server}", values)
            for server, values in rendered_mapping("settings", self.settings).items()
        }
        is_temporary = rendered_bool("is_temporary", self.is_temporary)
        ensure_sound(settings)
        found = survey(self.hook, settings, keep_drill=is_temporary)
        for finding in found.findings:
            self.log.warning("%s: %s", finding.severity, finding)
        findings = tuple(PreflightFinding.model_validate(asdict(finding)) for finding in found.findings)
        leave(context["ti"], SettingsFindings(findings=findings))
        runs = self._runs(context)
        marks = self._marks(runs[0]) if is_temporary else {}
        if is_temporary:
            ensure_no_rival(found, installation=marks[INSTALLATION], own_runs=runs, now=self._now())
        application = SettingsApplication(
            self.hook,
            task_memory(context),
            is_temporary=is_temporary,
            marks=marks,
            max_tries=context["ti"].max_tries,
        )
        outcome = application.apply(found, now=self._now())
        if not isinstance(outcome, ServersHeld):
            self.leave(context, found)
        return outcome

    def leave(self, context: Context, found: "SettingsSurvey") -> None:
        """Leave more for later tasks, once all is as wanted; ``found`` is what there was before."""

    def _runs(self, context: Context) -> tuple[str, ...]:
        """Return the key of the run, then that of the run that it goes on with."""
        from drs_provider.rules.launch.tags import run_key

        if self.installation is None:
            self.installation = installation_of(context)
        own = run_key(context["ti"].dag_id, context["ti"].run_id, self.installation)
        return (own, *([self.continue_run] if self.continue_run else []))

    def _marks(self, run: str) -> dict[str, str]:
        """Return the tags that say whose temporary settings these are, and until when.

        :param run: key of the run
        """
        from drs_provider.rules.launch.tags import written
        from drs_provider.rules.settings.drill_memory import marks_of

        expires = written(self._now() + self.lifetime)
        return marks_of(run, expires, self.installation or "", self.continue_run)


class DrsRestoreLaunchSettingsOperator(DrsSettingsOperator):
    """Put back what drills have changed in the launch settings of these source servers.

    What was before is read from a tag of the source server, so it works after a crash, in another run, and from another
    Airflow. A setting that somebody has changed since the drill is left as it is. Servers without the tag are passed
    over. Jobs that hold a server are waited for. Made to be a teardown of :class:`DrsApplyLaunchSettingsOperator`.

    Returns a ``SettingsChanges`` as JSON (``rules.run.handover``), for the servers that had the tag.

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
        self.installation = ""
        self.own_runs: Sequence[str] = ()

    def change(self, context: Context) -> "SettingsChanges | ServersHeld":
        """Put back what can be put back now."""
        from drs_provider.services.settings.apply import restore_settings

        return restore_settings(
            self.hook,
            rendered_ids("source_server_ids", self.source_server_ids),
            now=self._now(),
            installation=self.installation,
            own_runs=self.own_runs,
        )
