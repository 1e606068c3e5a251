"""Links from a task to what it works on in the AWS console."""

from typing import Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from drs_provider.rules.aws_console import console_url


class _DrsLink(BaseOperatorLink):
    """Link to one thing of the DRS console, named by Region and id."""

    name: ClassVar[str]
    key: ClassVar[str]
    path: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the console's address of what the task works on; empty while that is not known.

        Airflow asks in the task's own process after every leg, and keeps the answer: nothing is stored twice.
        """
        region, resource_id = getattr(operator, "drs_links", {}).get(self.key, ("", ""))
        return console_url(self.path.format(id=resource_id), region=region) if resource_id else ""

    @classmethod
    def point_at(cls, operator: BaseOperator, *, region: str, resource_id: str) -> None:
        """Say what the link of this task points at, on every leg that knows it."""
        links = {**getattr(operator, "drs_links", {}), cls.key: (region, resource_id)}
        # Past Airflow's guard of attributes set after the constructor: these belong to one leg only.
        operator.__dict__["drs_links"] = links


class DrsJobLink(_DrsLink):
    """Link to the (first) recovery job of the task, with its log."""

    name = "DRS job"
    key = "drs_job"
    path = "recoveryJobs/{id}"


class DrsRecoveryInstanceLink(_DrsLink):
    """Link to the (first) recovery instance of the task."""

    name = "DRS recovery instance"
    key = "drs_recovery_instance"
    path = "recoveryInstances/{id}"
