"""``drs failback PLAN status``: the table of a plan's servers from several accounts, with places that do not answer."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.cli import failback
from drs_provider.cli.main import _parser
from drs_provider.exceptions import AccessDenied, Throttled
from kit.circles import A2, B1, B3, failback_server, instance, server

PLANS = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: web
region: eu-west-1
aws_conn_id: other
servers: [s-0000000000000000a]
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves: [{name: db, groups: [db]}, {name: web, groups: [web]}]
"""
AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
COPYING = failback_server("INITIAL_SYNC", copied=40)
COPYING["dataReplicationInfo"]["etaDateTime"] = (AT + timedelta(hours=3)).isoformat()
COPYING["dataReplicationInfo"]["lagDuration"] = "PT5M"


def named(hostname, **more):
    found = server(**more)
    found["sourceProperties"]["identificationHints"]["hostname"] = hostname
    return found


class Cloud:
    """What hooks of all places answer."""

    def __init__(self, **places):
        self.places = places

    def __call__(self, aws):
        region = aws["region_name"]
        answers = self.places[region.replace("-", "_")]
        return Hook(region, answers)


class Hook:
    def __init__(self, region, answers):
        self.region, self.answers = region, answers

    def _answer(self, name, default=()):
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers.get(name, default)

    def caller_account(self):
        return self._answer("account", "111122223333")

    def source_servers(self, ids=None):
        return self._answer("servers")

    def recovery_instances(self, *, source_server_ids):
        return [record for record in self._answer("instances") if record["sourceServerID"] in source_server_ids]

    def jobs_since(self, _):
        return ()

    def instance_states(self, ids):
        return dict.fromkeys(ids, "running")


WEST = {"servers": [named("db1")], "instances": [instance()]}
EAST = {"servers": [COPYING]}


def shown(tmp_path, capsys, cloud, *more):
    (tmp_path / "shop.yaml").write_text(PLANS)
    options = _parser().parse_args(["failback", "shop", "status", "--plans", str(tmp_path), *more])
    code = failback.run(options, hook_of=cloud, now=lambda: AT)
    return code, capsys.readouterr().out


def test_a_table_of_two_accounts_one_of_which_does_not_answer(tmp_path, capsys):
    refused = AccessDenied("DescribeSourceServers", "AccessDeniedException", "no")
    code, text = shown(tmp_path, capsys, Cloud(us_west_2=WEST, us_east_1=EAST, eu_west_1=refused))

    assert code == 1
    assert text == (
        "shop: 1 server\n"
        "  eu-west-1 of connection other does not answer, so where servers stand there is not known: "
        "DescribeSourceServers: AccessDeniedException: no (add the permission to the role of the Airflow connection; "
        "docs/permissions.md lists them all)\n"
        "  us-west-2 of connection aws_default\n"
        f"    {'server':23}  {'stage':23}  {'copy':50}  lag  left of the way back\n"
        f"    db1 {B1}  is copied to the origin  40 % of 100 bytes, about 3h left, as DRS estimates  5m   "
        f"{B3} {A2}\n"
    )


def test_an_origin_that_does_not_answer_hides_nothing_else(tmp_path, capsys):
    throttled = Throttled("DescribeSourceServers", "ThrottlingException", "slow down")
    europe = {"servers": [named("web1", name="s-0000000000000000a", origin=None)]}
    code, text = shown(
        tmp_path, capsys, Cloud(us_west_2=WEST, us_east_1=throttled, eu_west_1=europe), "--format", "json"
    )

    found = json.loads(text)["shop"]
    assert code == 1
    assert [(row["hostname"], row["stage"], row["region"]) for row in found["servers"]] == [
        ("db1", "stuck", "us-west-2"),
        ("web1", "resting", "eu-west-1"),
    ]
    assert found["unanswered"] == {
        "origin us-east-1 of account 111122223333": "DescribeSourceServers: ThrottlingException: slow down"
    }


def test_all_is_well(tmp_path, capsys):
    europe = {"servers": [named("web1", name="s-0000000000000000a", origin=None)]}
    code, text = shown(tmp_path, capsys, Cloud(us_west_2={"servers": [named("db1")]}, us_east_1={}, eu_west_1=europe))

    assert code == 0
    assert text.count("protected, nothing left of a way back") == 2


@pytest.mark.parametrize("arguments", [["failback"], ["failback", "shop"], ["failback", "shop", "start"]])
def test_wrong_use(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        _parser().parse_args(arguments)
    assert refused.value.code == 2


def test_a_failback_server_with_a_groups_tags_is_no_member_of_it(tmp_path, capsys):
    """A Region may be the origin of other servers; its FAILBACK servers may carry the same tags."""
    (tmp_path / "shop.yaml").write_text(PLANS.replace("servers: [s-00000000000000001]", "select: {tags: {App: shop}}"))
    tags = {"tags": {"App": "shop"}}
    west = {"servers": [{**named("db1"), **tags}, {**failback_server(name="s-0000000000000000f"), **tags}]}
    europe = {"servers": [named("web1", name="s-0000000000000000a", origin=None)]}
    options = _parser().parse_args(["failback", "shop", "status", "--plans", str(tmp_path), "--format", "json"])
    cloud = Cloud(us_west_2=west, us_east_1={}, eu_west_1=europe)

    assert failback.run(options, hook_of=cloud, now=lambda: AT) == 0
    found = json.loads(capsys.readouterr().out)["shop"]
    assert [(row["hostname"], row["stage"]) for row in found["servers"]] == [("db1", "resting"), ("web1", "resting")]
