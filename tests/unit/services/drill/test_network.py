"""What is refused about a drill's network before a launch, and after its removal, without Airflow."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import DrillNetworkLeft, NotIsolated, RunRefused
from drs_provider.rules.isolation.facts import Leak
from drs_provider.rules.isolation.proof import PROOF_LASTS
from drs_provider.rules.run.handover import NetworkProof, PreparedNetwork, PreparedNetworks, RemovedNetworks
from drs_provider.services.drill.network import ensure_prepared, ensure_removed, ensure_still_isolated, remove_networks
from kit.fake_drs import MemoryStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEAK = Leak("VPC vpc-d → internet gateway igw-1", "the internet is one route away", "Detach igw-1")


def prepared(*leaks):
    proof = NetworkProof(vpc_id="vpc-d", isolated=not leaks, leaks=leaks)
    network = PreparedNetwork(production_vpc="vpc-p", vpc_id="vpc-d", proof=proof)
    return PreparedNetworks(kind="isolated", region="us-west-2", checked_at=NOW, networks=(network,))


@pytest.mark.parametrize("found", [None, prepared(LEAK)])
def test_a_network_that_nobody_prepared_or_that_leads_out_is_refused(found):
    with pytest.raises(RunRefused) as refused:
        ensure_prepared(found, "preflight.network")

    assert str(refused.value) == (
        "preflight.network has not prepared an isolated network in this run (a task that is marked as successful "
        "prepares nothing): nothing is launched. Clear preflight.network to prepare it"
    )


def test_a_young_proof_is_not_made_anew():
    def no_hook():
        raise AssertionError("nothing is to be asked")

    network = prepared()
    ensure_still_isolated(no_hook, network, now=NOW + PROOF_LASTS - timedelta(seconds=1))

    with pytest.raises(AssertionError):
        ensure_still_isolated(no_hook, network, now=NOW + PROOF_LASTS)


def test_what_is_removed_is_remembered_over_looks():
    class Hook:
        def __init__(self):
            self.answers = [
                (("subnet-1",), {"vpc-d": "in use by eni-1"}),
                ((), {"vpc-d": "in use by eni-1"}),
                (("vpc-d",), {}),
            ]

        def remove(self, run):
            return self.answers.pop(0)

    hook, store = Hook(), MemoryStore()

    assert remove_networks(hook, ["run"], store) == RemovedNetworks(
        removed=("subnet-1",), left={"vpc-d": "in use by eni-1"}
    )
    assert remove_networks(hook, ["run"], store) == RemovedNetworks(removed=("subnet-1", "vpc-d"))


def test_a_removal_ends_well_where_nothing_is_left_and_nothing_was_opened():
    opened = NetworkProof(vpc_id="vpc-d", isolated=False, leaks=(LEAK,))

    ensure_removed(RemovedNetworks(removed=("vpc-d",)))
    with pytest.raises(DrillNetworkLeft):
        ensure_removed(RemovedNetworks(left={"vpc-d": "in use by eni-1"}, proofs=(opened,)))
    with pytest.raises(NotIsolated) as refused:
        ensure_removed(RemovedNetworks(removed=("vpc-d",), proofs=(opened,)))
    assert refused.value.leaks == {"vpc-d": (str(LEAK),)}
