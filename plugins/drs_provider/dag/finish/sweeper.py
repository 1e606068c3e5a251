"""The DAG that removes what drills have left behind, of any run and of any Airflow."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.exceptions import DrsProviderError
from drs_provider.formatting import parse_instant
from drs_provider.plan.loader import read_folder
from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.run.names import SWEEPER_DAG
from drs_provider.rules.run.roster import Target, targets_of

EVERY: Final = timedelta(minutes=15)
LOOK_AGAIN_AFTER: Final = timedelta(seconds=15)
MOST_TIME: Final = timedelta(minutes=10)
"""How long one run goes on looking whether what it removed is gone."""

_BEGAN: Final = "drs_sweep_began"
_GOING: Final = ("running", "queued")

_DOCUMENTATION: Final = """\
### Sweeper

Every 15 minutes it looks in every account and Region that the plans name for what drills have left behind: instances,
launch settings, networks, volumes. It goes by tags and expiry alone, so it also finds what was left by a run, a worker
or a whole Airflow that died. It never touches what is not a drill's, nor a drill that may still go on. It is red when
something is left that it cannot remove; `drs sweep --dry-run` shows the same from a shell.
"""


class SweepDrills(BaseOperator):
    """Sweep every account and Region of the plans; look again, deferred, until what was removed is gone."""

    ui_color = "#e6e0f0"
    ui_fgcolor = "#2a1d3d"

    def __init__(self, *, plans_folder: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plans_folder = plans_folder

    def execute(self, context: Context) -> dict[str, Any]:
        """Look, remove, say."""
        from drs_provider.services.sweep import Swept, summary

        now = datetime.now(UTC)
        targets = targets_of_folder(self.plans_folder)
        if not targets:
            raise AirflowSkipException(f"no plan in {self.plans_folder} names an account")
        swept: dict[str, Swept] = {}
        for target in targets:
            try:
                swept[str(target)] = self._sweep(context, target, now)
            except DrsProviderError as error:
                swept[str(target)] = Swept(left={str(target): f"nobody could look: {error}"})
        for line in summary(swept):
            self.log.info("%s", line)
        result = {where: one.as_json() for where, one in swept.items()}
        context["ti"].xcom_push(key="swept", value=result)
        if any(one.goes_on for one in swept.values()) and now < self._began(context, now) + MOST_TIME:
            self._look_again(now)
        left = [f"{name}: {why}" for one in swept.values() for name, why in (one.left | one.waiting).items()]
        if left:
            lines = "\n".join(f"  - {line}" for line in left)
            raise AirflowFailException(f"{len(left)} left-overs of drills are still there and may cost money:\n{lines}")
        return result

    def resume_sweep(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Look whether it is gone."""
        return self.execute(context)

    def _sweep(self, context: Context, target: Target, now: datetime) -> Any:
        from drs_provider.hooks.tagged_networks import TaggedNetworksHook
        from drs_provider.services.sweep import sweep

        ti: Any = context["ti"]

        def is_active(run: str, dag_id: str, run_id: str) -> bool:
            if run != run_key(dag_id, run_id):
                return False
            try:
                return str(ti.get_dagrun_state(dag_id=dag_id, run_id=run_id)) in _GOING
            except Exception:  # noqa: BLE001 - whatever Airflow says of a run that it does not know
                return False

        hook = TaggedNetworksHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)
        return sweep(hook, now, is_active=is_active)

    def _began(self, context: Context, now: datetime) -> datetime:
        store: Any = context["task_state_store"]
        kept = store.get(_BEGAN) or {}
        if kept.get("try") != context["ti"].try_number:
            kept = {"try": context["ti"].try_number, "at": now.isoformat()}
            store.set(_BEGAN, kept, retention=NEVER_EXPIRE)
        return parse_instant(kept["at"])

    def _look_again(self, now: datetime) -> None:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(trigger=DateTimeTrigger(moment=now + LOOK_AGAIN_AFTER), method_name=self.resume_sweep.__name__)


def targets_of_folder(folder: Path) -> Sequence[Target]:
    """Return every account and Region that a group of the plans folder names; broken files name none."""
    return targets_of(list(read_folder(folder).groups.values()))


def build_sweeper(folder: Path, start: datetime) -> DAG:
    """Build the DAG. It is on from the start: what it removes is over by its own tags."""
    dag = DAG(
        dag_id=SWEEPER_DAG,
        dag_display_name="Sweeper of drills",
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
        SweepDrills(task_id="sweep", task_display_name="Sweep", plans_folder=folder)
    return dag
