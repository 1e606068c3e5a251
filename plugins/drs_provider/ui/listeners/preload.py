"""Reading once, in the scheduler and the DAG processor, what every process that they fork would read again.

Airflow starts a task in a process that is forked (LocalExecutor: from the scheduler; a parse: from the DAG processor)
and that executes the DAG file. Most of what our DAG file costs there are imports and the plan's schema: both are the
same for every task, and a forked process has what its parent has. The same is true of what a task imports only when it
works, of the AWS hooks, and of what botocore knows of the services: a third of a second of CPU in a task that asks
DRS, EC2 and STS.

Where workers are no children of the scheduler (Celery, Kubernetes) nothing is gained and nothing is lost. Like all code
of a plugin, the package is read again when Airflow's parts are started again.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = "drs_provider."
NOT_A_TASKS = tuple(
    ROOT + name
    for name in (
        "api",
        "cli",
        "ui",
        "example_dags",
        "rehearsal",
        "airflow_internals.api_server",
        "airflow_internals.metadata",
        "airflow_internals.task_runner",
    )
)
"""What no task and no DAG file needs. All else is imported by name: the plugin itself must import next to nothing."""

CLIENTS = ROOT + "hooks.preload"


def modules() -> Iterator[str]:
    """Yield the names of the modules that tasks and DAG files may import."""
    import drs_provider

    yield from _below(drs_provider.__path__, ROOT)


def _below(folders: Iterable[str], prefix: str) -> Iterator[str]:
    """Yield what is in a package, without importing anything of it."""
    for found in iter_modules(folders, prefix):
        if not found.name.startswith(NOT_A_TASKS):
            yield found.name
            if found.ispkg:
                name = found.name.removeprefix(prefix)
                yield from _below([str(Path(folder) / name) for folder in folders], f"{found.name}.")


class Preloading:
    """A listener: Airflow calls it in the scheduler, the DAG processor and the triggerer before they begin."""

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """Import, and build the schemas that are otherwise built by the first plan that is read.

        Airflow calls this in every task's process too, with a marker instead of a job: what was read is there, then.
        """
        if type(component).__name__ == "TaskRunnerMarker":
            return
        for name in modules():
            import_module(name)
        from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
        from drs_provider.rules.run.handover import DOCUMENTS

        models: tuple[type[BaseModel], ...] = (ProtectionGroup, RecoveryPlan, *DOCUMENTS)
        for model in models:
            model.model_rebuild()
        import_module(CLIENTS).preload_clients()
