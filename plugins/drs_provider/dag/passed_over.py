"""A person's order to go on past a failed wave, as the tasks of that wave find it."""

from typing import TYPE_CHECKING

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.run_reader import order_of
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import RunOrder


def passed_over(context: Context) -> "RunOrder | None":
    """Give the order by which a wave that has failed is judged as it is, and the run goes on."""
    order = order_of(context)
    return order if order and order.passes_over else None


def skip_where_passed_over(context: Context) -> None:
    """Skip what stands before a launch that will not be; what it obeyed is left for state and report."""
    if order := passed_over(context):
        leave(context["ti"], order)
        raise AirflowSkipException(order.message)
