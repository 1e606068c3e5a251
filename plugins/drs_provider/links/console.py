"""Links from a task to what it works on in the AWS console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

CONSOLE_DOMAINS: Mapping[str, str] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console_url(path: str, *, region: str) -> str:
    """Return the address of a page of the DRS console; empty for a partition without a public console."""
    domain = CONSOLE_DOMAINS.get(partition_of(region))
    return f"https://{region}.{domain}/drs/home?region={region}#/{path}" if domain else ""


def partition_of(region: str) -> str:
    """Return the AWS partition of a Region, from how the Region is named."""
    for prefix, partition in {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso": "aws-iso"}.items():
        if region.startswith(prefix):
            return partition
    return "aws"


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
