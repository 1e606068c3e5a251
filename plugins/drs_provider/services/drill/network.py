"""Drill networks: from where servers would land to the networks that they land in instead, made, proven and removed."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from drs_provider.exceptions import DrillNetworkLeft, NotFound, NotIsolated, RunRefused
from drs_provider.hooks.drill_network import ENDPOINTS, DrillNetworkHook
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.rules.isolation.blueprint import Production, blueprint, copies_of
from drs_provider.rules.isolation.drill_placement import (
    KnownPlacement,
    Landing,
    ProductionPlacement,
    landings,
    standing_subnets,
)
from drs_provider.rules.isolation.facts import own_cidrs
from drs_provider.rules.isolation.proof import PROOF_LASTS, Proof, changed, prove
from drs_provider.rules.isolation.removal import name_prefix
from drs_provider.rules.launch.tags import RUN
from drs_provider.rules.run.handover import (
    DefaultPlace,
    NetworkProof,
    PreparedNetwork,
    PreparedNetworks,
    ProofsBeforeRemoval,
    RemovedNetworks,
    RemovedSoFar,
)
from drs_provider.rules.settings.values import live_settings
from drs_provider.services.store import Store, load, save

ISOLATED: Final = "isolated"

log = logging.getLogger(__name__)


def placements_of(hook: LaunchSettingsHook, server_ids: Sequence[str]) -> dict[str, KnownPlacement]:
    """Return where servers would land by their launch settings: what the template's default version says of it."""
    found = hook.launch_configurations(server_ids)
    templates = {server: configuration.get("ec2LaunchTemplateID") for server, configuration in found.items()}
    versions = hook.template_versions((name, None) for name in templates.values() if name)
    places = {}
    for server, name in templates.items():
        version = versions.get((name, None)) if name else None
        settings = live_settings(found[server], version.data if version else {})
        places[server] = KnownPlacement(
            settings["subnet_id"], settings["security_group_ids"] or (), interfaces=settings["interfaces"]
        )
    return places


@dataclass(frozen=True)
class _Made:
    """What stands for a network of production: ids of the drill by those of production."""

    vpc_id: str
    subnets: dict[str, str]
    groups: dict[str, str]
    proof: Proof
    notes: Sequence[str]


