"""Reading once, in the scheduler and the DAG processor, what every process that they fork would read again.

Airflow starts a task in a process that is forked (LocalExecutor: from the scheduler; a parse: from the DAG processor)
and that executes the DAG file. Most of what our DAG file costs there are imports and the plan's schema: both are the
same for every task, and a forked process has what its parent has. The same is true of the AWS hooks and of what
botocore knows of the services, a third of a second of CPU in a task that asks DRS, EC2 and STS.

Where workers are no children of the scheduler (Celery, Kubernetes) nothing is gained and nothing is lost. Like all code
of a plugin, the package is read again when Airflow's parts are started again.
"""

from importlib import import_module
from typing import Any

from airflow.listeners import hookimpl

FACTORY, CLIENTS = "drs_provider.dag.factory", "drs_provider.aws.preloading"
"""By name: nothing else of ``ui/`` knows of DAGs, and the plugin itself must import next to nothing."""


class Preloading:
    """A listener: Airflow calls it in the scheduler, the DAG processor and the triggerer before they begin."""

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """Import, and build the schemas that are otherwise built by the first plan that is read.

        Airflow calls this in every task's process too, with a marker instead of a job: what was read is there, then.
        """
        if type(component).__name__ == "TaskRunnerMarker":
            return
        import_module(FACTORY)
        from drs_provider.plan.model import ProtectionGroup, RecoveryPlan

        ProtectionGroup.model_rebuild()
        RecoveryPlan.model_rebuild()
        import_module(CLIENTS).preload_clients()
