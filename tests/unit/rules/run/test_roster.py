"""Groups resolved against what DRS knows: who is launched, and what speaks against it."""

import pytest
from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.run.roster import Place, Target, call_roll, named_twice, natural

HERE = Target("aws_default", "us-west-2")


def sid(number):
    return f"s-{number:017d}"


def source(number, hostname, **tags):
    return {
        "sourceServerID": sid(number),
        "tags": tags,
        "sourceProperties": {"identificationHints": {"hostname": hostname}},
    }


FOUND = {
    HERE: [
        source(1, "db1", Tier="db"),
        source(2, "db2", Tier="db"),
        source(10, "web10", Tier="web"),
        source(3, "web2", Tier="web"),
        source(4, "web1", Tier="web", Dr="excluded"),
    ]
}


def group(name, *, servers=(), select=None):
    written = {"kind": "ProtectionGroup", "name": name, "region": "us-west-2", "servers": list(servers)}
    return ProtectionGroup.model_validate({**written, **({"select": select} if select else {})})


WAVES = {"database": ["db"], "web": ["web"]}


def request(*, waves=("database", "web"), exclude=()):
    return {"chosen": waves, "exclude": exclude}


def roll(groups, asked=None, *, others=()):
    asked = asked or request()
    return call_roll({found.name: found for found in groups}, WAVES, FOUND, DRILL, **asked, other_groups=others)


DB = group("db", servers=[sid(1), sid(2)])
WEB = group("web", select={"tags": {"Tier": "web"}, "not": {"tags": {"Dr": "excluded"}}})


def test_named_members_keep_their_order_and_selected_ones_are_sorted_as_people_count():
    roster = roll([DB, WEB])

    assert {wave: [server.hostname for server in servers] for wave, servers in roster.waves.items()} == {
        "database": ["db1", "db2"],
        "web": ["web2", "web10"],
    }
    assert roster.problems == ()


def test_a_wave_that_was_not_chosen_launches_nothing():
    assert roll([DB, WEB], request(waves=["web"])).waves["database"] == ()


def test_a_wave_of_steps_alone_leaves_something_to_do():
    roster = call_roll({}, {"notify": []}, FOUND, DRILL)

    assert (roster.waves, roster.problems) == ({"notify": ()}, ())


@pytest.mark.parametrize("name", ["db2", sid(2)], ids=["hostname", "id"])
def test_an_excluded_server_is_left_out_by_hostname_or_by_id(name):
    roster = roll([DB, WEB], request(exclude=[name]))

    assert [server.hostname for server in roster.waves["database"]] == ["db1"]
    assert [server.hostname for server in roster.excluded] == ["db2"]


def test_a_named_server_that_drs_does_not_list_is_kept_and_marked():
    roster = roll([group("db", servers=[sid(1), sid(99)]), WEB])

    assert [(server.hostname, server.known) for server in roster.waves["database"]] == [("db1", True), (sid(99), False)]


@pytest.mark.parametrize(
    ("groups", "asked", "others", "said"),
    [
        pytest.param(
            [DB, group("web", select={"tags": {"Tier": "mail"}})],
            request(),
            (),
            [
                (
                    "group web: no source server in us-west-2 of connection aws_default has the tags Tier=mail: "
                    "check the tags of the source servers in DRS, and the group's region and aws_conn_id"
                )
            ],
            id="a selection that finds nothing",
        ),
        pytest.param(
            [DB, group("web", select={"tags": {"Tier": ["web", "db"]}})],
            request(),
            (),
            [
                f"db1 ({sid(1)}) is in 2 groups, db and web: a server belongs to one; change a tag or a selection",
                f"db2 ({sid(2)}) is in 2 groups, db and web: a server belongs to one; change a tag or a selection",
            ],
            id="a selection that finds another group's members",
        ),
        pytest.param(
            [DB, WEB],
            request(),
            [group("crm", select={"tags": {"Tier": "d*"}})],
            [
                f"db1 ({sid(1)}) is in 2 groups, db and crm: a server belongs to one; change a tag or a selection",
                f"db2 ({sid(2)}) is in 2 groups, db and crm: a server belongs to one; change a tag or a selection",
            ],
            id="a selection of another plan",
        ),
        pytest.param(
            [DB, WEB],
            request(exclude=["db3"]),
            (),
            ["exclude_servers: no server called 'db3' (did you mean 'db2'?)"],
            id="an excluded server that does not exist",
        ),
        pytest.param(
            [DB, WEB],
            request(waves=["database"], exclude=["db1", "db2"]),
            (),
            ["nothing is left to launch: the chosen waves and excluded servers leave no server"],
            id="nobody left",
        ),
    ],
)
def test_a_roster_that_may_not_run_says_why(groups, asked, others, said):
    assert list(roll(groups, asked, others=others).problems) == said


def test_servers_are_counted_as_people_count():
    assert sorted(["web10", "web2", "web1", "db1", "web2b"], key=natural) == ["db1", "web1", "web2", "web2b", "web10"]


BARE, OTHER = Target("aws_default", ""), Target("aws_other", "us-west-2")
ACCOUNT = Place("111122223333", "us-west-2")
ELSEWHERE = Place("444455556666", "us-west-2")


def twins(target, place, *, is_of_another_plan=False):
    """Two groups that find the same servers, the second one by another connection or without a Region."""
    one = group("db", select={"tags": {"Tier": "db"}})
    two = one.model_copy(update={"name": "twin", "aws_conn_id": target.aws_conn_id, "region": target.region or None})
    waves = {"first": ["db"], "second": [] if is_of_another_plan else ["twin"]}
    groups = {"db": one} if is_of_another_plan else {"db": one, "twin": two}
    return call_roll(
        groups,
        waves,
        {HERE: FOUND[HERE], target: FOUND[HERE]},
        DRILL,
        other_groups=[two] if is_of_another_plan else (),
        places={HERE: ACCOUNT, target: place},
    )


@pytest.mark.parametrize("is_of_another_plan", [False, True])
@pytest.mark.parametrize("target", [BARE, OTHER], ids=["the connection's Region", "two connections of one account"])
def test_a_server_is_one_server_however_its_account_and_region_are_named(target, is_of_another_plan):
    roster = twins(target, ACCOUNT, is_of_another_plan=is_of_another_plan)

    assert list(roster.problems) == [
        f"{name} ({sid(number)}) is in 2 groups, db and twin ({HERE} and {target} are both us-west-2 of account "
        "111122223333): a server belongs to one; change a tag or a selection"
        for number, name in ((1, "db1"), (2, "db2"))
    ]


def test_servers_of_two_accounts_are_never_taken_for_one():
    assert twins(OTHER, ELSEWHERE).problems == ()


def test_accounts_and_regions_that_are_named_in_two_ways_are_found():
    assert named_twice({HERE: ACCOUNT, BARE: ACCOUNT, OTHER: ELSEWHERE}) == {ACCOUNT: (HERE, BARE)}
    assert named_twice({HERE: ACCOUNT, OTHER: ELSEWHERE}) == {}
