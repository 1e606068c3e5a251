"""``drs plans``: the plans of a folder as a table, CSV and JSON, and what is written of one."""

import csv
import io
import json

import pytest
from drs_provider.cli.main import main

PLANS = """
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: RecoveryPlan
name: shop
title: "=Shop"
rto: 30m
drill: {network: shared}
waves: [{name: first, groups: [db]}]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shop.yaml").write_text(PLANS)
    return tmp_path


def shown(capsys, folder, *arguments):
    code = main([*arguments, "--plans", str(folder)])
    return code, *capsys.readouterr()


def test_all_plans_are_listed_in_every_form(capsys, folder):
    code, out, err = shown(capsys, folder, "plans", "--format", "json")
    (row,) = json.loads(out)
    assert (code, err, row["name"], row["dag_id"], row["rto_seconds"]) == (0, "", "shop", "drs.shop", 1800.0)
    assert (row["file"], row["waves"], row["groups"], row["is_startable"]) == ("shop.yaml", ["first"], ["db"], True)

    _, out, _ = shown(capsys, folder, "plans", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["name"], row["title"]) == ("shop", "'=Shop")

    _, out, _ = shown(capsys, folder, "plans")
    assert out.splitlines()[1].split()[:2] == ["shop", "=Shop"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--search", "FIRST"], ["shop"]),
        (["--search", "none"], []),
        (["--group", "db"], ["shop"]),
        (["--group", "web"], []),
    ],
)
def test_plans_are_filtered(capsys, folder, arguments, found):
    _, out, _ = shown(capsys, folder, "plans", *arguments, "--format", "json")

    assert [row["name"] for row in json.loads(out)] == found


def test_one_plan_is_read_with_what_is_written(capsys, folder):
    code, out, _ = shown(capsys, folder, "plans", "shop", "--format", "json")

    plan = json.loads(out)
    assert (code, plan["definition"]["waves"]) == (0, [{"name": "first", "groups": ["db"]}])
    assert plan["group_definitions"]["db"]["servers"] == [{"id": "s-00000000000000001"}]


def test_a_name_that_there_is_not_is_wrong_use(capsys, folder):
    code, out, err = shown(capsys, folder, "plans", "shpo")

    assert (code, out) == (2, "")
    assert err == f"drs plans: no plan called 'shpo' in {folder} (did you mean 'shop'?)\n"


def test_a_broken_file_is_said_and_the_others_are_listed(capsys, folder):
    (folder / "crm.yaml").write_text("kind: RecoveryPlan\nname: crm\n")

    code, out, err = shown(capsys, folder, "plans", "--format", "json")
    assert (code, [row["name"] for row in json.loads(out)]) == (1, ["shop"])
    assert err == f"1 file with problems: drs validate {folder}\n"

    code, _, err = shown(capsys, folder, "plans", "crm")
    assert (code, "crm.yaml:1:1: plan crm: waves is missing" in err) == (1, True)


def test_a_graph_is_json_with_seconds(capsys, folder):
    _, out, _ = shown(capsys, folder, "graph", "shop", "--format", "json")

    graph = json.loads(out)
    assert (graph["critical_path"], graph["total_seconds"]) == (["first"], 535.0)
    assert graph["waves"][0] == {
        "name": "first",
        "depends_on": [],
        "level": 1,
        "groups": ["db"],
        "duration_seconds": 535.0,
        "end_seconds": 535.0,
        "is_critical": True,
    }


def test_problems_are_csv(capsys, folder):
    (folder / "crm.yaml").write_text("kind: RecoveryPlan\nname: crm\n")

    assert main(["validate", str(folder / "crm.yaml"), "--format", "csv"]) == 1
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["line"], row["where"], row["what"]) == ("1", "plan crm", "waves is missing")
