"""``/runs``: start a run, read it, wait for it, steer it: by ``services.run_control``, as the command line does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, JsonValue, StringConstraints

from drs_provider.api.history_sources import HistorySources, SeenHistory, seen_by
from drs_provider.api.origin import refuse_other_origins
from drs_provider.api.pages import After, Limit
from drs_provider.api.path_parts import DagId, RunIdOrShort
from drs_provider.api.problems import more_responses
from drs_provider.api.run_desk import Desk, Steering, steer, write
from drs_provider.api.v1.history import AskedQuery, answer_of
from drs_provider.api.v1.history_rows import HistoryAnswer
from drs_provider.rules.purpose import ALL_PURPOSES, DRILL
from drs_provider.rules.run.controls import BY
from drs_provider.services.run_control import LOOK_EVERY_SECONDS, Decision, RunStart, Steered
from drs_provider.services.run_document import RunDocument

LONGEST_WAIT: Final = 60.0
"""Seconds of one wait; proxies end longer ones."""

_MODES: Final = tuple(purpose.name for purpose in ALL_PURPOSES)

Name = Annotated[str, Field(min_length=1, max_length=250)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000)]
Reason = Annotated[Words | None, Field(default=None, description="Shown in the report.")]


class NewRun(BaseModel, extra="forbid"):
    """The answers to the trigger form; what is left out keeps its default there."""

    mode: Annotated[str, Field(pattern=f"^({'|'.join(_MODES)})$", json_schema_extra={"enum": list(_MODES)})] = (
        DRILL.name
    )
    confirm: Annotated[str | None, Field(max_length=250, description="The plan's name, for what is real.")] = None
    reason: Reason = None
    waves: Annotated[list[Name] | None, Field(max_length=500, description="Only these; left out: all.")] = None
    exclude_servers: Annotated[list[Name] | None, Field(max_length=5000, description="Hostnames or ids.")] = None
    point_in_time: Annotated[str | None, Field(max_length=40, description="`latest`, or an instant.")] = None
    replace_live_instances: bool = False
    replace_drills: bool = False
    continue_run: Annotated[str | None, Field(max_length=100, description="Key of a run of another Airflow.")] = None
    launch: Literal["ahead", "in_waves"] | None = None


class RunReason(BaseModel, extra="forbid"):
    """Why it is ordered."""

    reason: Reason = None


class CancelOrder(RunReason):
    """How a run is cancelled."""

    stop_failback: Annotated[
        bool, Field(description="End the failbacks of machines in data centres that are not converted yet.")
    ] = False


class WaveOrder(RunReason):
    """Which wave is skipped, retried or continued past."""

    wave: Name


class NoteworthyWaveOrder(BaseModel, extra="forbid"):
    """Which failed wave the run goes on past, and why."""

    wave: Name
    reason: Annotated[Words, Field(min_length=1, description="Shown in the report.")]


class AnswerToRun(BaseModel, extra="forbid"):
    """An answer to what the run asks; ``task`` or ``wave`` where it asks several things."""

    option: Annotated[str, Field(max_length=250, description="One of the question's options, such as `Approve`.")]
    task: Name | None = None
    wave: Name | None = None
    comment: Words | None = None


class LongerKept(BaseModel, extra="forbid"):
    """How much longer a drill is kept."""

    by: Annotated[str, Field(pattern=f"^({'|'.join(BY)})$", json_schema_extra={"enum": list(BY)})] = "1h"


class RunSteered(BaseModel):
    """The run afterwards, and what the order means for it."""

    message: str
    run: RunDocument
    warnings: Annotated[list[str], Field(description="What went wrong on the way without ending it.")]

    @classmethod
    def of(cls, desk: Desk, steered: Steered) -> "RunSteered":
        """Describe it."""
        return cls(message=steered.message, run=RunDocument.of(steered.run), warnings=desk.said)


class PlanResumed(BaseModel):
    """What was done, in words."""

    message: str


class RunAwaited(BaseModel):
    """The run at the end of the wait; ``is_over`` false: the time was up, or there is news."""

    is_over: bool
    run: RunDocument


_REFUSED: Final = more_responses(404, 409, 415, 503)


def runs_router(steering: Steering, history: HistorySources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/runs", tags=["runs"])
    _add_list(router, history)
    _add_reads(router, steering)
    _add_start(router, steering)
    _add_pause(router, steering)
    _add_orders(router, steering)
    _add_answers(router, steering)
    return router


def _add_list(router: APIRouter, sources: HistorySources) -> None:
    Seen = Annotated[SeenHistory, Depends(seen_by(sources))]  # noqa: N806 - an annotation

    @router.get("")
    def runs(
        seen: Seen,
        query: AskedQuery,
        is_over: Annotated[
            bool | None, Query(description="False: those that go on; true: those that have ended.")
        ] = None,
        limit: Limit = 100,
        after: After = None,
    ) -> HistoryAnswer:
        """List the runs of all plans, those that go on too; filtered and sorted as the history."""
        rows = tuple(row for row in seen.history.rows if is_over is None or row.has_ended is is_over)
        return answer_of(replace(seen.history, rows=rows), query, limit=limit, after=after)


def _add_reads(router: APIRouter, steering: Steering) -> None:
    desk_of: Any = steering.desk()
    guard = [Depends(steering.access.may_read_run)]

    @router.get("/{dag_id}/{run_id}", dependencies=guard, responses=more_responses(404, 503))
    async def run(run_id: RunIdOrShort, desk: Annotated[Desk, Depends(desk_of)]) -> RunDocument:
        """Read a run: waves, servers, steps, open questions, where its report is."""
        return RunDocument.of(await steering.ask(partial(desk.control.look, desk.plan, run_id)))

    @router.get("/{dag_id}/{run_id}/wait", dependencies=guard, responses=more_responses(404, 503))
    async def wait_for_run(
        request: Request,
        run_id: RunIdOrShort,
        desk: Annotated[Desk, Depends(desk_of)],
        seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="How long to wait at most.")] = 30.0,
        until: Annotated[
            Literal["over", "news"], Query(description="`over`: until it has ended; `news`: until anything changes.")
        ] = "over",
    ) -> RunAwaited:
        """Wait until a run is over, or there is news of it, but no longer than the time that is given."""
        with steering.waiting():
            give_up = steering.monotonic() + seconds
            look = partial(desk.control.look, desk.plan, run_id)
            found = await steering.ask(look)
            first = RunDocument.of(found)
            while found.is_active and steering.monotonic() < give_up:
                await steering.sleep(min(LOOK_EVERY_SECONDS, max(0.0, give_up - steering.monotonic())))
                if await request.is_disconnected():  # nobody waits any more: another one may
                    break
                found = await steering.ask(look)
                if until == "news" and RunDocument.of(found) != first:
                    break
        return RunAwaited(is_over=not found.is_active, run=RunDocument.of(found))


def _add_start(router: APIRouter, steering: Steering) -> None:
    desk_of: Any = steering.desk()
    guard = [Depends(refuse_other_origins), Depends(steering.rights.may_start)]

    @router.post("/{dag_id}", status_code=201, dependencies=guard, responses=_REFUSED)
    async def start_run(
        dag_id: DagId, new: NewRun, response: Response, desk: Annotated[Desk, Depends(desk_of)]
    ) -> RunSteered:
        """Start a run, as the trigger form does: everything that it refuses is refused, and preflight looks again."""
        asked = new.model_dump(exclude_none=True)

        def start() -> Steered:
            run = desk.control.start(desk.plan, RunStart(**new.model_dump()))
            write(desk, "started", run.plan, run.run_id, {"asked": asked})
            return Steered(run, f"started {run.run_id}")

        steered = await steering.order(start)
        # Beside the last part of the address that was asked: whatever prefix there is before it, it is right.
        response.headers["Location"] = f"{quote(dag_id, safe='')}/{quote(steered.run.run_id, safe='')}"
        return RunSteered.of(desk, steered)


Verb = Callable[[Desk, str, Any], Steered]
"""Does something to a run: the desk, run id, and the request's body."""


