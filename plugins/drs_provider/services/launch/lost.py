"""Looking at the end of a recovery whether everything is still there that its waves found launched."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.jobs import read_job_log
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.handover import LostInstance
from drs_provider.rules.run.lost_instances import lost_instance

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

log = logging.getLogger(__name__)


def find_lost(hook: "DrsHook", launched: Sequence[ServerResult]) -> dict[str, LostInstance]:
    """Return what is no more of the instances that these servers were launched as, by server id.

    :param hook: of the account and Region
    :param launched: servers that their waves found launched there
    """
    if not launched:
        return {}
    jobs = {result.server_id: result.job_id for result in launched}
    described: dict[str, Answer] = {
        str(instance["sourceServerID"]): instance
        for instance in hook.recovery_instances(source_server_ids=tuple(jobs))
        if instance.get("jobID") == jobs.get(str(instance.get("sourceServerID")))
    }
    named = {result.server_id: result.instance_id for result in launched if result.instance_id}
    named |= {server: str(instance["ec2InstanceID"]) for server, instance in described.items()}
    named |= _in_job_logs(hook, {server: job for server, job in jobs.items() if job and server not in named})
    states = hook.instance_states(tuple(named.values())) if named else {}
    found = {}
    for result in launched:
        name = named.get(result.server_id)
        lost = lost_instance(
            name,
            described.get(result.server_id),
            states.get(name or ""),
            was_running=result.instance_state != "STOPPED",
        )
        if lost is not None:
            log.warning("%s: %s", result.hostname, lost.words)
            found[result.server_id] = lost
    return found


def _in_job_logs(hook: "DrsHook", jobs: dict[str, str]) -> dict[str, str]:
    """Return the instances that job logs name for servers of which nobody has seen one."""
    found = {}
    for job_id in dict.fromkeys(jobs.values()):
        for server, timeline in read_job_log(hook.job_log(job_id)).items():
            if timeline.target_instance and jobs.get(server) == job_id:
                found[server] = timeline.target_instance
    return found
