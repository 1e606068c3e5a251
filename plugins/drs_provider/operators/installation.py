"""Which Airflow a task belongs to: an id that no other Airflow has, and that stays for all the life of a run."""

import logging
import secrets
from typing import Final

from airflow.sdk import Context

from drs_provider import clock, configuration
from drs_provider.exceptions import RunRefused
from drs_provider.operators.task_memory import task_memory

VARIABLE: Final = "drs_installation_id"
"""The Airflow Variable that holds the id where the configuration names none. Two databases have two."""

_SETTLES: Final = 1.0
"""Seconds after which two tasks that have both made an id read the same one."""

_log = logging.getLogger(__name__)


def this_installation() -> str:
    """Return the id of this Airflow: what its configuration says, else what its Variable says, which is made once.

    Empty where neither can be had: runs are then named as before there were ids, and nothing else fails.
    """
    from drs_provider.rules.launch.installations import installation_id

    if named := configuration.installation():
        return installation_id(named)
    try:
        return installation_id(_kept() or _made())
    except Exception as error:  # noqa: BLE001 - whatever it is: no recovery fails because of a name
        _log.warning(
            "The id of this Airflow can neither be read from the Variable %s nor kept there: %s. Another Airflow with "
            "the same plans cannot be told from this one. Set [drs] installation (or DRS_INSTALLATION) on all machines",
            VARIABLE,
            error,
        )
        return ""


def installation_of(context: Context, *, has_begun: bool = False) -> str:
    """Return the id under which a task works on its run: as it was at the task's first look, whatever is set since.

    :param has_begun: whether the task has begun already, as far as the caller knows; where nothing is remembered an
        older version has begun it, and it goes on under the name that this one gave
    """
    from drs_provider.rules.run.handover import RunInstallation
    from drs_provider.services.store import load, save

    store = task_memory(context)
    kept = load(store, RunInstallation)
    if kept is None:
        # A try after a killed worker is no sign of that: nothing was launched. A clear of a run that went on is one.
        is_older = has_begun or (context["ti"].try_number > 1 and bool(context["dag_run"].clear_number))
        kept = RunInstallation(id="" if is_older else this_installation())
        save(store, kept)
    return kept.id


def _kept() -> str:
    from airflow.sdk import Variable

    return str(Variable.get(VARIABLE, default=None) or "").strip()


def _made() -> str:
    """Make an id and keep it, where there surely is none; of two that are made at once the later one stays."""
    from airflow.sdk import Variable

    from drs_provider.airflow_internals.tasks import has_no_variable

    if not has_no_variable(VARIABLE):
        raise RunRefused("Airflow has it and does not give it now")
    made = secrets.token_hex(4)
    Variable.set(VARIABLE, made, description="Id of this Airflow in the tags of DRS runs. Do not change or copy it")
    clock.sleep(_SETTLES)
    return _kept() or made
