"""Whether the cloud calls something a drill's when it is about to be destroyed: what is remembered proves nothing."""

from collections.abc import Collection, Mapping
from typing import Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.tags import DRILL, MODE, read_mark

DRS_SERVER: Final = "AWSElasticDisasterRecoverySourceServerID"
"""DRS's own tag on what it launched: the source server."""

NOT_SHOWN: Final = (
    "DRS does not show it now, so nothing proves that it is a drill's instance: it was not terminated; look at it in "
    "EC2"
)


def why_not_of_drill(instance: Answer, runs: Collection[str] = ()) -> str | None:
    """Say why the tags of a recovery instance speak against a drill that is meant; None: they do not.

    :param instance: item of DescribeRecoveryInstances, which says in ``isDrill`` what DRS itself knows
    :param runs: keys of the only runs whose instances are meant; none: those of any
    """
    tags: Mapping[str, str] = instance.get("tags") or {}
    mode, mark = tags.get(MODE), read_mark(tags)
    if mode not in (None, "", DRILL):
        return f"its tag {MODE} is {mode!r}, so it is kept"
    if runs and mark and not mark.is_of(runs):
        return f"its tags say that it is of {mark}, which is another run: it is kept"
    return None


def why_spared(
    instance: Answer,
    *,
    job_ids: Collection[str] | None,
    server_ids: Collection[str] | None,
    include_recovery: bool,
    runs: Collection[str] = (),
) -> str | None:
    """Say why an instance that is only remembered must not be terminated; None: DRS confirms it now.

    :param instance: item of DescribeRecoveryInstances of this moment
    :param job_ids: launch jobs whose instances are meant; None: they are chosen otherwise
    :param server_ids: source servers whose instances are meant; None: they are chosen otherwise
    """
    if job_ids is not None and instance.get("jobID") not in job_ids:
        job = instance.get("jobID") or "no job that DRS knows"
        return f"it was launched by {job}, which is not this run's: it is kept"
    if server_ids is not None and instance.get("sourceServerID") not in server_ids:
        return f"it is an instance of {instance.get('sourceServerID')}, which is not meant: it is kept"
    if include_recovery:
        return None
    if instance.get("isDrill") is not True:
        return "DRS does not call it a drill's instance, so it is kept"
    return why_not_of_drill(instance, runs)


def why_not_deleted(
    tags: Mapping[str, str], *, state: str, runs: Collection[str], servers: Collection[str]
) -> str | None:
    """Say why a volume or interface of an instance that is gone must not be deleted; None: its tags say whose it is.

    :param tags: as EC2 has them at this moment
    :param state: EC2's word: what is attached is ``in-use``
    :param runs: keys of the runs whose jobs launched the instances that are gone
    :param servers: ids of the source servers of these instances
    """
    if state != "available":
        return f"it is {state}: something else uses it"
    mark = read_mark(tags)
    if mark is not None:
        if mark.is_drill and (mark.is_of(runs) or not runs):
            return None
        return f"its tags say that it is of the {mark.mode or 'run'} {mark}: it was not deleted"
    if tags.get(DRS_SERVER) in servers:
        return None
    return "no tag says that it is a drill's: it was not deleted; look at it in EC2, and delete it manually if it is"
