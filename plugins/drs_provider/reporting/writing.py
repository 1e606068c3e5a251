"""Writes a report's two files, and finds them again."""

import json
from typing import Any, Protocol, Self

from drs_provider.reporting.errors import ReportOfAnotherRun
from drs_provider.reporting.files import local, write_whole
from drs_provider.reporting.naming import HTML_NAME, JSON_NAME, report_parts
from drs_provider.reporting.page import render
from drs_provider.reporting.result import RunReport


class Folder(Protocol):
    """What ``pathlib.Path`` and Airflow's ``ObjectStoragePath`` have in common and this module needs."""

    def __truediv__(self, name: str, /) -> Self:
        """Return the path of an entry below this one."""
        ...

    def mkdir(self, *, parents: bool = ..., exist_ok: bool = ...) -> None:
        """Create the folder; object stores have none and do nothing."""
        ...

    def exists(self) -> bool:
        """Say whether there is something at this path."""
        ...

    def read_text(self, encoding: str | None = ...) -> str:
        """Return the file's text."""
        ...

    def write_text(self, data: str, encoding: str | None = ...) -> int:
        """Replace the file's text."""
        ...


def write_report(report: RunReport, folder: Any) -> dict[str, str]:
    """Write ``report.json`` and ``report.html`` below ``folder/<dag_id>/<run_id>/``; return both paths as text.

    Writing the same run's report again replaces it; the files of another run are never touched
    (:class:`ReportOfAnotherRun`). On a local disk each file appears whole or not at all; object stores promise the
    same by themselves. The JSON comes last: where it is, the page is too.

    :param folder: a ``pathlib.Path``, an ``ObjectStoragePath`` or text that names a local folder.
    """
    home = run_folder(folder, report.run.dag_id, report.run.run_id)
    _refuse_another_run(home / JSON_NAME, report)
    home.mkdir(parents=True, exist_ok=True)
    write_whole(home / HTML_NAME, render(report))
    write_whole(home / JSON_NAME, to_json(report))
    return {"json": str(home / JSON_NAME), "html": str(home / HTML_NAME)}


def run_folder(folder: Any, dag_id: str, run_id: str) -> Any:
    """Return the folder of one run's report below the reports folder, local ones as ``pathlib.Path``."""
    dag_name, run_name = report_parts(dag_id, run_id)
    return local(folder) / dag_name / run_name


def to_json(report: RunReport) -> str:
    """Return the report as JSON: keys sorted, the same bytes for the same report."""
    return json.dumps(report.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_report(folder: Any, dag_id: str, run_id: str) -> RunReport | None:
    """Return the written report of a run, or ``None`` when there is none or the file there is another run's."""
    path = run_folder(folder, dag_id, run_id) / JSON_NAME
    if not path.exists():
        return None
    report = RunReport.model_validate_json(path.read_text(encoding="utf-8"))
    return report if (report.run.dag_id, report.run.run_id) == (dag_id, run_id) else None


def _refuse_another_run(path: Any, report: RunReport) -> None:
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["run"]
        owner = (found["dag_id"], found["run_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ReportOfAnotherRun(str(path), report.run.run_id, "a file that is no report") from error
    if owner != (report.run.dag_id, report.run.run_id):
        raise ReportOfAnotherRun(str(path), report.run.run_id, f"the report of {owner[0]}, run {owner[1]}")
