"""Every id in the DAG of a plan: the DAG's own, its task groups and its tasks.

``<group>.<task>``; the group is a wave, or one of those that stand around the waves. What stands once in every account
and Region is numbered from the second on: ``web.start_recovery``, ``web.start_recovery_2``. Names of waves and steps
have no underscore (``plan.fields.Name``), so nothing that an author writes can be taken for a name with one.
"""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

DAG_PREFIX: Final = "drs."
"""DAG id of a plan: this, and the plan's name."""

SWEEPER_DAG: Final = "drs.sweeper"
"""The DAG that removes what drills left behind; ``plan.checks`` refuses a plan of that name."""

CHECK_SUFFIX: Final = ".check"
"""DAG id of what starts a plan's checks: the plan's, and this. Names of plans have no dot."""

FAILBACK_SUFFIX: Final = ".failback"
"""DAG id of a plan's way back: the plan's, and this."""

START_CHECK: Final = "start_check"
"""The one task of that DAG."""

SWEEP_TASK: Final = "sweep"
"""The one task of the sweeper's DAG."""

# Task groups around the waves.
PREFLIGHT_GROUP: Final = "preflight"
BEFORE_WAVES: Final = "before_waves"
AFTER_WAVES: Final = "after_waves"
FINISH_GROUP: Final = "finish"

PREPARATION_GROUP: Final = "prepare_waves"
"""The group in which Airflow shows what prepares the waves ahead of them. No task id begins with it: tasks keep the
names of their waves, and a wave's colour and bar in Airflow are those of its own chain."""
ASIDE_GROUP: Final = "beside_waves"
"""The group in which Airflow shows what marks, shows and tells beside the waves; no task id begins with it either."""

PLAN_STEP_GROUPS: Final = (BEFORE_WAVES, AFTER_WAVES)
"""The groups of the plan's own steps."""
AROUND_WAVES: Final = (PREFLIGHT_GROUP, BEFORE_WAVES, AFTER_WAVES, FINISH_GROUP)
"""Every task group that is no wave."""

# Tasks of a wave, by what they do.
DELAY: Final = "delay"
PAUSE: Final = "pause"
FINAL_SYNC: Final = "final_sync"
STOP_SOURCES: Final = "stop_sources"
STOP_ORIGINALS: Final = "stop_originals"
"""Stops the instances in the origin that DRS launches the servers of a wave into."""
LAUNCH_SETTINGS: Final = "launch_settings"
LAUNCH_AHEAD: Final = "launch_ahead"
"""Launches the servers of a wave before its turn, stopped."""
RELAUNCH_AHEAD: Final = "relaunch_ahead"
"""Launches those of them again, before its turn, whose launch has failed."""
START: Final = "start_recovery"
WATCH: Final = "recovery_job"
TAG_INSTANCES: Final = "tag_instances"
SERVERS: Final = "servers"
START_DRILL: Final = "start_drill"
"""Launches the servers of a wave in their origin for a failback drill."""
DRILL_JOB: Final = "drill_job"
"""Sees the launch of a failback drill through."""
DRILL_SERVERS: Final = "drill_servers"
REVERSE: Final = "reverse_replication"
"""Has the servers of a wave replicated to their origin, and follows that until they are ready there."""

NOTIFICATIONS: Final = "notifications"
"""The task that tells people, in every group that has one."""

WAVE_TASKS: Final = (
    DELAY,
    PAUSE,
    FINAL_SYNC,
    STOP_SOURCES,
    STOP_ORIGINALS,
    LAUNCH_SETTINGS,
    LAUNCH_AHEAD,
    RELAUNCH_AHEAD,
    START,
    WATCH,
    TAG_INSTANCES,
    SERVERS,
    START_DRILL,
    DRILL_JOB,
    DRILL_SERVERS,
    REVERSE,
    NOTIFICATIONS,
)
"""Every task of a wave that is no step of its plan."""
BESIDE_WAVE: Final = (
    SERVERS,
    DRILL_SERVERS,
    LAUNCH_SETTINGS,
    LAUNCH_AHEAD,
    RELAUNCH_AHEAD,
    FINAL_SYNC,
    TAG_INSTANCES,
    NOTIFICATIONS,
)
"""Tasks of a wave that run ahead of it or beside it: they say nothing of how far it is."""

# Tasks of the group preflight, by what they do.
CHECK: Final = "check"
APPROVAL: Final = "approval"
STOP_APPROVAL: Final = "stop_approval"
NETWORK: Final = "network"