def _ordering(steering: Steering, verb: str, do: Verb) -> Callable[[Desk, str, Any], Awaitable[RunSteered]]:
    async def order(desk: Desk, run_id: str, body: BaseModel | None) -> RunSteered:
        asked: Mapping[str, JsonValue] = body.model_dump(exclude_none=True) if body else {}
        act = partial(do, desk, run_id, body)
        return RunSteered.of(desk, await steering.order(partial(steer, desk, verb, run_id, asked, act)))

    return order


def _add_pause(router: APIRouter, steering: Steering) -> None:
    desk_of: Any = steering.desk()
    guard = [Depends(refuse_other_origins), Depends(steering.rights.may_pause)]
    pause = _ordering(steering, "paused", lambda desk, run_id, _: desk.control.pause(desk.plan, run_id))

    @router.post("/{dag_id}/{run_id}/pause", dependencies=guard, responses=_REFUSED)
    async def pause_run(run_id: RunIdOrShort, desk: Annotated[Desk, Depends(desk_of)]) -> RunSteered:
        """Pause the plan of a run: nothing new starts; DRS jobs continue."""
        return await pause(desk, run_id, None)

    @router.post("/{dag_id}/resume", dependencies=guard, responses=_REFUSED)
    async def resume_plan(desk: Annotated[Desk, Depends(desk_of)]) -> PlanResumed:
        """Let a paused plan continue, with its runs."""

        def resume() -> str:
            message = desk.control.resume(desk.plan)
            write(desk, "resumed", desk.plan, None, {"before": {"is_paused": True}, "after": {"is_paused": False}})
            return message

        return PlanResumed(message=await steering.order(resume))


