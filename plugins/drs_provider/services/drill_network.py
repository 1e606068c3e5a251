"""From where servers would land to the networks that they land in instead: looked at, made and proven."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from drs_provider.exceptions import NotFound, RunRefused
from drs_provider.hooks.drill_network import ENDPOINTS, DrillNetworkHook
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.rules.isolation.blueprint import Production, blueprint, copies_of
from drs_provider.rules.isolation.facts import own_cidrs
from drs_provider.rules.isolation.network_mapping import Landing, landings, network_json, standing_subnets
from drs_provider.rules.isolation.proof import Proof, changed, prove
from drs_provider.rules.launch.tags import RUN
from drs_provider.rules.settings.values import live_settings

ISOLATED = "isolated"


def placements_of(hook: LaunchSettingsHook, server_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return where servers would land by their launch settings: subnet and groups of the template's default version."""
    found = hook.launch_configurations(server_ids)
    templates = {server: configuration.get("ec2LaunchTemplateID") for server, configuration in found.items()}
    versions = hook.template_versions((name, None) for name in templates.values() if name)
    places = {}
    for server, name in templates.items():
        version = versions.get((name, None)) if name else None
        settings = live_settings(found[server], version.data if version else {})
        places[server] = {
            "subnet_id": settings["subnet_id"],
            "security_group_ids": settings["security_group_ids"] or (),
            "vpc_id": None,
            "availability_zone": None,
        }
    return places


