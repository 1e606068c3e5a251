"""What the report says of the networks that a drill was launched into."""

import pytest
from drs_provider.formatting import still_there
from drs_provider.report.evidence import CleanupEvidence, NetworkEvidence
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.rules.isolation.facts import Leak
from kit.evidence import a_passed_drill

GOOD = NetworkEvidence(
    kind="isolated",
    region="us-west-2",
    production_vpc="vpc-prod",
    vpc_id="vpc-drill",
    isolated=True,
    isolated_at_end=True,
    looked_at={"route_tables": 1, "vpc": 1},
    notes=("a note",),
)
LEAK = Leak(path="VPC vpc-drill → <b>igw-1", what="the internet is one route away", next_step="Detach igw-1")


def report_of(*networks, **more):
    return measure(a_passed_drill().model_copy(update={"networks": networks, **more}))


@pytest.mark.parametrize(
    ("network", "verdict", "why"),
    [
        (GOOD, "passed", None),
        (GOOD.model_copy(update={"isolated_at_end": None}), "passed", None),
        (NetworkEvidence(kind="shared"), "passed", None),
        (
            GOOD.model_copy(update={"changed": ("route tables",)}),
            "completed_with_exceptions",
            "Drill network vpc-drill was changed while the drill ran: route tables.",
        ),
        (
            GOOD.model_copy(update={"isolated_at_end": False, "leaks": (LEAK,)}),
            "failed",
            "Drill network vpc-drill was opened while the drill ran.",
        ),
    ],
)
def test_a_network_that_did_not_stay_as_it_was_proven_shows_in_the_verdict(network, verdict, why):
    report = report_of(network)

    assert report.verdict == verdict
    assert why is None or report.verdict_reason == why


def test_parts_of_a_network_that_are_left_make_the_drill_fail():
    left = CleanupEvidence(state="incomplete", left={"i-1": "it runs", "vpc-1": "parts of it are still there"})

    assert report_of(cleanup=left).verdict_reason == (
        "1 drill instance and 1 part of the drill network are still there."
    )


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["i-1"], "1 drill instance is still there"),
        (["i-1", "i-2"], "2 drill instances are still there"),
        (["vpc-1"], "1 part of the drill network is still there"),
        (
            ["i-1", "vpce-1", "vol-1", "lt-1:2"],
            "1 drill instance and 1 part of the drill network and 2 other things of the drill are still there",
        ),
        (["vpc-1", "sg-1", "i-1"], "1 drill instance and 2 parts of the drill network are still there"),
    ],
)
def test_what_is_left_is_counted_by_what_it_is(ids, said):
    assert still_there(ids) == said


def test_the_page_shows_the_proof_and_every_way_out():
    page = render(report_of(GOOD, GOOD.model_copy(update={"isolated": False, "leaks": (LEAK,)})))

    assert "✓ isolated" in page
    assert "✕ 1 way out" in page
    assert "VPC vpc-drill → &lt;b&gt;igw-1" in page
    assert "route tables: 1, vpc: 1" in page


def test_the_page_of_a_shared_network_says_so():
    assert "! shared with production" in render(report_of(NetworkEvidence(kind="shared", notes=("beside production",))))
