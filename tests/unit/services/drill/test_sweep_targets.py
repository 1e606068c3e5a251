"""Where the sweeper looks: what groups name, and the origins of plans that have failbacks."""

import pytest
from drs_provider.exceptions import ServiceUnavailable
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.roster import Target
from drs_provider.rules.servers import origin_region_of
from drs_provider.services.drill.sweep_targets import sweep_targets

HERE, THERE = Target("aws_default", "us-west-2"), Target("aws_there", "eu-central-1")
PLAN = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: mail
region: eu-central-1
aws_conn_id: aws_there
servers: [s-00000000000000002]
---
kind: RecoveryPlan
name: shop
failback: {}
waves: [{name: a, groups: [db, mail]}]
"""


def server(region, direction="FAILOVER"):
    return {"replicationDirection": direction, "sourceCloudProperties": {"originRegion": region}}


class Regions:
    """What DRS says in each place; ``asked``: where it was asked."""

    def __init__(self, **found):
        self.found, self.asked = found, []

    def __call__(self, target):
        self.asked.append(target)
        found = self.found[target.aws_conn_id]

        class Hook:
            def source_servers(self):
                if isinstance(found, Exception):
                    raise found
                return found

        return Hook()


@pytest.fixture
def library(tmp_path):
    def library(text):
        (tmp_path / "shop.yaml").write_text(text)
        found = read_folder(tmp_path)
        assert found.problems == ()
        return found

    return library


def test_without_a_failback_only_what_groups_name_is_swept(library):
    regions = Regions()

    assert set(sweep_targets(library(PLAN.replace("failback: {}\n", "")), regions)) == {HERE, THERE}
    assert regions.asked == []


def test_an_origin_that_the_plan_names_needs_no_question(library):
    regions = Regions()
    text = PLAN.replace("failback: {}", "failback: {origin: {region: us-east-1, aws_conn_id: aws_origin}}")

    assert set(sweep_targets(library(text), regions)) == {HERE, THERE, Target("aws_origin", "us-east-1")}
    assert regions.asked == []


def test_an_origin_that_the_plan_leaves_open_is_asked_for_where_servers_are_protected(library):
    regions = Regions(
        aws_default=[
            server("us-east-1"),
            server("us-east-1"),
            server("eu-west-1"),
            {},
            server("us-west-1", "FAILBACK"),
        ],
        aws_there=[server("eu-west-3")],
    )

    assert set(sweep_targets(library(PLAN), regions)) == {
        HERE,
        THERE,
        Target("aws_default", "us-east-1"),
        Target("aws_default", "eu-west-1"),
        Target("aws_there", "eu-west-3"),
    }
    assert set(regions.asked) == {HERE, THERE}


def test_one_place_that_does_not_answer_hides_nothing_of_the_others(library):
    down = ServiceUnavailable("DescribeSourceServers", "Down", "no answer")
    regions = Regions(aws_default=down, aws_there=[server("eu-west-3")])

    assert set(sweep_targets(library(PLAN), regions)) == {HERE, THERE, Target("aws_there", "eu-west-3")}


@pytest.mark.parametrize(
    ("answer", "region"),
    [
        ({}, ""),
        ({"sourceCloudProperties": None}, ""),
        ({"sourceCloudProperties": {}}, ""),
        (server("us-east-1"), "us-east-1"),
        (server("us-east-1", "FAILBACK"), ""),
    ],
)
def test_only_what_is_protected_has_an_origin(answer, region):
    assert origin_region_of(answer) == region