class Preparing:
    """Prepare the drill networks of one account and Region.

    :param network: ``isolated``, or the id of a standing drill network
    :param tags: of everything that is made; see ``recovery.identity.drill_tags``
    :param endpoints: whether an isolated network gets the private endpoints that steps on instances need
    """

    def __init__(
        self, hook: DrillNetworkHook, *, network: str, tags: Mapping[str, str], endpoints: bool = False
    ) -> None:
        self.hook, self.network, self.tags, self.endpoints = hook, network, tags, endpoints

    def prepare(self, placements: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Look, make and prove; return the value of the XCom ``network``. A leak is in it, and is no error here."""
        default = self.hook.default_vpc()
        where = landings(self._resolved(placements, default).values())
        parts = [self._part(landing, is_default=landing.vpc_id == default) for landing in where]
        return {
            "kind": ISOLATED if self.network == ISOLATED else "standing",
            "region": self.hook.region,
            "checked_at": datetime.now(UTC).isoformat(),
            "networks": parts,
        }

    def _resolved(self, placements: Mapping[str, Mapping[str, Any]], default: str | None) -> dict[str, dict[str, Any]]:
        """Fill in the VPC of every placement: its subnet's, else the default VPC, where DRS then launches."""
        unknown = sorted(
            {place["subnet_id"] for place in placements.values() if place.get("subnet_id") and not place.get("vpc_id")}
        )
        vpcs = self.hook.vpc_of_subnets(unknown)
        found = {}
        for server, place in placements.items():
            subnet, vpc = place.get("subnet_id"), place.get("vpc_id")
            vpc = vpc or (vpcs.get(subnet) if subnet else default)
            if vpc is None:
                what = f"subnet {subnet}, which does not exist" if subnet else "no subnet, and there is no default VPC"
                raise RunRefused(
                    f"{server}: its launch settings name {what}, so nobody can say what its drill network should look "
                    "like. Set launch.subnet_id, or the subnet in its EC2 launch template"
                )
            found[server] = {**place, "vpc_id": vpc}
        return found

    def _part(self, landing: Landing, *, is_default: bool) -> dict[str, Any]:
        vpc_id = str(landing.vpc_id)
        production = self.hook.production(vpc_id, landing.groups)
        default_subnet = _default_subnet(production) if is_default else None
        subnets = sorted({*landing.subnets, *([default_subnet] if default_subnet else [])})
        self._ensure_known(production, subnets, landing.groups)
        make = self._isolated if self.network == ISOLATED else self._standing
        made, subnet_ids, group_ids, proof, notes = make(production, subnets)
        default_group = next(str(group["GroupId"]) for group in production.groups if group["GroupName"] == "default")
        return network_json(
            production_vpc=vpc_id,
            is_default=is_default,
            vpc_id=made,
            cidrs=self.hook.cidrs_of_subnets([*subnets, *subnet_ids.values()]),
            subnets=subnet_ids,
            groups=group_ids,
            default_subnet=subnet_ids.get(default_subnet) if default_subnet else None,
            default_group=group_ids.get(default_group),
            proof=proof.as_json(),
            notes=notes,
        )

    @staticmethod
    def _ensure_known(production: Production, subnets: Sequence[str], groups: Sequence[str]) -> None:
        known = {str(subnet["SubnetId"]) for subnet in production.subnets} | {
            str(group["GroupId"]) for group in production.groups
        }
        missing = [name for name in (*subnets, *groups) if name not in known]
        if missing:
            raise RunRefused(
                f"VPC {production.vpc['VpcId']} has no {', '.join(missing)}, which launch settings name: a recovery "
                "would fail there too. Correct the launch settings"
            )

    def _isolated(
        self, production: Production, subnets: Sequence[str]
    ) -> tuple[str, dict[str, str], dict[str, str], Proof, Sequence[str]]:
        plan = blueprint(production, subnets, endpoints=self.endpoints)
        vpc, subnet_ids, group_ids = self.hook.make(plan, self.tags, endpoints=ENDPOINTS if self.endpoints else ())
        return vpc, subnet_ids, group_ids, prove(self.hook.network_facts(vpc)), plan.notes

    def _standing(
        self, production: Production, subnets: Sequence[str]
    ) -> tuple[str, dict[str, str], dict[str, str], Proof, Sequence[str]]:
        """Prove first: nothing is made in a network that leads out."""
        if production.vpc["VpcId"] == self.network:
            raise RunRefused(
                f"drill.network names {self.network}, which is where the servers are recovered to: a drill network "
                "must be another VPC"
            )
        facts = self.hook.network_facts(self.network)
        proof = prove(facts)
        wanted = [subnet for subnet in production.subnets if subnet["SubnetId"] in subnets]
        subnet_ids, notes = standing_subnets(wanted, facts.subnets)
        if not proof.is_isolated:
            return self.network, subnet_ids, {}, proof, notes
        if len(subnet_ids) < len(wanted):
            raise RunRefused(
                f"the standing drill network {self.network} has no subnet: give it one, in each zone that is used"
            )
        cidrs = [own for own in own_cidrs(facts.vpc) if ":" not in own]
        groups = [
            replace(group, name=f"drill-{self.tags[RUN][:8]}-{group.copy_of}") for group in copies_of(production, cidrs)
        ]
        return self.network, subnet_ids, self.hook.make_groups(self.network, groups, self.tags), proof, notes


def leaks_of(network: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return every way out of the networks of an XCom ``network``, by VPC."""
    return {
        network_part["vpc_id"]: [
            f"{leak['path']}: {leak['what']}. {leak['next_step']}" for leak in network_part["proof"]["leaks"]
        ]
        for network_part in network["networks"]
        if not network_part["proof"]["isolated"]
    }


def prove_again(hook: DrillNetworkHook, network: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Prove networks anew; every proof also has ``changed``: what differs from when they were prepared, in words.

    A network that is gone is left out.
    """
    proofs = []
    for network_part in network["networks"]:
        try:
            proof = prove(hook.network_facts(network_part["vpc_id"]))
        except NotFound:
            continue
        differences = list(changed(network_part["proof"]["prints"], proof.prints))
        proofs.append({**proof.as_json(), "changed": differences})
    return proofs


def _default_subnet(production: Production) -> str | None:
    """Return the subnet that a launch without a subnet gets: the default one of the first zone."""
    found = sorted(
        (str(subnet["AvailabilityZone"]), str(subnet["SubnetId"]))
        for subnet in production.subnets
        if subnet.get("DefaultForAz")
    )
    return found[0][1] if found else None
