"""What one start handed over: the jobs of one connection and Region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StartedJobs:
    """What one start operator returned: jobs (``job_id``, ``servers``) of one connection and Region."""

    jobs: tuple[Mapping[str, Any], ...]
    aws_conn_id: str | None = None
    region: str | None = None

    def aws(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hook's arguments: the task's own, but the launch's connection and Region where it has them."""
        return {
            **own,
            "aws_conn_id": self.aws_conn_id or own["aws_conn_id"],
            "region_name": self.region or own["region_name"],
        }