# Tasks of the group finish, by what they do.
KEEP: Final = "keep"
CLEAN_UP: Final = "clean_up"
RESTORE_SETTINGS: Final = "restore_settings"
REMOVE_NETWORK: Final = "remove_network"
LOOK_OVER: Final = "look_over"
COMMIT: Final = "commit"
ROLL_BACK: Final = "roll_back"
PROTECT_AGAIN: Final = "protect_again"
AGREE: Final = "agree"
"""Asks people whether what a failback has left may be removed."""
REMOVE_RECOVERED: Final = "remove_recovered"
AT_REST: Final = "at_rest"
"""Looks whether every server is protected as in the beginning, and nothing of a way back is left."""
STOP_FAILBACK: Final = "stop_failback"
"""Ends the failbacks of data centres' machines, where a cancel of the run says so."""
AT_HOME: Final = (PROTECT_AGAIN, AGREE, REMOVE_RECOVERED, AT_REST)
"""Tasks that end a failback after its waves; it may take days."""
CLEANS_UP: Final = (CLEAN_UP, RESTORE_SETTINGS, REMOVE_NETWORK, LOOK_OVER)
"""Tasks that take away what a drill has made, and look whether anything is left."""
REPORT: Final = "report"
VERDICT: Final = "verdict"

# Whole task ids; of what is numbered, those in the first account and Region.
PREFLIGHT_TASK: Final = "preflight.check"
APPROVAL_TASK: Final = "preflight.approval"
STOP_APPROVAL_TASK: Final = "preflight.stop_approval"
PREPARE_NETWORK_TASK: Final = "preflight.network"
KEEP_TASK: Final = "finish.keep"
CLEAN_UP_TASK: Final = "finish.clean_up"
RESTORE_SETTINGS_TASK: Final = "finish.restore_settings"
REMOVE_NETWORK_TASK: Final = "finish.remove_network"
LOOK_OVER_TASK: Final = "finish.look_over"
COMMIT_TASK: Final = "finish.commit"
ROLL_BACK_TASK: Final = "finish.roll_back"
PROTECT_AGAIN_TASK: Final = "finish.protect_again"
AGREE_TASK: Final = "finish.agree"
REMOVE_RECOVERED_TASK: Final = "finish.remove_recovered"
AT_REST_TASK: Final = "finish.at_rest"
STOP_FAILBACK_TASK: Final = "finish.stop_failback"
REPORT_TASK: Final = "finish.report"
VERDICT_TASK: Final = "finish.verdict"


class TaskName(NamedTuple):
    """A task id, taken apart: ``web.start_recovery_2`` is group ``web``, name ``start_recovery``, number 2.

    Only the package's own names are numbered: a step's name is whole, whatever it ends with, and has number 1.
    """

    group: str
    name: str
    number: int


_SQUARES: Final = (SERVERS, DRILL_SERVERS)
"""Show what became of servers, one square each."""

_NUMBERED: Final = frozenset(
    {
        LAUNCH_SETTINGS,
        LAUNCH_AHEAD,
        RELAUNCH_AHEAD,
        START,
        SERVERS,
        START_DRILL,
        DRILL_SERVERS,
        REVERSE,
        APPROVAL,
        STOP_APPROVAL,
        NETWORK,
        CLEAN_UP,
        RESTORE_SETTINGS,
        REMOVE_NETWORK,
        LOOK_OVER,
        ROLL_BACK,
        PROTECT_AGAIN,
        REMOVE_RECOVERED,
        AT_REST,
        STOP_FAILBACK,
    }
)


def dag_id_of(plan: str) -> str:
    """Give the id of a plan's DAG."""
    return f"{DAG_PREFIX}{plan}"


def plan_of(dag_id: str) -> str | None:
    """Give the name of the plan that a DAG is of; None: it is of none."""
    return dag_id.removeprefix(DAG_PREFIX) if is_plan_dag(dag_id) else None


def is_plan_dag(dag_id: str) -> bool:
    """Tell whether a DAG is a plan's own; the sweeper's is not, nor what starts checks, nor a plan's way back."""
    is_ours = dag_id.startswith(DAG_PREFIX) and dag_id != SWEEPER_DAG
    return is_ours and plan_checked_by(dag_id) is None and plan_failed_back_by(dag_id) is None


def has_plan_runs(dag_id: str) -> bool:
    """Tell whether runs of a DAG are runs of a plan, there or back."""
    return is_plan_dag(dag_id) or plan_failed_back_by(dag_id) is not None


def plan_behind(dag_id: str) -> str | None:
    """Give the name of the plan that the runs of a DAG are of, there or back; None: of none."""
    return plan_of(dag_id) or plan_failed_back_by(dag_id)


def name_of_runs(dag_id: str) -> str:
    """Give what commands call the runs of a DAG: the plan's name, and ``shop.failback`` for those of its way back.

    ``dag_id_of`` gives the DAG again; the DAG's own id is understood as well.
    """
    return dag_id.removeprefix(DAG_PREFIX)


def failback_dag_of(plan: str) -> str:
    """Give the id of the DAG of a plan's way back."""
    return f"{dag_id_of(plan)}{FAILBACK_SUFFIX}"


def plan_failed_back_by(dag_id: str) -> str | None:
    """Give the name of the plan whose way back a DAG is; None: it is none."""
    return _without(FAILBACK_SUFFIX, dag_id)


