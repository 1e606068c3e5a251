"""The reports of all plans as they lie in their store: which there are, since when, and the row of each."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drs_provider.report.store import JSON_NAME, local, report_parts, run_folder
from drs_provider.rules.history.comparison import RunDetail
from drs_provider.services.history.report_row import ReadReport, read_detail, read_report

log = logging.getLogger(__name__)

_STAMPS = ("LastModified", "last_modified", "mtime", "updated", "created", "ETag")
"""What object stores call the instant, or the name, of what was written last."""


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report's file: where it is, and what is different once somebody has written it again.

    :param place: the names of its two folders, ``report_parts`` of its DAG and run
    """

    place: tuple[str, str]
    written: tuple[str, ...]

    @property
    def when(self) -> str:
        """The part of the run's id by which runs are in order."""
        return self.place[1].rpartition("__")[2]


def list_reports(folder: Any) -> list[StoredReport]:
    """List all reports: on a local disk by its folders, in an object store by one listing of what is below its path.

    :param folder: a ``pathlib.Path``, an ``ObjectStoragePath`` or text that names a local folder
    :raises Exception: what the store says
    """
    home = local(folder)
    return list(_on_disk(home) if isinstance(home, Path) else _in_store(home))


def _on_disk(home: Path) -> Iterator[StoredReport]:
    if not home.is_dir():
        return
    for plan in _folders(home):
        for run in _folders(plan):
            try:
                found = os.stat(os.path.join(run, JSON_NAME))  # noqa: PTH116, PTH118 - thousands of them, at every look
            except OSError:  # it has none yet, or it is gone since
                continue
            place = (plan.name, run.name)
            yield StoredReport(place, (str(found.st_mtime_ns), str(found.st_size), str(found.st_ino)))


def _folders(home: "Path | os.DirEntry[str]") -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(home) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []


def _in_store(home: Any) -> Iterator[StoredReport]:
    root = str(home.path).strip("/")
    found: Mapping[str, Mapping[str, object]] = home.fs.find(home.path, detail=True)
    for name, facts in found.items():
        parts = name.strip("/").removeprefix(root).strip("/").split("/")
        match parts:
            case [plan, run, file] if file == JSON_NAME:
                stamps = (str(facts[key]) for key in _STAMPS if facts.get(key))
                yield StoredReport((plan, run), (str(facts.get("size")), *stamps))


def read_stored(folder: Any, report: StoredReport) -> ReadReport | None:
    """Read what the history takes of a report; None: it is none, or that of another run, or one of a later form.

    :raises Exception: what the store says
    """
    dag_name, run_name = report.place
    try:
        found = read_report((local(folder) / dag_name / run_name / JSON_NAME).read_bytes())
    except ValueError as error:
        log.info("report %s of %s is left out of the history: %s", run_name, dag_name, str(error).splitlines()[0])
        return None
    return found if report_parts(*found.row.key) == report.place else None


def read_stored_detail(folder: Any, dag_id: str, run_id: str) -> RunDetail | None:
    """Read what of a run is compared with another one; None: there is no such report, or it is none.

    :raises Exception: what the store says
    """
    path = run_folder(folder, dag_id, run_id) / JSON_NAME
    if not path.exists():
        return None
    try:
        detail = read_detail(path.read_bytes())
    except ValueError as error:
        log.info("report %s cannot be compared: %s", path, str(error).splitlines()[0])
        return None
    return detail if detail.row.key == (dag_id, run_id) else None
