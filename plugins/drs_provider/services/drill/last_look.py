"""The last look of a drill: whether anything that is its own is left in an account and Region."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.leftovers import DefaultVersion, Facts, Version, remains
from drs_provider.rules.settings.overtaken import places_named

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook


def find_remains(
    hook: "TracesHook",
    runs: Sequence[str],
    *,
    jobs: Sequence[Answer],
    server_ids: Sequence[str],
    places: Collection[str] = (),
) -> dict[str, str]:
    """Return everything that is still there of one run's drill, by id with what it is; a few requests.

    :param runs: keys of the run and of those that it continues
    :param jobs: its jobs
    :param server_ids: the source servers that it may have launched
    :param places: ids of the subnets and security groups of its drill networks
    """
    mine = set(server_ids)
    templates = hook.templates_with_more_versions() if server_ids else {}
    facts = Facts(
        jobs=jobs,
        instances=hook.recovery_instances(source_server_ids=server_ids) if jobs else (),
        servers=hook.source_servers(server_ids),
        resources=[resource for run in runs for resource in hook.marked(run)],
        versions=[
            Version(template, int(item["VersionNumber"]), server, item["CreateTime"])
            for template, server in templates.items()
            if server in mine
            for item in hook.drill_versions(template)
        ],
        defaults=_defaults_of_drill(hook, server_ids, places),
    )
    return remains(facts, runs)


def _defaults_of_drill(
    hook: "TracesHook", server_ids: Sequence[str], places: Collection[str]
) -> tuple[DefaultVersion, ...]:
    """Return the default versions that name a place of the drill: made by others, on top of the drill's."""
    if not places or not server_ids:
        return ()
    found = []
    for server, version in hook.defaults_of(set(server_ids)).items():
        if names := tuple(name for name in places_named(version.data) if name in places):
            found.append(DefaultVersion(version.template_id, version.number, server, names, version.made_at))
    return tuple(found)
