"""What a run left about its drill and its drill networks, as the report's evidence has it."""

from drs_provider.report.evidence import DrillFacts, NetworkEvidence
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import (
    KeptDrill,
    NetworkProof,
    PreflightResult,
    PreparedNetwork,
    PreparedNetworks,
    RemovedNetworks,
    Untagged,
)
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.run.state import LeftDocuments

_SHARED = "drill.network is shared: drills land where the launch settings say, beside production"


def networks_of(left: LeftDocuments, shape: RunShape, purpose: Purpose) -> tuple[NetworkEvidence, ...]:
    """Give the drill networks of a run; one that launches into production's network by its nature has none."""
    if not purpose.uses_drill_network:
        return ()
    if not shape.has_network:
        return (NetworkEvidence(kind="shared", notes=(_SHARED,)),)
    removals = (
        found
        for task in names.tasks_that(left.snapshot.tasks, names.FINISH_GROUP, names.REMOVE_NETWORK)
        if (found := left.of(task, RemovedNetworks))
    )
    at_end = {proof.vpc_id: proof for found in removals for proof in found.proofs}
    return tuple(
        _network(prepared, network, at_end.get(network.vpc_id))
        for task in shape.network_tasks
        if (prepared := left.of(task, PreparedNetworks))
        for network in prepared.networks
    )


def _network(prepared: PreparedNetworks, network: PreparedNetwork, at_end: NetworkProof | None) -> NetworkEvidence:
    proof = network.proof
    later = tuple(leak for leak in at_end.leaks if leak not in proof.leaks) if at_end else ()
    return NetworkEvidence(
        kind=prepared.kind,
        region=prepared.region,
        production_vpc=network.production_vpc,
        vpc_id=network.vpc_id,
        checked_at=prepared.checked_at,
        isolated=proof.isolated,
        leaks=(*proof.leaks, *later),
        looked_at=proof.looked_at,
        notes=(*network.notes, *proof.notes),
        isolated_at_end=at_end.isolated if at_end else None,
        changed=at_end.changed if at_end else (),
    )


def drill_facts(
    left: LeftDocuments, shape: RunShape, preflight: PreflightResult | None, *, superseded: str | None
) -> DrillFacts:
    """Give what only concerns drills.

    :param superseded: which recovery took the drill's servers; None: none did
    """
    marks = [wave.tag_instances_task for wave in shape.waves if wave.tag_instances_task]
    untagged = [found for task in (*marks, names.KEEP_TASK) if (found := left.of(task, Untagged))]
    return DrillFacts(
        superseded=superseded,
        kept=left.of(names.KEEP_TASK, KeptDrill),
        untagged={resource: why for found in untagged for resource, why in found.resources.items()},
        estimated=preflight.cost if preflight else None,
        hourly=preflight.hourly if preflight else {},
        fingerprints=preflight.fingerprints if preflight else {},
    )
