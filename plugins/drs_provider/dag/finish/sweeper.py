"""The DAG that removes what drills have left behind, of any run and of any Airflow."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.operators.task_memory import task_memory
from drs_provider.plan.loader import read_folder
from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.run.handover import SweepBegan, TargetSweep
from drs_provider.rules.run.names import SWEEP_TASK, SWEEPER_DAG
from drs_provider.rules.run.roster import Target, targets_of
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.services.drill.sweep import IsActive

EVERY: Final = timedelta(minutes=15)
LOOK_AGAIN_AFTER: Final = timedelta(seconds=15)
MOST_TIME: Final = timedelta(minutes=10)
"""How long one run goes on looking whether what it removed is gone."""

_GOING: Final = ("running", "queued")

_DOCUMENTATION: Final = """\
### Drill clean-up

Every 15 minutes it looks in every account and Region that the plans name for what drills have left behind: instances,
launch settings, networks, volumes. It goes by tags and expiry alone, so it also finds what was left by a run, a worker
or a whole Airflow that died. It never touches what is not a drill's, nor a drill that may still be running. It is red
when something is left that it cannot remove; `drs sweep --dry-run` shows the same from a shell.
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

        now = clock.now()
        targets = targets_of_folder(self.plans_folder)
        if not targets:
            raise AirflowSkipException(f"no plan in {self.plans_folder} names an account")
        is_active = _active_runs(context)
        swept = sweep_all(targets, lambda target: _sweep(target, now, is_active))
        for line in summary(swept):
            self.log.info("%s", line)
        leave(context["ti"], swept)
        if swept.goes_on and now < _began(context, now) + MOST_TIME:
            self._look_again(now)
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


def _sweep(target: Target, now: datetime, is_active: "IsActive") -> TargetSweep:
    from drs_provider.hooks.tagged_networks import TaggedNetworksHook
    from drs_provider.services.drill.sweep import sweep

    hook = TaggedNetworksHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)
    return sweep(hook, now, is_active=is_active)


def _active_runs(context: Context) -> "IsActive":
    ti = context["ti"]

    def is_active(run: str, dag_id: str, run_id: str) -> bool:
        if run != run_key(dag_id, run_id):
            return False
        try:
            return str(ti.get_dagrun_state(dag_id=dag_id, run_id=run_id)) in _GOING
        except Exception:  # noqa: BLE001 - whatever Airflow says of a run that it does not know
            return False

    return is_active


def _began(context: Context, now: datetime) -> datetime:
    """Return when this try was begun, whatever leg of it this is."""
    from drs_provider.services.store import load, save

    store, try_number = task_memory(context), context["ti"].try_number
    known = load(store, SweepBegan)
    if known is None or known.try_number != try_number:
        known = SweepBegan(try_number=try_number, at=now)
        save(store, known)
    return known.at


def targets_of_folder(folder: Path) -> Sequence[Target]:
    """Return every account and Region that a group of the plans folder names; broken files name none."""
    return targets_of(list(read_folder(folder).groups.values()))


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
