"""``drs servers`` and ``drs groups``."""

import csv
import io
import json
from argparse import ArgumentParser

import pytest
from drs_provider.cli.inventory import groups, servers
from drs_provider.exceptions import Throttled
from kit.console import FakeAccount, server

GROUPS = """kind: ProtectionGroup
name: shop-db
region: us-west-2
description: of the shop
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: shop-web
region: us-west-2
select: {tags: {App: shop}}
"""


@pytest.fixture
def plans(tmp_path):
    (tmp_path / "shop.yaml").write_text(GROUPS)
    return tmp_path


def run(command, account, *arguments):
    parser = ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([*arguments]), hook_of=lambda _: account)


def an_account(**fields):
    return FakeAccount(servers=[server(1, "db1"), server(2, "=web1", App="shop"), server(3, "lost")], **fields)


def test_servers_are_printed_as_a_table(plans, capsys):
    assert run(servers, an_account(), "--plans", str(plans), "--view", "unprotected") == 0

    heads, line = capsys.readouterr().out.splitlines()
    assert heads.split() == list(servers.COLUMNS)
    assert line == "lost      s-00000000000000003  111122223333  us-west-2  CONTINUOUS  0            3072"


def test_a_cell_is_no_formula_in_a_spreadsheet(plans, capsys):
    assert run(servers, an_account(), "--plans", str(plans), "--format", "csv") == 0

    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["hostname"] for row in rows] == ["'=web1", "db1", "lost"]
    assert rows[0]["groups"] == "shop-web"


def test_an_account_that_does_not_answer_is_said_and_counts(plans, capsys):
    account = an_account(error=Throttled("DescribeSourceServers", "ThrottlingException", "slow down"))

    assert run(servers, account, "--plans", str(plans), "--format", "json") == 1

    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert err.startswith("us-west-2 of account 111122223333: DescribeSourceServers: ThrottlingException: slow down")


def test_groups_are_printed_with_what_they_select_now(plans, capsys):
    assert run(groups, an_account(), "--plans", str(plans), "--format", "json", "--resolve") == 0

    first, second = json.loads(capsys.readouterr().out)
    assert (first["name"], first["file"], first["line"], first["servers"]) == (
        "shop-db",
        "shop.yaml",
        1,
        ["s-00000000000000001"],
    )
    assert (second["name"], second["line"], second["servers"]) == ("shop-web", 7, ["s-00000000000000002"])


def test_a_server_in_two_groups_is_a_problem(plans, capsys):
    account = FakeAccount(servers=[server(1, "db1", App="shop")])

    assert run(groups, account, "--plans", str(plans), "--format", "json") == 0
    capsys.readouterr()
    assert run(groups, account, "--plans", str(plans), "--format", "json", "--resolve") == 1
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["problems"] == [
        "db1 (s-00000000000000001) is in group 'shop-web' (shop.yaml:7) too: a server belongs to one group"
    ]