def _add_orders(router: APIRouter, steering: Steering) -> None:
    desk_of: Any = steering.desk()
    guard = [Depends(refuse_other_origins), Depends(steering.rights.may_order)]
    cancel = _ordering(
        steering,
        "cancelled",
        lambda desk, run_id, body: desk.control.cancel(
            desk.plan, run_id, body.reason, stops_failback=body.stop_failback
        ),
    )
    skip = _ordering(
        steering,
        "skipped",
        lambda desk, run_id, body: desk.control.skip(desk.plan, body.wave, run_id, body.reason),
    )
    retry = _ordering(
        steering,
        "retried",
        lambda desk, run_id, body: desk.control.retry(desk.plan, body.wave, run_id, body.reason),
    )
    go_on = _ordering(
        steering,
        "continued",
        lambda desk, run_id, body: desk.control.go_on(desk.plan, body.wave, run_id, body.reason),
    )

    @router.post("/{dag_id}/{run_id}/cancel", dependencies=guard, responses=_REFUSED)
    async def cancel_run(
        run_id: RunIdOrShort, order: CancelOrder, desk: Annotated[Desk, Depends(desk_of)]
    ) -> RunSteered:
        """Cancel a run: no further wave starts; what runs is watched to its end, cleaned up and reported."""
        return await cancel(desk, run_id, order)

    @router.post("/{dag_id}/{run_id}/skip", dependencies=guard, responses=_REFUSED)
    async def skip_wave(run_id: RunIdOrShort, order: WaveOrder, desk: Annotated[Desk, Depends(desk_of)]) -> RunSteered:
        """Leave out a wave that has not started."""
        return await skip(desk, run_id, order)

    @router.post("/{dag_id}/{run_id}/retry", dependencies=guard, responses=_REFUSED)
    async def retry_wave(run_id: RunIdOrShort, order: WaveOrder, desk: Annotated[Desk, Depends(desk_of)]) -> RunSteered:
        """Run a failed wave again, with everything after it."""
        return await retry(desk, run_id, order)

    @router.post("/{dag_id}/{run_id}/continue", dependencies=guard, responses=_REFUSED)
    async def continue_run(
        run_id: RunIdOrShort, order: NoteworthyWaveOrder, desk: Annotated[Desk, Depends(desk_of)]
    ) -> RunSteered:
        """Go on past a failed wave: it stays as it is, and what waits for it begins."""
        return await go_on(desk, run_id, order)


def _answer(desk: Desk, run_id: str, body: AnswerToRun) -> Steered:
    return desk.control.answer(desk.plan, run_id, Decision(body.option, body.task, body.wave, body.comment))


def _add_answers(router: APIRouter, steering: Steering) -> None:
    desk_of: Any = steering.desk()
    guard = [Depends(refuse_other_origins), Depends(steering.rights.may_answer)]
    answer = _ordering(steering, "answered", _answer)
    end = _ordering(steering, "ended", lambda desk, run_id, _: desk.control.end_kept(desk.plan, run_id))
    extend = _ordering(
        steering, "extended", lambda desk, run_id, body: desk.control.extend_kept(desk.plan, run_id, body.by)
    )

    @router.post("/{dag_id}/{run_id}/answer", dependencies=guard, responses=_REFUSED)
    async def answer_run(
        run_id: RunIdOrShort, given: AnswerToRun, desk: Annotated[Desk, Depends(desk_of)]
    ) -> RunSteered:
        """Answer what a run asks, with one of its options: `Approve`, `Reject`, `Continue` and so on."""
        return await answer(desk, run_id, given)

    @router.post("/{dag_id}/{run_id}/end", dependencies=guard, responses=_REFUSED)
    async def end_run(run_id: RunIdOrShort, desk: Annotated[Desk, Depends(desk_of)]) -> RunSteered:
        """End a drill that is kept for people: it is cleaned up now."""
        return await end(desk, run_id, None)

    @router.post("/{dag_id}/{run_id}/extend", dependencies=guard, responses=_REFUSED)
    async def extend_run(
        run_id: RunIdOrShort, longer: LongerKept, desk: Annotated[Desk, Depends(desk_of)]
    ) -> RunSteered:
        """Keep a drill longer for people."""
        return await extend(desk, run_id, longer)
