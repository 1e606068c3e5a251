"""Asking EC2 and DRS whether launches created the instances that a clean-up would terminate."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from drs_provider.exceptions import AccessDenied, NotFound
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.proof import CreationProof, creation_proof
from drs_provider.rules.launch.conflicts import unseen_jobs
from drs_provider.rules.launch.existing_instance import launched_into

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook


def creation_proofs(
    hook: "TracesHook", instances: Sequence[Answer], jobs: Iterable[Answer]
) -> dict[str, CreationProof]:
    """Say of every instance that EC2 still has whether its launch created it, by instance id.

    :param instances: items of DescribeRecoveryInstances
    :param jobs: jobs that are known already; those of other instances are asked for
    """
    there = hook.ec2_instances([str(instance["recoveryInstanceID"]) for instance in instances]) if instances else {}
    known = list(jobs)
    older = unseen_jobs(instances, known)
    by_id = {str(job["jobID"]): job for job in (*known, *(hook.jobs(older) if older else ()))}
    proofs = {}
    for instance in instances:
        name, server = str(instance["recoveryInstanceID"]), str(instance.get("sourceServerID", ""))
        if name in there and there[name]["State"]["Name"] != "terminated":
            into = _into(hook, server)
            job = by_id.get(str(instance.get("jobID")))
            proofs[name] = creation_proof(server, there[name], job=job, into=into)
    return proofs


def _into(hook: "TracesHook", server_id: str) -> tuple[str, ...]:
    """Return the existing instance that the server's launch settings name, if they can be read and name one."""
    try:
        named = launched_into(hook.launch_configuration(server_id))
    except (AccessDenied, NotFound):  # the other witnesses decide
        return ()
    return (named,) if named else ()
