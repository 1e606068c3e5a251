"""Writes a report's two files, and finds them again."""

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol, Self

from pydantic import ValidationError

from drs_provider.exceptions import ReportOfAnotherRun
from drs_provider.patience import asked
from drs_provider.report.page import render
from drs_provider.report.result import RunReport
from drs_provider.rules.run.handover import KeptReport, WrittenReport


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


def write_report(report: RunReport, folder: Any) -> WrittenReport:
    """Write ``report.json`` and ``report.html`` below ``folder/<dag_id>/<run_id>/``; return where they are.

    Writing the same run's report again replaces it; the files of another run are never touched
    (:class:`ReportOfAnotherRun`). On a local disk each file appears whole or not at all; object stores promise the
    same by themselves. The JSON comes last: where it is, the page is too.

    :param folder: a ``pathlib.Path``, an ``ObjectStoragePath`` or text that names a local folder.
    """
    home = run_folder(folder, report.run.dag_id, report.run.run_id)
    _refuse_another_run(home / JSON_NAME, report)
    make_folder(home)
    write_whole(home / HTML_NAME, render(report))
    write_whole(home / JSON_NAME, to_json(report))
    return WrittenReport(
        json_path=str(home / JSON_NAME),
        html_path=str(home / HTML_NAME),
        verdict=report.verdict,
        reason=report.verdict_reason,
    )


MOST_KEPT: Final = 256 * 1024
"""Characters of a report that are kept in its run, which lies in Airflow's database."""


def kept_report(report: RunReport, most: int = MOST_KEPT) -> KeptReport:
    """Return what a run keeps of its own report: all of it, or what is left without its longest parts.

    :param most: characters of JSON
    """
    body = report.model_dump(mode="json")
    verdict, reason = report.verdict, report.verdict_reason
    for shorten in (lambda _: None, _without_events, _without_servers):
        shorten(body)
        if len(json.dumps(body)) <= most:
            is_shortened = shorten in (_without_events, _without_servers)
            return KeptReport(verdict=verdict, reason=reason, report=body, is_shortened=is_shortened)
    return KeptReport(verdict=verdict, reason=reason, is_shortened=True)


def _without_events(body: dict[str, Any]) -> None:
    body["timeline"] = []
    for step in (*body["steps"], *(step for wave in body["waves"] for step in wave["steps"])):
        step["output"] = ""
    for wave in body["waves"]:
        for server in wave["servers"]:
            server |= {name: [] for name in ("events", "settings_changed", "differences") if name in server}


def _without_servers(body: dict[str, Any]) -> None:
    for wave in body["waves"]:
        wave["servers"] = []
        for job in wave["jobs"]:
            job["servers"] = []


def read_kept(kept: KeptReport | None) -> RunReport | None:
    """Return the report that a run has kept; None: none, or it is too big, or of another form."""
    if kept is None or kept.report is None:
        return None
    try:
        return RunReport.model_validate(kept.report)
    except ValidationError:
        return None


SHORTENED: Final = (
    "The files of this report cannot be read where this page is made. This is what the run itself has kept of it, "
    "without what is longest: job events, outputs, servers."
)


def report_file(
    folder: Callable[[], Any], dag_id: str, run_id: str, name: str, kept: Callable[[], KeptReport | None]
) -> str | None:
    """Return the text of a report's file as it was written, else made of what the run has kept; None: there is neither.

    A disk that only the workers have, or an object store that is down with its Region, hides no report. Never raises.

    :param folder: gives the place of the reports
    :param name: ``report.json`` or ``report.html``
    """
    try:
        place = folder()
        text = asked(place, lambda: _text(run_folder(place, dag_id, run_id) / name))
        if text is not None:
            return text
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning("%s of run %s of %s cannot be read: %r", name, run_id, dag_id, error)
    left = kept()
    report = read_kept(left)
    if left is None or report is None:
        return None
    if name == JSON_NAME:
        return to_json(report, is_shortened=left.is_shortened)
    return render(report, SHORTENED if left.is_shortened else "")


def _text(path: Any) -> str | None:
    if not path.exists():
        return None
    text: str = path.read_text(encoding="utf-8")
    return text


