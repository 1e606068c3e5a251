"""Looking after recovered instances: termination protection, and whether they are where they were asked to be."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from pydantic import JsonValue

from drs_provider.exceptions import RunRefused
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, failing_for_good
from drs_provider.operators.template_values import rendered_ids, rendered_mapping
from drs_provider.rules.run.handover import InstanceChecks
from drs_provider.services.launch.instance_protection import look_after
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook


class DrsProtectRecoveryInstancesOperator(DrsOperator):
    """Switch EC2 termination protection on for recovered instances, and compare all of them with their settings.

    A drill's instances are compared and never protected: their clean-up has to terminate them. A server whose settings
    say ``protect: false`` is not protected. It may run any number of times. Differences of placement are listed and
    logged; they do not fail the task. If AWS refuses to protect an instance, all others are done before the task fails.

    Returns ``{"servers": {server_id: {"instance_id", "is_drill", "protected", "differences": [{"field", "wanted",
    "found"}]}}}`` (``handover.InstanceChecks``), also as XCom ``instances`` where the task fails. ``instance_id`` is
    None where the server has no live instance.

    :param settings: effective settings by source server id; ``{}`` for a server without any (templated)
    :param job_ids: only instances that these jobs launched; unset: the servers' live instances (templated)
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "settings", "job_ids")
    template_fields_renderers = {"settings": "json", "job_ids": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#d9ead3"
    ui_fgcolor = "#1d3317"

    def __init__(
        self,
        *,
        settings: Mapping[str, Mapping[str, Any]] | str,
        job_ids: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.job_ids = job_ids

    @cached_property
    def hook(self) -> "LaunchSettingsHook":
        """The hook of this task's account and Region, made when first asked for."""
        from drs_provider.hooks.launch_settings import LaunchSettingsHook

        return LaunchSettingsHook(**self.aws)

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Protect what is to be protected, and say what differs."""
        with failing_for_good():
            self.prepare(context)
            settings = rendered_mapping("settings", self.settings)
            wanted = {server: rendered_mapping(f"settings of {server}", values) for server, values in settings.items()}
            jobs = None if self.job_ids is None else rendered_ids("job_ids", self.job_ids)
            found, errors = look_after(self.hook, wanted, jobs)
            checks = InstanceChecks(servers=found)
            leave(context["ti"], checks)
            if retryable := next((error for error in errors.values() if error.retryable), None):
                raise retryable
            if errors:
                lines = "\n".join(f"  - {name}: {error}" for name, error in errors.items())
                count = len(errors)
                raise RunRefused(
                    f"{count} recovered instance{'s'[: count != 1]} could not be protected from termination. They run; "
                    f"clear this task to try again, or switch it on in EC2:\n{lines}"
                )
            return sealed(context["ti"], checks)
