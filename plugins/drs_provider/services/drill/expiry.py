"""Moving the instant after which nobody may still want what a drill has made."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.tags import EXPIRES, end_of_life, read_mark, written
from drs_provider.services.launch.tags_of_jobs import tag_launched

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook


def move_expiry(hook: "TracesHook", jobs: Sequence[Answer], expires: datetime) -> dict[str, str]:
    """Write a later expiry to a drill's jobs and instances; a clean-up elsewhere goes by nothing else.

    It never comes earlier than any of them says now.

    :param jobs: the jobs of the run in an account and Region
    :return: by job or instance, why it keeps its old one
    """
    latest = end_of_life([mark for job in jobs if (mark := read_mark(job.get("tags")))])
    tags = {EXPIRES: written(max(expires, latest) if latest else expires)}
    refused = hook.tag_all({str(job["jobID"]): str(job["arn"]) for job in jobs}, tags)
    failed = {name: str(error) for name, error in refused.items()}
    return failed | tag_launched(hook, [str(job["jobID"]) for job in jobs], tags)[1]