def run_folder(folder: Any, dag_id: str, run_id: str) -> Any:
    """Return the folder of one run's report below the reports folder, local ones as ``pathlib.Path``."""
    dag_name, run_name = report_parts(dag_id, run_id)
    return local(folder) / dag_name / run_name


def to_json(report: RunReport, *, is_shortened: bool = False) -> str:
    """Return the report as JSON: keys sorted, the same bytes for the same report.

    :param is_shortened: what is longest was left out of it; then it says so itself, as ``"is_shortened": true``
    """
    body = report.model_dump(mode="json") | ({"is_shortened": True} if is_shortened else {})
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


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


_FILE_MODE, _FOLDER_MODE = 0o640, 0o750
_LOCAL_PROTOCOLS = ("", "file", "local")


def local(folder: Any) -> Any:
    """Turn everything that names a local folder into a ``Path``; leave object stores alone."""
    if isinstance(folder, str):
        return Path(folder.removeprefix("file://"))
    if not isinstance(folder, Path) and getattr(folder, "protocol", None) in _LOCAL_PROTOCOLS:
        return Path(folder.path)
    return folder


def make_folder(path: Any) -> None:
    """Make a folder with those above it; on a local disk others than owner and group cannot look into a new one."""
    if isinstance(path, Path):
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                with contextlib.suppress(FileExistsError):  # another run's report was faster
                    folder.mkdir(mode=_FOLDER_MODE)
    else:
        path.mkdir(parents=True, exist_ok=True)


def write_whole(path: Any, text: str) -> None:
    """Write a file into a folder that is there; on a local disk it appears whole or not at all.

    There it can be read by its owner and group, as far as the process's umask allows: 0640, or 0600 with umask 077.
    """
    if not isinstance(path, Path):
        path.write_text(text, encoding="utf-8")
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # Not mkstemp and chmod: what is given at the birth of the file the umask still limits.
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


JSON_NAME, HTML_NAME = "report.json", "report.html"

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")

_LONGEST = 120


def safe_name(name: str) -> str:
    """Turn a DAG or run id into a folder name that every file system and object store takes.

    Two different ids never share a name: whatever had to be changed or cut carries a piece of the id's sha256.
    """
    plain = _UNSAFE.sub("-", name)
    if plain == name and len(name) <= _LONGEST and name.strip("."):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{plain[:_LONGEST].strip('.')}-{digest}"


def report_parts(dag_id: str, run_id: str) -> tuple[str, str]:
    """Return the two folder names below the reports folder that belong to this run, and to no other."""
    return safe_name(dag_id), safe_name(run_id)


MOST = 40
"""Reports of one plan that are read, the newest runs first, checks left aside."""

_MOST_LOOKED_AT = 1000
"""So many folders are looked into for them: a plan may be checked every hour."""

log = logging.getLogger(__name__)


def stored_reports(folder: Any, dag_id: str, most: int = MOST) -> Iterator[RunReport]:
    """Read the newest reports of a DAG; what is no report, or one of a later form, is passed over and logged.

    Those of checks are left aside, and take no room from the others: they prove nothing and launched nothing.

    :param folder: a ``pathlib.Path``, an ``ObjectStoragePath`` or text that names a local folder
    :raises Exception: what the store says, where it refuses all that there is
    """
    home = run_folder(folder, dag_id, "x").parent
    if not home.exists():
        return
    read, refusal, has_read = 0, None, False
    for path in sorted(home.iterdir(), key=lambda entry: _when(entry.name), reverse=True)[:_MOST_LOOKED_AT]:
        if read >= most:
            break
        try:
            report = RunReport.model_validate_json((path / JSON_NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            log.info("%s is ignored: %s", path, (str(error) or repr(error)).splitlines()[0])
            read += 1
            continue
        except Exception as error:
            if not hasattr(error, "response"):  # boto's word for an answer of the store: it may be this one object's
                raise
            log.warning("%s is ignored: %r", path, error)
            refusal = error
            read += 1
            continue
        has_read = True
        if not report.run.purpose.launches:
            continue
        read += 1
        if safe_name(report.run.dag_id) == home.name:
            yield report
    if refusal is not None and not has_read:
        raise refusal


def _when(run_id: str) -> str:
    """Return the part of a run id by which runs are in order: the instant behind Airflow's own word for the kind."""
    return run_id.rpartition("__")[2]