def check_dag_of(plan: str) -> str:
    """Give the id of the DAG that starts a plan's checks by schedule."""
    return f"{dag_id_of(plan)}{CHECK_SUFFIX}"


def plan_checked_by(dag_id: str) -> str | None:
    """Give the name of the plan whose checks a DAG starts; None: it starts none."""
    return _without(CHECK_SUFFIX, dag_id)


def _without(suffix: str, dag_id: str) -> str | None:
    name = dag_id.removeprefix(DAG_PREFIX)
    return name.removesuffix(suffix) if name != dag_id and name.endswith(suffix) else None


def numbered(name: str, number: int) -> str:
    """Give the name, or the id, of what stands in the account and Region of this number, counted from 1."""
    return name if number == 1 else f"{name}_{number}"


def wave_task(wave: str, name: str, number: int = 1) -> str:
    """Give the id of a task of a wave."""
    return task_in(wave, name, number)


def task_in(group: str, name: str, number: int = 1) -> str:
    """Give the id of a task of a group."""
    return numbered(f"{group}.{name}", number)


def approval_tasks(required: int) -> tuple[str, ...]:
    """Give the ids of the tasks that ask for the approvals of a recovery, in their order."""
    return tuple(numbered(APPROVAL_TASK, number) for number in range(1, required + 1))


def stop_approval_tasks(required: int) -> tuple[str, ...]:
    """Give the ids of the tasks that ask whether a migration may stop its sources, in their order."""
    return tuple(numbered(STOP_APPROVAL_TASK, number) for number in range(1, required + 1))


def plan_step_group(side: str) -> str:
    """Give the group of the plan's own steps of a side, ``before`` or ``after``."""
    return {"before": BEFORE_WAVES, "after": AFTER_WAVES}[side]


def read_task(task_id: str) -> TaskName:
    """Take a task id apart; the group of a task without one is empty.

    Also the square of one server is read, as ``get_task_states`` names it: ``web.servers_2_0`` is number 2.
    """
    group, _, whole = task_id.rpartition(".")
    stem, _, digits = whole.rpartition("_")
    if stem in _NUMBERED and digits.isdecimal():
        return TaskName(group, stem, int(digits))
    square, _, number = stem.rpartition("_")
    if square in _SQUARES and number.isdecimal() and digits.isdecimal():
        return TaskName(group, square, int(number))
    return TaskName(group, whole, 1)


def name_in_group(task_id: str) -> str:
    """Give what a task is called in its group: its id without the group."""
    return task_id.rpartition(".")[2]


def does(task_id: str, *names: str) -> bool:
    """Tell whether a task does one of the things that are named, in whichever group, account and Region."""
    return read_task(task_id).name in names


def tasks_that(task_ids: Iterable[str], group: str, name: str) -> list[str]:
    """Give the tasks of a group that do one thing, in the order of accounts and Regions."""
    found = [(read, task_id) for task_id in task_ids if (read := read_task(task_id))[:2] == (group, name)]
    return [task_id for _, task_id in sorted(found)]


def tasks_in(task_ids: Iterable[str], group: str) -> list[str]:
    """Give the tasks of a group, in the order in which they come."""
    return [task_id for task_id in task_ids if group_of(task_id) == group]


def group_of(task_id: str) -> str:
    """Give the task group of a task; empty: it has none."""
    return task_id.rpartition(".")[0]


def wave_of(task_id: str, waves: Collection[str] | None = None) -> str | None:
    """Give the wave that a task is of; None: it stands around the waves.

    :param waves: the waves of the plan, where they are known
    """
    group = group_of(task_id)
    if not group or group in AROUND_WAVES:
        return None
    return group if waves is None or group in waves else None


def waves_in(task_ids: Iterable[str]) -> list[str]:
    """Give the waves that some tasks are of, each once, in the order in which they come."""
    return list(dict.fromkeys(wave for task_id in task_ids if (wave := wave_of(task_id))))


def is_server_square(task_id: str) -> bool:
    """Tell whether a task only shows what became of a server."""
    return wave_of(task_id) is not None and does(task_id, *_SQUARES)


def is_teller(task_id: str) -> bool:
    """Tell whether a task does nothing but tell people."""
    return does(task_id, NOTIFICATIONS)


def is_beside_wave(task_id: str) -> bool:
    """Tell whether a task runs ahead of its wave or beside it, and says nothing of how far the wave is."""
    return wave_of(task_id) is not None and does(task_id, *BESIDE_WAVE)


def is_step(task_id: str) -> bool:
    """Tell whether a task is a step of the plan, of a wave or of its own."""
    read = read_task(task_id)
    if read.group in PLAN_STEP_GROUPS:
        return read.name != NOTIFICATIONS
    return wave_of(task_id) is not None and read.name not in WAVE_TASKS


def steps_in(task_ids: Iterable[str], group: str) -> list[str]:
    """Give the steps of a wave, or of one side of the plan, in the order in which they come."""
    return [task_id for task_id in tasks_in(task_ids, group) if is_step(task_id)]
