"""What a fleet file may get wrong although each value has the right form: names of nothing, things said twice."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from drs_simulator.protocol.validation import request_faults
from drs_simulator.quotas import QUOTAS
from drs_simulator.strict_input import nearest

if TYPE_CHECKING:
    from drs_simulator.fleet.model import Account, Fleet, RegionSpec


def problems_of(fleet: "Fleet") -> Iterator[str]:
    """Yield everything that is wrong between the parts of a fleet."""
    yield from _settings_problems(fleet)
    yield from _server_problems(fleet)
    for account in fleet.accounts:
        for region in account.regions:
            yield from _region_problems(account, region)


def _settings_problems(fleet: "Fleet") -> Iterator[str]:
    """What only AWS's own model knows to be wrong."""
    accounts = {account.id for account in fleet.accounts}
    for account, region, server in fleet.servers():
        where = f"{account.id}/{region.name}: server {server.hostname!r}"
        given = {"sourceServerID": server.id, **server.launch_configuration}
        for member, wrong in request_faults("UpdateLaunchConfiguration", given) if server.launch_configuration else ():
            yield f"{where}: launch_configuration.{member}: {wrong}"
        if server.staging_account and server.staging_account not in accounts:
            yield f"{where}: staging_account: no account {server.staging_account} in the fleet"


def _server_problems(fleet: "Fleet") -> Iterator[str]:
    seen: dict[str, str] = {}
    for account, region, server in fleet.servers():
        where = f"{account.id}/{region.name}: server {server.hostname!r}"
        if server.id in seen:
            yield f"{where}: the id {server.id} is taken by {seen[server.id]}"
        seen[str(server.id)] = f"{account.id}/{region.name} {server.hostname!r}"
        names = {name for network in region.all_networks for name in network.subnets}
        subnet = server.launch.subnet
        if subnet and not subnet.startswith("subnet-") and subnet not in names:
            known = ", ".join(sorted(names)) or "none: the Region has no network"
            yield f"{where}: launch.subnet: no subnet {subnet!r} (known: {known})"


def _region_problems(account: "Account", region: "RegionSpec") -> Iterator[str]:
    where = f"{account.id}/{region.name}"
    for name, times in Counter(name for network in region.all_networks for name in network.subnets).items():
        if times > 1:
            yield f"{where}: networks: {times} subnets are called {name!r}"
    for code in region.quotas:
        if code not in QUOTAS:
            yield f"{where}: quotas: no quota {code!r}{nearest(code, sorted(QUOTAS))}"
    names = {name for server in region.servers for each in server.each() for name in (each.hostname, str(each.id))}
    owners = Counter(instance.server for instance in region.recovery_instances)
    for server, times in owners.items():
        if server not in names:
            yield f"{where}: recovery_instances: no server {server!r}"
        elif times > 1:
            yield f"{where}: recovery_instances: {server!r} has {times}: a server has one recovery instance at most"
