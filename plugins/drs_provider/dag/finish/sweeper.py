"""The DAG that removes what drills have left behind, of any run of this Airflow."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.notifications.clean_up import tell_of_clean_up
from drs_provider.exceptions import RunRefused
from drs_provider.operators.installation import this_installation
from drs_provider.operators.task_memory import task_memory
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.handover import SweepBegan, TargetSweep
from drs_provider.rules.run.names import SWEEP_TASK, SWEEPER_DAG
from drs_provider.rules.run.roster import Target
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.hooks.tagged_networks import TaggedNetworksHook
    from drs_provider.rules.launch.tags import Mark
    from drs_provider.services.drill.sweep import IsActive

EVERY: Final = timedelta(minutes=15)
LOOK_AGAIN_AFTER: Final = timedelta(seconds=15)
MOST_TIME: Final = timedelta(minutes=10)
"""How long one run goes on looking whether what it removed is gone."""

_OVER: Final = (None, "success", "failed")
"""What Airflow says of a run that no longer goes on; None: there is no such run."""

_DOCUMENTATION: Final = """\
### Drill clean-up

Every 15 minutes it looks in every account and Region that the plans name, and where their servers go back to, for what
drills have left behind: instances, launch settings, networks, volumes. It goes by tags and expiry alone, so it also
finds what was left by a run, a worker or a whole Airflow that died. It never touches what is not a drill's, nor a
drill that may still be running: where Airflow does not say whether a run is over, nothing of it is removed. What is of
another Airflow is left to that one. It is red when something is left that it cannot remove, and notifies those whom
the plan's `notify` names; `drs sweep --dry-run` shows the same from a shell.
"""


class SweepDrills(BaseOperator):
    """Sweep every account and Region of the plans; look again, deferred, until what was removed is gone."""

    ui_color = "#e6e0f0"
    ui_fgcolor = "#2a1d3d"

    def __init__(self, *, plans_folder: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plans_folder = plans_folder

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Look, remove, say."""
        from drs_provider.services.drill.sweep import summary, sweep_all
        from drs_provider.services.drill.sweep_targets import sweep_targets

        now = clock.now()
        folder = read_folder(self.plans_folder)
        targets = sweep_targets(folder, _hook)
        if not targets:
            raise AirflowSkipException(f"no plan in {self.plans_folder} names an account")
        installation = this_installation()
        is_active = _active_runs(context, installation)
        found = sweep_all(targets, lambda target: _sweep(target, now, is_active, installation))
        for line in summary(found):
            self.log.info("%s", line)
        began = _began(context, now)
        swept = found.after(began.swept)
        _keep(context, began.model_copy(update={"swept": swept}))
        leave(context["ti"], swept)
        if found.goes_on and now < began.at + MOST_TIME:
            self._look_again(now)
        tell_of_clean_up(context, swept, folder, now=now)
        if left := swept.remaining:
            lines = "\n".join(f"  - {line}" for line in left)
            raise AirflowFailException(f"{len(left)} left-overs of drills are still there and may cost money:\n{lines}")
        return sealed(context["ti"], swept)

    def resume_sweep(self, context: Context, event: object = None) -> dict[str, JsonValue]:
        """Look whether it is gone."""
        return self.execute(context)

    def _look_again(self, now: datetime) -> NoReturn:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(trigger=DateTimeTrigger(moment=now + LOOK_AGAIN_AFTER), method_name=self.resume_sweep.__name__)


def _sweep(target: Target, now: datetime, is_active: "IsActive", installation: str) -> TargetSweep:
    from drs_provider.services.drill.sweep import sweep

    return sweep(_hook(target), now, is_active=is_active, installation=installation)


def _hook(target: Target) -> "TaggedNetworksHook":
    from drs_provider.hooks.tagged_networks import TaggedNetworksHook

    return TaggedNetworksHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)


def _active_runs(context: Context, installation: str) -> "IsActive":
    ti = context["ti"]

    def is_active(marks: "Sequence[Mark]") -> bool:
        from drs_provider.airflow_internals.tasks import dag_run_state
        from drs_provider.rules.cleanup.leftovers import is_named

        states = [dag_run_state(ti, mark.plan, mark.run_id) for mark in marks if mark.run_id]
        if any(state not in _OVER for state in states):
            return True
        if not installation and any(mark.installation for mark in marks):
            raise RunRefused(
                "it is of an Airflow with an id, and nobody knows the id of this one, so it may be another's; once you "
                "know that it is over, drs sweep removes what it left"
            )
        if not any(map(is_named, marks)):
            raise RunRefused(
                "its tags do not name its run exactly, so Airflow cannot be asked; once you know that it is over, "
                "drs sweep removes what it left"
            )
        if not any(mark.installation for mark in marks) and not any(states):
            raise RunRefused(
                "its tags do not say of which Airflow it is, and this one knows no such run: it may be another's; "
                "once you know that it is over, drs sweep removes what it left"
            )
        return False

    return is_active


def _began(context: Context, now: datetime) -> SweepBegan:
    """Return when this try was begun, whatever leg of it this is, and what its earlier legs have done."""
    from drs_provider.services.store import load

    try_number = context["ti"].try_number
    known = load(task_memory(context), SweepBegan)
    if known is None or known.try_number != try_number:
        known = SweepBegan(try_number=try_number, at=now)
        _keep(context, known)
    return known


def _keep(context: Context, began: SweepBegan) -> None:
    from drs_provider.services.store import save

    save(task_memory(context), began)


def build_sweeper(folder: Path, start: datetime) -> DAG:
    """Build the DAG. It is on from the start: what it removes is over by its own tags."""
    dag = DAG(
        dag_id=SWEEPER_DAG,
        dag_display_name="Drill clean-up",
        description="Removes what drills have left behind",
        doc_md=_DOCUMENTATION,
        schedule=EVERY,
        start_date=start,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["drs"],
        auto_register=False,
        default_args={"retries": 1, "retry_delay": timedelta(minutes=1)},
    )
    with dag:
        SweepDrills(task_id=SWEEP_TASK, task_display_name="Sweep", plans_folder=folder)
    return dag
