"""What the judge of a circle says of doctored looks."""

from random import Random

from benchmarks.chaos.effects import EFFECTS
from benchmarks.circle.judge import Live, Rest, launched_more_than_once, not_live, unlike
from benchmarks.circle.misfortune import faults
from benchmarks.circle.plans import fleet

REST = Rest({"s-1": "FAILOVER CONTINUOUS"}, {"db1": 1}, {"Vpcs": 1})


def test_a_server_without_a_copy_is_named_once_with_the_first_moment():
    looks = [Live(1, {"db1": 1, "web1": 2}), Live(2, {"db1": 0, "web1": 1}), Live(3, {"web1": 1})]

    assert list(not_live(looks, ["db1", "web1"])) == ["db1 had no running copy after 2 s"]


def test_an_account_that_is_as_it_was_says_nothing():
    assert list(unlike("us-west-2", REST, Rest({"s-1": "FAILOVER CONTINUOUS"}, {"db1": 1}, {"Vpcs": 1}))) == []


def test_what_a_circle_has_left_or_taken_is_named():
    after = Rest({"s-1": "FAILOVER STALLED", "s-2": "FAILBACK CONTINUOUS"}, {"db1": 2}, {"Vpcs": 2})

    assert list(unlike("us-west-2", REST, after)) == [
        "us-west-2: source server s-1: FAILOVER CONTINUOUS before, FAILOVER STALLED after",
        "us-west-2: source server s-2: None before, FAILBACK CONTINUOUS after",
        "us-west-2: running instances of db1: 1 before, 2 after",
        "us-west-2: number of Vpcs: 1 before, 2 after",
    ]


def test_a_second_launch_of_a_run_is_named():
    launches = [("r1", "s-1"), ("r1", "s-2"), ("r2", "s-1"), ("r1", "s-1")]

    assert list(launched_more_than_once(launches)) == ["s-1 was launched 2 times in r1"]


def test_a_fleet_has_as_many_servers_as_were_asked_for():
    for servers in (3, 10, 100, 101):
        (region,) = [region for region in fleet(servers)["accounts"][0]["regions"] if "servers" in region]
        assert sum(tier["count"] for tier in region["servers"]) == max(servers, 3)


def test_what_goes_wrong_follows_the_seed_and_touches_only_calls_that_change_something():
    found = [list(faults(Random(seed))) for seed in range(50)]

    assert list(faults(Random(7))) == found[7]
    assert len({str(faults_of) for faults_of in found}) == 50
    assert {fault["do"] for faults_of in found for fault in faults_of} == {"commit_then_drop", "throttle"}
    assert {(fault["service"], fault["operation"]) for of in found for fault in of} <= EFFECTS.keys()
