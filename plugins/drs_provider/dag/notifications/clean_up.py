"""Telling people what the clean-up DAG removed, and what it could not."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow.sdk import Context, conf

from drs_provider.configuration import default_notifications
from drs_provider.plan.loader import Library
from drs_provider.plan.model import Notification
from drs_provider.plan.yaml_source import read_documents
from drs_provider.rules.run.handover import HandoverUnreadable, LeftoversTold, Sweep, TargetSweep
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.names import SWEEP_TASK, dag_id_of, failback_dag_of
from drs_provider.rules.run.roster import targets_of
from drs_provider.services.signed import keys, opened

if TYPE_CHECKING:
    from drs_provider.notify.notice import RunSummary
    from drs_provider.services.signed import RunningTask

_NO_PLAN: Final = "all plans"

log = logging.getLogger(__name__)


def tell_of_clean_up(context: Context, swept: Sweep, folder: Library, *, now: datetime) -> None:
    """Tell the receivers of the plans whose drills it is about, and the default ones; never raises."""
    try:
        _tell(context, swept, folder, now=now)
    except Exception:  # whatever it is: the clean-up itself is done
        log.exception("the notification of the clean-up failed")


def _tell(context: Context, swept: Sweep, folder: Library, *, now: datetime) -> None:
    from drs_provider.dag.notifications.tasks import tell
    from drs_provider.notify.delivery import wanted
    from drs_provider.notify.news import is_news, news_of_clean_up

    ti = context["ti"]
    left = sorted({name for target in swept.targets.values() for name in target.remaining})
    done = [line for target in swept.targets.values() for line in target.done]
    told = None
    # Read again in later runs: so it is signed for none of them.
    place = Origin(ti.dag_id, "*", SWEEP_TASK, LeftoversTold.KEY)
    with suppress(HandoverUnreadable):
        earlier = ti.xcom_pull(task_ids=SWEEP_TASK, key=LeftoversTold.KEY, include_prior_dates=True)
        told = opened(earlier, LeftoversTold, place)
    if not is_news(done, left, told, at=now):
        if left and told:
            _keep_told(ti, told, place)
        return
    _keep_told(ti, LeftoversTold(left=tuple(left), at=now), place)
    for plan, title, receivers, targets in _addressed(swept, folder):
        notice = news_of_clean_up(_summary(context, plan, title), targets, at=now)
        if targets and wanted(receivers, notice.event):
            tell(context, notice, receivers)


def _keep_told(ti: "RunningTask", told: LeftoversTold, place: Origin) -> None:
    ti.xcom_push(key=LeftoversTold.KEY, value=keys().seal(told.to_json(), place, attempt=ti.try_number))


def _addressed(
    swept: Sweep, folder: Library
) -> Iterator[tuple[str, str, Sequence[Notification], Mapping[str, TargetSweep]]]:
    """Yield who is told of which accounts and Regions: those whose plan it is about, and the default receivers."""
    eventful = {name: target for name, target in swept.targets.items() if target.done or target.remaining}
    for runnable in folder.plans.values():
        plan = runnable.plan
        places = {str(target) for target in targets_of(list(runnable.groups.values()))}
        about = {
            name: target
            for name, target in eventful.items()
            if {dag_id_of(plan.name), failback_dag_of(plan.name)} & {*target.plans}
            or (not target.plans and name in places)
        }
        yield plan.name, plan.title or plan.name, plan.notify, about
    yield _NO_PLAN, "all plans", _default_receivers(), eventful


def _default_receivers() -> tuple[Notification, ...]:
    """Read the receivers of Airflow's configuration; what cannot be read is said in the log, and nobody is told."""
    text = default_notifications()
    if not text:
        return ()
    from pydantic import TypeAdapter

    # The plans' own reader: to any other one, `on` is a truth value.
    documents, problems = read_documents(Path("DRS_NOTIFY"), f"notify: {text}".encode())
    try:
        if problems or len(documents) != 1:
            raise ValueError("; ".join(map(str, problems)) or "it is several documents")  # noqa: TRY301
        receivers = json.dumps(documents[0].data["notify"])
        return TypeAdapter(tuple[Notification, ...]).validate_json(receivers)
    except (TypeError, ValueError) as error:
        log.warning("DRS_NOTIFY ([drs] notify) is no list as a plan's notify, so nobody is told through it: %s", error)
        return ()


def _summary(context: Context, plan: str, title: str) -> "RunSummary":
    from drs_provider.notify.notice import RunSummary

    ti = context["ti"]
    return RunSummary(
        plan=plan,
        title=title,
        mode="drill",
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        airflow=(conf.get("api", "base_url", fallback="") or "").rstrip("/"),
    )
