"""A fleet made from a plan: the simulator takes it, and the plan finds in it what it names."""

from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.rehearsal.fleet import supposed_fleet
from drs_provider.rules.run.roster import Target, matches
from drs_simulator.fleet.file import parsed


def plan(**more):
    return RecoveryPlan.model_validate(
        {"kind": "RecoveryPlan", "name": "shop", "waves": [{"name": "all", "groups": ["db"]}], **more}
    )


def group(name="db", **more):
    return ProtectionGroup.model_validate({"kind": "ProtectionGroup", "name": name, **more})


def made(*groups, of=None, selected=2):
    fleet = supposed_fleet(
        of or plan(), {group.name: group for group in groups}, selected=selected, default_region="us-west-2"
    )
    return fleet, parsed(fleet.content)


def test_named_servers_keep_their_ids():
    fleet, read = made(group(servers=["s-00000000000000001"], region="eu-central-1"))
    assert [(account.id, region.name, server.id, server.hostname) for account, region, server in read.servers()] == [
        ("111122223333", "eu-central-1", "s-00000000000000001", "db-1")
    ]
    assert fleet.regions == {Target("aws_default", "eu-central-1"): ("111122223333", "eu-central-1")}
    assert fleet.assumptions == ("every server replicates without trouble and lags 2 s behind",)


def test_every_connection_is_an_account_of_its_own():
    fleet, read = made(
        group(servers=["s-00000000000000001"]),
        group("web", servers=["s-00000000000000002"], aws_conn_id="there", region="eu-central-1"),
    )
    assert [account.id for account in read.accounts] == ["111122223333", "111122223334"]
    assert fleet.regions == {
        Target("aws_default", ""): ("111122223333", "us-west-2"),
        Target("there", "eu-central-1"): ("111122223334", "eu-central-1"),
    }
    assert "the Region of connection aws_default is us-west-2" in fleet.assumptions


def test_groups_by_tag_find_as_many_as_are_supposed():
    one = group(select={"tags": {"App": "shop", "Tier": ["db", "cache-*"]}, "not": {"tags": {"Tier": "db"}}})
    fleet, read = made(one, selected=3)
    tags = [dict(server.tags) for _, _, server in read.servers()]
    assert tags == [{"App": "shop", "Tier": "cache-x"}] * 3
    assert all(matches(found, one.select.model_dump(by_alias=True, exclude_none=True)) for found in tags)
    assert "group db: 3 servers found by tag (a guess)" in fleet.assumptions


def test_a_select_that_can_find_nothing_is_said():
    fleet, read = made(group(select={"tags": {"App": "shop"}, "not": {"tags": {"App": "s*"}}}))
    assert list(read.servers()) == []
    assert "group db: no server can match its select, because its 'not' matches them all" in fleet.assumptions


def test_networks_and_profiles_have_the_ids_that_the_plan_names():
    one = group(
        servers=[
            {"id": "s-00000000000000001", "launch": {"subnet_id": "subnet-0bbbbbbbb", "private_ip": "10.77.33.9"}}
        ],
        launch={
            "subnet_id": "subnet-0aaaaaaaa",
            "security_group_ids": ["sg-0aaaaaaaa"],
            "instance_profile": "shop",
            "fallback": {"subnet_ids": ["subnet-0cccccccc"]},
        },
        drill_launch={"subnet_id": "subnet-0dddddddd"},
    )
    _, read = made(one, of=plan(drill={"network": {"vpc": "vpc-0ddddddd1"}}))
    (account,) = read.accounts
    (region,) = account.regions
    assert account.instance_profiles == ("shop",)
    assert set(region.network.subnet_ids.values()) == {"subnet-0aaaaaaaa", "subnet-0bbbbbbbb", "subnet-0cccccccc"}
    label = next(name for name, subnet_id in region.network.subnet_ids.items() if subnet_id == "subnet-0bbbbbbbb")
    assert region.network.subnets[label] == "10.77.32.0/20"
    assert set(region.network.security_groups) == {"sg-0aaaaaaaa"}
    (drill,) = region.networks
    assert (drill.vpc_id, list(drill.subnet_ids.values())) == ("vpc-0ddddddd1", ["subnet-0dddddddd"])
