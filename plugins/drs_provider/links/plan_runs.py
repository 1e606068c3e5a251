"""Links from a step to the run of another plan that it has started."""

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink, conf


class PlanRunLink(BaseOperatorLink):
    """Link to the run of the plan that is a step."""

    name = "Run of the plan"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address of the run in Airflow; empty while none is started.

        Airflow asks in the task's own process after every leg, and keeps the answer.
        """
        dag_id, run_id = getattr(operator, "plan_run", ("", ""))
        base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
        return f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}" if run_id else ""

    @classmethod
    def point_at(cls, operator: object, *, dag_id: str, run_id: str) -> None:
        """Say what the link of this task points at, on every leg that knows it."""
        # Past Airflow's guard of attributes set after the constructor: this belongs to one leg only.
        operator.__dict__["plan_run"] = (dag_id, run_id)
