"""Who may do what with a run, for its page: it shows a person only what Airflow would let them do."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Response
from pydantic import BaseModel

from drs_provider.api.problems import PRIVATE


class RunRightsView(BaseModel):
    """What the caller may: change the plan's DAG (``pause``), change its runs (``order``), answer its questions."""

    pause: bool
    order: bool
    answer: bool


def add_rights(app: FastAPI, *, may_read_run: Callable[..., Any], rights_of: Callable[..., RunRightsView]) -> None:
    """Add the route; ``rights_of`` is a dependency that reads ``dag_id`` from the path."""

    @app.get("/runs/{dag_id}/{run_id}/rights", dependencies=[Depends(may_read_run)])
    def rights(response: Response, found: Annotated[RunRightsView, Depends(rights_of)]) -> RunRightsView:
        response.headers.update(PRIVATE)
        return found
