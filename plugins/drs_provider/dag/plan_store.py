"""Where plans are kept while their runs go on: one file per plan below the place of the reports."""

import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from drs_provider.configuration import reports_location
from drs_provider.patience import within
from drs_provider.plan.loader import Library, RunnablePlan
from drs_provider.plan.snapshot import KeptPlan, is_in_need, kept_text, read_kept
from drs_provider.report.store import local, make_folder, safe_name, write_whole

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

FOLDER: Final = "kept_plans"
"""Below the place of the reports; no DAG of a plan has such an id."""

_SUFFIX: Final = ".yaml"

MOST_SECONDS: Final = 10.0
"""How long a place that is no local folder is waited for. Airflow gives all plans together 30 s to be parsed, and a
recovery never waits for a store that is down with its Region."""

T = TypeVar("T")

log = logging.getLogger(__name__)


def keep_plan(runnable: RunnablePlan, plans_folder: Path, *, run_id: str) -> None:
    """Keep the plan as the run begins with it; what an earlier run kept of it is replaced.

    Never raises: a run that may begin must not fail for this. Where it did not work, the task's log says so.
    """
    try:
        text = kept_text(runnable, plans_folder, run_id=run_id)
        in_time(lambda: _write(runnable.plan.name, text))
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning(
            "the plan could not be kept in %s/%s (%s). The run continues; but if a file of its plan becomes invalid "
            "meanwhile, it stops until the file is corrected",
            reports_location(),
            FOLDER,
            str(error) or type(error).__name__,
        )


def kept_plans(plans_folder: Path, library: Library, *, only: str | None = None) -> Iterator[KeptPlan]:
    """Yield what was kept of the plans whose own files cannot be read, of one plan if ``only`` is given.

    Asks the store only where the library has a file that may need it. Never raises: what cannot be read is logged, and
    as if nothing had been kept.
    """
    readable = library.plans.keys() | library.contested.keys()
    if not (library.broken_plans or library.unnamed) or only in readable:
        return
    # Whose name nobody can read any more is known only from what was kept.
    named = {only} if only is not None else None if library.unnamed else library.broken_plans.keys() - readable
    try:
        texts = in_time(lambda: _read(named, readable))
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning("the stored plans in %s cannot be read: %r", reports_location(), error)
        return
    for name, text in sorted(texts.items()):
        kept = read_kept(text, name, plans_folder)
        if kept is None:
            log.warning("the stored copy of plan %s in %s is not that plan", name, reports_location())
        elif is_in_need(library, kept.runnable):
            yield kept


def _write(name: str, text: str) -> None:
    folder = _folder()
    make_folder(folder)
    write_whole(folder / f"{safe_name(name)}{_SUFFIX}", text)


def _read(named: Collection[str] | None, readable: Collection[str]) -> dict[str, str]:
    """Return what is kept of these plans, or of all but the readable ones; a plan of which nothing is has no entry."""
    folder = _folder()
    if named is None:
        found = [str(path.name).removesuffix(_SUFFIX) for path in folder.iterdir()] if folder.exists() else []
        named = set(found) - set(readable)
    texts: dict[str, str] = {}
    for name in named:
        try:
            texts[name] = (folder / f"{safe_name(name)}{_SUFFIX}").read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            log.warning("the stored copy of plan %s cannot be read: %s", name, error)
    return texts


def _folder() -> "Path | ObjectStoragePath":
    place = reports_location()
    if not _is_local(place):
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(place) / FOLDER
    folder: Path = local(place)
    return folder / FOLDER


def _is_local(place: str) -> bool:
    return place.startswith("file://")


def in_time(do: Callable[[], T]) -> T:
    """Do something with the store; raises TimeoutError where it does not answer in time."""
    if _is_local(reports_location()):
        return do()
    return within(do, MOST_SECONDS)