class NetworkPreparation:
    """Prepare the drill networks of one account and Region.

    :param network: ``isolated``, or the id of a standing drill network
    :param tags: of everything that is made; see ``rules.launch.tags.drill_tags``
    :param endpoints: whether an isolated network gets the private endpoints that steps on instances need
    :param is_continued: whether the tags name another run, whose networks may be there, whole or in part
    """

    def __init__(
        self,
        hook: DrillNetworkHook,
        *,
        network: str,
        tags: Mapping[str, str],
        endpoints: bool = False,
        is_continued: bool = False,
    ) -> None:
        self.hook, self.network, self.tags, self.endpoints = hook, network, tags, endpoints
        self.is_continued = is_continued

    def prepare(
        self, placements: Mapping[str, ProductionPlacement], *, now: Callable[[], datetime]
    ) -> PreparedNetworks:
        """Look, make and prove. A leak is in what is returned, and is no error here.

        :param placements: where servers would land, by server id
        """
        if self.is_continued:
            # First of all: what the other run has made must not expire while this one uses it.
            self.hook.prolong(self.tags)
        default = self.hook.default_vpc()
        where = landings(self._resolved(placements, default).values())
        parts = tuple(self._part(landing, is_default=landing.vpc_id == default) for landing in where)
        return PreparedNetworks(
            kind="isolated" if self.network == ISOLATED else "standing",
            region=self.hook.region,
            checked_at=now(),
            networks=parts,
        )

    def _resolved(
        self, placements: Mapping[str, ProductionPlacement], default: str | None
    ) -> dict[str, KnownPlacement]:
        """Fill in the VPC of every placement: its subnet's, else the default VPC, where DRS then launches."""
        unknown = sorted({place.subnet_id for place in placements.values() if place.subnet_id and not place.vpc_id})
        vpcs = self.hook.vpc_of_subnets(unknown)
        found = {}
        for server, place in placements.items():
            subnet = place.subnet_id
            vpc = place.vpc_id or (vpcs.get(subnet) if subnet else default)
            if vpc is None:
                what = f"subnet {subnet}, which does not exist" if subnet else "no subnet, and there is no default VPC"
                raise RunRefused(
                    f"{server}: its launch settings name {what}, so its drill network cannot be derived. "
                    "Set launch.subnet_id, or the subnet in its EC2 launch template"
                )
            found[server] = replace(KnownPlacement.of(place), vpc_id=vpc)
        return found

    def _part(self, landing: Landing, *, is_default: bool) -> PreparedNetwork:
        vpc_id = str(landing.vpc_id)
        production = self.hook.production(vpc_id, landing.groups)
        default_subnet = _default_subnet(production) if is_default else None
        subnets = sorted({*landing.subnets, *([default_subnet] if default_subnet else [])})
        self._ensure_known(production, subnets, landing.groups)
        made = (self._isolated if self.network == ISOLATED else self._standing)(production, subnets)
        default_group = made.groups.get(
            next(str(group["GroupId"]) for group in production.groups if group["GroupName"] == "default")
        )
        return PreparedNetwork(
            production_vpc=vpc_id,
            is_default_vpc=is_default,
            vpc_id=made.vpc_id,
            cidrs=self.hook.cidrs_of_subnets([*subnets, *made.subnets.values()]),
            subnets=made.subnets,
            security_groups=made.groups,
            default=DefaultPlace(
                subnet_id=made.subnets.get(default_subnet) if default_subnet else None,
                security_group_ids=(default_group,) if default_group else (),
            ),
            proof=NetworkProof.of(made.proof),
            notes=tuple(made.notes),
        )

    @staticmethod
    def _ensure_known(production: Production, subnets: Sequence[str], groups: Sequence[str]) -> None:
        known = {str(subnet["SubnetId"]) for subnet in production.subnets}
        known |= {str(group["GroupId"]) for group in production.groups}
        missing = [name for name in (*subnets, *groups) if name not in known]
        if missing:
            raise RunRefused(
                f"VPC {production.vpc['VpcId']} has no {', '.join(missing)}, which launch settings name: a recovery "
                "would fail there too. Correct the launch settings"
            )

    def _isolated(self, production: Production, subnets: Sequence[str]) -> _Made:
        plan = blueprint(production, subnets, endpoints=self.endpoints)
        vpc, subnet_ids, group_ids = self.hook.make(plan, self.tags, endpoints=ENDPOINTS if self.endpoints else ())
        return _Made(vpc, subnet_ids, group_ids, prove(self.hook.network_facts(vpc)), plan.notes)

    def _standing(self, production: Production, subnets: Sequence[str]) -> _Made:
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
            return _Made(self.network, subnet_ids, {}, proof, notes)
        if len(subnet_ids) < len(wanted):
            raise RunRefused(
                f"the standing drill network {self.network} has no subnet: give it one, in each zone that is used"
            )
        cidrs = [own for own in own_cidrs(facts.vpc) if ":" not in own]
        groups = [
            replace(group, name=f"{name_prefix(self.tags[RUN])}{group.copy_of}")
            for group in copies_of(production, cidrs)
        ]
        return _Made(self.network, subnet_ids, self.hook.make_groups(self.network, groups, self.tags), proof, notes)


def describe(prepared: PreparedNetworks) -> Iterable[str]:
    """Say what stands for which network of production, and what was found about it, line by line."""
    for network in prepared.networks:
        proof = network.proof
        verdict = "isolated" if proof.isolated else f"{len(proof.leaks)} ways out"
        looked = sum(proof.looked_at.values())
        yield (
            f"{network.vpc_id} stands for {network.production_vpc}: {verdict}, by {looked} answers of "
            f"{len(proof.looked_at)} kinds"
        )
        yield from (f"  {note}" for note in (*network.notes, *proof.notes))


