"""Airflows without services, in the simulator's time: tasks are the product's, and one may die before any of them."""

import asyncio
import json
from dataclasses import dataclass

from drs_provider.airflow_internals.task_runner import set_supervisor_comms
from drs_provider.dag.factory import dags_of_folder

from benchmarks.kill_sweep.lives import fewer_clients, simulated_time
from benchmarks.kill_sweep.mortal_run import Death, MortalRun, MortalRuns

LONGEST = 2 * 86400
"""Simulated seconds after which a run that has not ended hangs."""


@dataclass
class Ended:
    """A run that is over, or whose Airflow is gone."""

    states: dict
    errors: dict
    report: dict

    @property
    def verdict(self):
        return self.report.get("verdict")

    @property
    def servers(self):
        return {each["hostname"]: each["status"] for wave in self.report["waves"] for each in wave["servers"]}

    @property
    def words(self):
        """What to show where a run did not end as it should."""
        return self.report.get("verdict_reason"), {name: said for name, said in self.errors.items() if said}


@dataclass
class SimulatedAirflows:
    """Each run belongs to an Airflow of its own, which knows nothing of the others.

    Between runs people may let the simulator's time pass.
    """

    simulator: object
    home: object
    number: int = 0

    def run(self, dag_id, conf, *, answers=(), dies_before=None, before_leg=lambda _: None):
        """Run a DAG of the plans folder to its end.

        :param dies_before: the task whose first leg finds the whole Airflow gone
        :param before_leg: called with the id of a task before each of its legs
        """
        folder = self.home / "plans"
        dag = {dag.dag_id: dag for dag in dags_of_folder(folder, dag_file=folder / "none.py")}[dag_id]
        self.number += 1
        death = Death()

        def before(task_id):
            death.is_dead = death.is_dead or task_id == dies_before
            before_leg(task_id)

        with fewer_clients(), simulated_time(self.simulator) as (clock, loop):
            runs = MortalRuns(death)
            name = f"manual__{self.number}"
            run = MortalRun(dag, conf, name, clock, runs, answers=dict(answers), gone_with_it=bool(dies_before))
            run.before_leg = before
            with set_supervisor_comms(runs):
                loop.run_until_complete(asyncio.wait_for(run.run(), LONGEST))
        assert run.is_gone is bool(dies_before)
        return Ended(dict(run.states), {name: each.error for name, each in run.records.items()}, self._report(run))

    def _report(self, run):
        found = [json.loads(each.read_text()) for each in (self.home / "reports").rglob("report.json")]
        return next((each for each in found if each["run"]["run_id"] == run.run_id), {})
