"""Import errors of other files than the DAG file that is being imported."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.dag_processing.importers import DagImportResult


def add_import_errors(dag_file: Path, errors: Mapping[str, str]) -> bool:
    """Have the Airflow importer that is executing this DAG file say these errors too; no: nobody imports it.

    Airflow passes no handle into a DAG file. Its importer takes the next step, collecting the DAGs, with the result in
    hand: there, once, the errors are added.

    :param errors: message by file, as Airflow shall show it
    """
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    if DagContext.current_autoregister_module_name is None:
        return False
    from airflow.dag_processing.importers import get_importer_registry

    importer: Any = get_importer_registry().get_importer(dag_file)
    vars(importer).pop("_process_modules", None)  # an import before this one may have broken off
    if errors:
        importer._process_modules = partial(_process_modules, importer, dag_file, errors)  # noqa: SLF001
    return True


def _process_modules(importer: Any, dag_file: Path, errors: Mapping[str, str], filepath: str, *arguments: Any) -> None:
    """Stand once before the importer's own method: its last argument is the result."""
    from airflow.dag_processing.importers import DagImportError

    del importer._process_modules  # noqa: SLF001
    result: DagImportResult = arguments[-1]
    if Path(filepath) == dag_file:
        result.errors += [
            DagImportError(file_path=file, message=said, error_type="plan") for file, said in errors.items()
        ]
    importer._process_modules(filepath, *arguments)  # noqa: SLF001
