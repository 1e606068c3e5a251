"""Runs that took place in Airflow, as files: their tasks, edges and documents, and what their reports said.

``tests/airflow/dag/record_runs.py`` makes them anew.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.shape import compile_shape
from drs_provider.rules.run.state.snapshot import (
    RunSnapshot,
    left_in,
    outline_of_edges,
    outline_of_shape,
    tasks_from_instances,
    tasks_from_states,
)
from drs_provider.rules.run.state.task_states import TaskSnapshot

FOLDER = Path(__file__).parents[1] / "unit" / "rules" / "run" / "recorded"
FOLLOWED = "drs_followed"


@dataclass(frozen=True)
class RecordedRun:
    """One run at one moment.

    ``tasks``: by id, ``{"state", "started_at", "ended_at"}``; ``squares``: states of the mapped tasks, as Airflow names
    them inside a task; ``documents``: by task and key; ``reported``: what its report said, None before it is written.
    """

    name: str
    dag_id: str
    run_id: str
    state: str
    conf: dict
    started_at: str
    ended_at: str | None
    plan: str
    upstream: dict
    classes: dict
    tasks: dict
    squares: dict
    documents: dict
    questions: list
    reported: dict | None

    def left(self, task, key="return_value"):
        """Give what a task left, as an XCom pull does."""
        return self.documents.get((task, key))

    @property
    def states(self):
        """The states as ``get_task_states`` gives them inside a task: squares of servers are among them."""
        return {task: found["state"] for task, found in self.tasks.items()} | self.squares

    @property
    def instances(self):
        """The task instances as the REST API gives them."""
        squares = {task.rpartition("_"): state for task, state in self.squares.items()}
        return [
            {
                "task_id": task,
                "map_index": -1,
                "state": found["state"],
                "start_date": found["started_at"],
                "end_date": found["ended_at"],
            }
            for task, found in self.tasks.items()
        ] + [
            {"task_id": task, "map_index": int(index), "state": state, "start_date": None, "end_date": None}
            for (task, _, index), state in squares.items()
        ]

    def runnable(self, folder):
        """Read its plan, from a folder that is empty."""
        (folder / "shop.yaml").write_text(self.plan)
        (found,) = read_folder(folder).plans.values()
        return found

    def for_the_pages(self):
        """The snapshot as the pages of Airflow fill it."""
        tasks = {
            task: TaskSnapshot(found["state"], _instant(found["started_at"]), _instant(found["ended_at"]))
            for task, found in self.tasks.items()
        }
        return self._snapshot(outline_of_edges(self.upstream), tasks)

    def for_the_command_line(self):
        """The snapshot as it is filled from the REST API."""
        return self._snapshot(outline_of_edges(self.upstream), tasks_from_instances(self.instances))

    def in_a_task(self, folder, *, is_last_look=False):
        """The snapshot as a task of the run fills it; the task that writes the report is the last to look."""
        outline = outline_of_shape(compile_shape(self.runnable(folder)))
        tasks = tasks_from_states(self.states)
        return self._snapshot(outline, tasks, is_last_look=is_last_look)

    def _snapshot(self, outline, tasks, **more):
        asked = frozenset(self.questions)
        return RunSnapshot(outline, tasks, left_in(self.documents), run_state=self.state, asked=asked, **more)


def _instant(text):
    return datetime.fromisoformat(text) if text else None


def recorded_names():
    """The names of all runs that are recorded."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def recorded(name):
    """Read one run."""
    found = json.loads((FOLDER / f"{name}.json").read_text())
    documents = {(document["task"], document["key"]): document["value"] for document in found.pop("documents")}
    return RecordedRun(name=name, documents=documents, **found)
