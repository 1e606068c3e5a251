"""Looking for servers that DRS would launch into an instance that is there already."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.existing_instance import ExistingInstance, existing_instance, into_source_by_default
from drs_provider.rules.servers import hostname_of

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook


def existing_instances(
    hook: "DrsHook",
    servers: Sequence[str],
    *,
    configurations: Mapping[str, Answer],
    sources: Sequence[Answer] | None = None,
) -> dict[str, ExistingInstance]:
    """Return into which existing instances DRS would launch servers, by server id.

    :param configurations: the servers' launch configurations, by id
    :param sources: items of DescribeSourceServers where they were read already: the account's default is then asked
        only where it can hold; None: they are asked where they decide
    """
    if sources is None:
        default = into_source_by_default(hook.launch_templates())
        sources = hook.source_servers(servers) if default else ()
        return _found(hook.region, servers, configurations, sources, default=default)
    found = _found(hook.region, servers, configurations, sources, default=True)
    if all(existing.by == "server" for existing in found.values()):
        return found  # whatever the account's default is: it holds for none of them
    default = into_source_by_default(hook.launch_templates())
    return _found(hook.region, servers, configurations, sources, default=default)


def _found(
    region: str,
    servers: Sequence[str],
    configurations: Mapping[str, Answer],
    sources: Sequence[Answer],
    *,
    default: bool,
) -> dict[str, ExistingInstance]:
    known = {str(source["sourceServerID"]): source for source in sources}
    found = {
        server: existing_instance(known.get(server), configurations.get(server) or {}, default=default, region=region)
        for server in servers
    }
    return {server: existing for server, existing in found.items() if existing is not None}


def ensure_new_instances(hook: "DrsHook", servers: Sequence[str]) -> None:
    """Refuse a drill of servers that DRS would launch into existing instances; asked right before the launch.

    :raises RunRefused: there are such servers; nothing was started
    """
    found = existing_instances(hook, servers, configurations=hook.launch_configurations(servers))
    if not found:
        return
    described = hook.source_servers(tuple(found))
    names = {str(source["sourceServerID"]): source for source in described}
    said = [
        f"{hostname_of(names.get(server), server)} ({server}): {existing.words}; {existing.remedy}"
        for server, existing in found.items()
    ]
    raise RunRefused(
        f"a drill launches new instances only, and nothing of this job was started: {some(said, MANY)}, or leave these "
        "servers out"
    )