def ensure_prepared(prepared: PreparedNetworks | None, task_id: str) -> PreparedNetworks:
    """Return the networks that a task has prepared.

    :raises RunRefused: there is none, or it leads out: a task that was marked as successful has prepared nothing
    """
    if prepared is None or not prepared.is_isolated:
        raise RunRefused(
            f"{task_id} has not prepared an isolated network in this run (a task that is marked as successful prepares "
            f"nothing): nothing is launched. Clear {task_id} to prepare it"
        )
    return prepared


def ensure_still_isolated(hook: Callable[[], DrillNetworkHook], prepared: PreparedNetworks, *, now: datetime) -> None:
    """Prove networks anew where the last proof is older than ``PROOF_LASTS``; for what is about to launch into them.

    :param hook: makes the hook of their account and Region; not called where nothing is proven
    :raises NotIsolated: there is a way out now
    """
    if now < prepared.checked_at + PROOF_LASTS:
        return
    proofs = prove_again(hook(), prepared)
    if leaks := {proof.vpc_id: proof.ways_out for proof in proofs if not proof.isolated}:
        raise NotIsolated(leaks)


def prove_again(hook: DrillNetworkHook, prepared: PreparedNetworks) -> tuple[NetworkProof, ...]:
    """Prove networks anew, and say what differs from when they were prepared. A network that is gone is left out."""
    proofs = []
    for network in prepared.networks:
        try:
            proof = prove(hook.network_facts(network.vpc_id))
        except NotFound:
            continue
        proofs.append(NetworkProof.of(proof, changed(network.proof.prints, proof.prints)))
    return tuple(proofs)


def prove_before_removal(hook: DrillNetworkHook, prepared: PreparedNetworks | None, store: Store) -> None:
    """Look before anything is removed, once: a later try of the task finds a part of the network gone."""
    if prepared is None or load(store, ProofsBeforeRemoval) is not None:
        return
    proofs = prove_again(hook, prepared)
    for proof in proofs:
        if proof.changed:
            log.warning("%s has changed since it was proven: %s", proof.vpc_id, ", ".join(proof.changed))
    save(store, ProofsBeforeRemoval(proofs=proofs))


def remove_networks(hook: DrillNetworkHook, runs: Sequence[str], store: Store) -> RemovedNetworks:
    """Remove what can be removed now of everything that runs made; may be called any number of times.

    :param runs: keys of the run and of those that it continues
    """
    gone: list[str] = []
    left: dict[str, str] = {}
    for run in runs:
        removed_now, still = _removed(hook, run)
        gone += removed_now
        left |= still
    before = load(store, RemovedSoFar) or RemovedSoFar()
    removed = (*before.removed, *gone)
    save(store, RemovedSoFar(removed=removed))
    proofs = load(store, ProofsBeforeRemoval) or ProofsBeforeRemoval()
    for name, why in left.items():
        log.info("%s is still there: %s", name, why)
    return RemovedNetworks(removed=removed, left=left, proofs=proofs.proofs)


def ensure_removed(result: RemovedNetworks) -> None:
    """See that a removal has ended well.

    :raises DrillNetworkLeft: something is still there
    :raises NotIsolated: everything is gone, and a network was opened while the drill ran
    """
    if result.left:
        raise DrillNetworkLeft(result.left)
    log.info("%d parts were removed; nothing of the run is left", len(result.removed))
    if result.opened:
        raise NotIsolated(result.opened, launched=True)


def _removed(hook: DrillNetworkHook, run: str) -> tuple[list[str], dict[str, str]]:
    """Remove as long as it gets less: what holds a VPC goes in the round before."""
    gone: list[str] = []
    while True:
        removed, left = hook.remove(run)
        gone += removed
        if not left or not removed:
            return gone, left


def _default_subnet(production: Production) -> str | None:
    """Return the subnet that a launch without a subnet gets: the default one of the first zone."""
    found = sorted(
        (str(subnet["AvailabilityZone"]), str(subnet["SubnetId"]))
        for subnet in production.subnets
        if subnet.get("DefaultForAz")
    )
    return found[0][1] if found else None
