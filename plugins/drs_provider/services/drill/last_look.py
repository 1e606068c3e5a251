"""The last look of a drill: whether anything that is its own is left in an account and Region."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.leftovers import Facts, Version, remains

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook


def find_remains(hook: "TracesHook", run: str, *, jobs: Sequence[Answer], server_ids: Sequence[str]) -> dict[str, str]:
    """Return everything that is still there of one run's drill, by id with what it is; a few requests.

    :param run: the run's key
    :param jobs: its jobs
    :param server_ids: the source servers that it may have launched
    """
    mine = set(server_ids)
    templates = hook.templates_with_more_versions() if server_ids else {}
    facts = Facts(
        jobs=jobs,
        instances=hook.recovery_instances(source_server_ids=server_ids) if jobs else (),
        servers=hook.source_servers(server_ids),
        resources=hook.marked(run),
        versions=[
            Version(template, int(item["VersionNumber"]), server, item["CreateTime"])
            for template, server in templates.items()
            if server in mine
            for item in hook.drill_versions(template)
        ],
    )
    return remains(facts, run)
