"""What others have done to a run's jobs and instances while it went on: jobs deleted in DRS, tags taken away."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from drs_provider.rules.launch.existing_instance import tags_of
from drs_provider.rules.launch.tags import MODE, RUN

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook

DELETED: Final = "DRS no longer knows it: somebody has deleted it"
JOB_TAGS_GONE: Final = f"its tag {RUN} was taken away"
INSTANCE_TAGS_GONE: Final = (
    f"its tag {MODE} was taken away in EC2: policies that keep recovered instances by it do not hold any more"
)


def find_outside_changes(
    hook: "TracesHook", *, known: Collection[str], tagged: Collection[str], instances: Sequence[str] = ()
) -> dict[str, str]:
    """Return what others have changed, by id, and how.

    :param hook: of the account and Region
    :param known: jobs that the run's tasks remember
    :param tagged: jobs that its tags find
    :param instances: instances that it has tagged, and that are to keep their tags
    """
    missing = sorted(set(known) - set(tagged))
    there = {str(job["jobID"]) for job in hook.jobs(missing)} if missing else set()
    found = {job_id: JOB_TAGS_GONE if job_id in there else DELETED for job_id in missing}
    seen = hook.ec2_instances(instances) if instances else {}
    return found | {name: INSTANCE_TAGS_GONE for name, instance in seen.items() if MODE not in tags_of(instance)}
