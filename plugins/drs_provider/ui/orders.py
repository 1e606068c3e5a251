"""Taking orders to a run from people: the server words them with who gave them, signs them and keeps them.

Airflow's own API lets everybody write into the task state store, in anybody's name; what comes that way has no
signature, and no task obeys it.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, Protocol, Self

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field, JsonValue, model_validator

from drs_provider import clock
from drs_provider.exceptions import RunRefused
from drs_provider.rules.run import controls, names
from drs_provider.rules.run.handover import GivenOrders, LeftToItself, RunOrder
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import believed, keys


class NewOrder(BaseModel):
    """What a person orders.

    :ivar kind: ``cancel``, ``skip`` and ``continue`` are obeyed by the tasks; ``retry`` takes back what they were
        ordered before
    :ivar tasks: who shall obey; none: the order is recorded for the report only
    :ivar wave: the wave that is skipped, retried or continued past; a cancel has none
    :ivar reason: why, for the report; who continues past a failed wave must say it
    """

    kind: Literal["cancel", "skip", "retry", "continue"]
    tasks: Annotated[list[Annotated[str, Field(max_length=250)]], Field(max_length=2000)] = []
    wave: Annotated[str | None, Field(max_length=250)] = None
    reason: Annotated[str | None, Field(max_length=5000)] = None
    is_recorded: bool = False

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.kind != "cancel" and not (self.wave or "").strip():
            raise ValueError(f"{self.kind}: say which wave")
        if self.kind == "continue" and not (self.reason or "").strip():
            raise ValueError("continue: say why the run shall go on past a failed wave")
        return self


class FormerOrders(BaseModel):
    """Orders that a refused retry took back, as they were read, by task: they stand again."""

    entries: Annotated[dict[str, dict[str, JsonValue]], Field(max_length=2000)]


class OrderTaken(BaseModel):
    """The order in words, with who gave it."""

    message: str


class RunStore(Protocol):
    """The task state store of a run's tasks, as the server sees it.

    :ivar user: who asks, by the name that Airflow knows
    """

    user: str

    def tasks(self, dag_id: str, run_id: str) -> frozenset[str]:
        """Return the unmapped tasks of a run; empty: there is no such run."""
        ...

    def get(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Return an entry; None: there is none."""
        ...

    def set(self, dag_id: str, run_id: str, task_id: str, key: str, value: Mapping[str, JsonValue]) -> None:
        """Keep an entry, for good."""
        ...


def add_orders(app: FastAPI, *, store: Callable[..., Any], may_edit_run: Callable[..., Any]) -> None:
    """Add the routes; ``store`` gives a ``RunStore`` of the request."""
    guard = [Depends(may_edit_run), Depends(_signs)]

    @app.post("/runs/{dag_id}/{run_id}/orders", dependencies=guard)
    def give(dag_id: str, run_id: str, order: NewOrder, runs: Annotated[RunStore, Depends(store)]) -> OrderTaken:
        known = _known(runs, dag_id, run_id, order.tasks)
        given = _worded(order, runs.user)
        if order.kind in ("cancel", "skip"):
            _leave_to_themselves(runs, dag_id, run_id, order, known)
        for task in order.tasks:
            _keep(runs, Origin(dag_id, run_id, task, RunOrder.KEY, stored_in="task_state_store"), given.to_json())
        if order.is_recorded and names.REPORT_TASK in known:
            _record(runs, dag_id, run_id, order)
        return OrderTaken(message=given.message)

    @app.put("/runs/{dag_id}/{run_id}/orders", dependencies=guard)
    def give_back(
        dag_id: str, run_id: str, former: FormerOrders, runs: Annotated[RunStore, Depends(store)]
    ) -> OrderTaken:
        _known(runs, dag_id, run_id, former.entries)
        places = {
            task: Origin(dag_id, run_id, task, RunOrder.KEY, stored_in="task_state_store") for task in former.entries
        }
        for task, entry in former.entries.items():
            if problem := keys().problem(entry, places[task]):
                raise HTTPException(422, f"{places[task]}: {problem}")
        for task, entry in former.entries.items():
            runs.set(dag_id, run_id, task, RunOrder.KEY, entry)
        return OrderTaken(message="the orders stand as before")


def _record(runs: RunStore, dag_id: str, run_id: str, order: NewOrder) -> None:
    place = Origin(dag_id, run_id, names.REPORT_TASK, GivenOrders.KEY, stored_in="task_state_store")
    _keep(runs, place, recorded(runs, place, order).to_json())


def _signs() -> None:
    """Take no order that no task could believe."""
    try:
        keys()
    except RunRefused as error:
        raise HTTPException(503, str(error)) from error


def _leave_to_themselves(runs: RunStore, dag_id: str, run_id: str, order: NewOrder, known: Collection[str]) -> None:
    """Tell all tasks that might start a wave of the order from where they are to leave it to itself.

    They are told before its own tasks are: between the two nothing may be launched. What was forged beside is dropped.
    """
    ended = sorted({wave for task in order.tasks if names.does(task, names.START) and (wave := names.wave_of(task))})
    if not ended:
        return
    for task in sorted(task for task in known if names.does(task, names.WATCH, names.PAUSE, names.DELAY)):
        place = Origin(dag_id, run_id, task, LeftToItself.KEY, stored_in="task_state_store")
        kept = believed(runs.get(dag_id, run_id, task, place.key), place)
        former = LeftToItself.read(kept) or LeftToItself()
        _keep(runs, place, LeftToItself(waves=tuple(dict.fromkeys((*former.waves, *ended)))).to_json())


def recorded(runs: RunStore, place: Origin, order: NewOrder) -> GivenOrders:
    """Return the record of a run's orders with one more; what was forged in it is dropped."""
    kept = runs.get(place.dag_id, place.run_id, place.task_id, place.key)
    one_more = controls.given(order.kind, runs.user, order.reason, at=clock.now(), wave=order.wave)
    return controls.read_given(believed(kept, place)).with_order(one_more)


def _worded(order: NewOrder, who: str) -> RunOrder:
    match order.kind:
        case "cancel":
            return controls.cancellation(who, order.reason)
        case "skip":
            return controls.skip(order.wave or "", who, order.reason)
        case "retry":
            return controls.retry(order.wave or "", who, order.reason)
        case "continue":
            return controls.go_on(order.wave or "", who, order.reason or "")


def _known(runs: RunStore, dag_id: str, run_id: str, wanted: Mapping[str, object] | list[str]) -> frozenset[str]:
    if not names.has_plan_runs(dag_id):
        raise HTTPException(404, f"{dag_id} is no recovery plan")
    known = runs.tasks(dag_id, run_id)
    if not known:
        raise HTTPException(404, f"DAG {dag_id} has no run {run_id}")
    if unknown := [task for task in wanted if task not in known]:
        raise HTTPException(404, f"run {run_id} of {dag_id} has no task {unknown[0]}")
    return known


def _keep(runs: RunStore, place: Origin, body: Mapping[str, JsonValue]) -> None:
    runs.set(place.dag_id, place.run_id, place.task_id, place.key, keys().seal(body, place))
