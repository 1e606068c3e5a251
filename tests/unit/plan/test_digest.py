"""A digest says whether two plans mean the same."""

import subprocess
import sys
from pathlib import Path

import drs_provider
import pytest
from kit.plan_files import GROUPS, read_beside_groups

PLAN = """
kind: RecoveryPlan
name: p
rto: 60m
drill: {network: shared}
waves:
  - {name: a, groups: [g1], tolerate_failures: 10%}
  - {name: b, groups: [g2]}
  - {name: c, groups: [g3], depends_on: [a, b]}
"""
SAME = {
    "comments": PLAN.replace("rto", "# how long\nrto"),
    "another duration of the same length": PLAN.replace("60m", "PT1H"),
    "another order of keys": PLAN.replace("rto: 60m\n", "") + "rto: 1h\n",
    "defaults written out": PLAN.replace("name: a,", "name: a, ready: running, timeout: 120m,"),
    "the wave above written out": PLAN.replace("[g2]", "[g2], depends_on: [a]"),
    "another order of dependencies": PLAN.replace("[a, b]", "[b, a]"),
    "another style": PLAN.replace("{network: shared}", "\n  network: 'shared'"),
}
OTHER = {
    "another objective": PLAN.replace("60m", "61m"),
    "another share": PLAN.replace("10%", "11%"),
    "a number instead of a percentage": PLAN.replace("10%", "1"),
    "another dependency": PLAN.replace("[a, b]", "[a]"),
    "another order of waves": PLAN.replace("name: a,", "name: x,").replace("[a, b]", "[x, b]"),
    "a title": PLAN + "title: Shop\n",
}


def digest(folder, text, groups=GROUPS):
    library = read_beside_groups(folder, text, groups=groups)
    assert library.problems == ()
    return library.plans["p"].digest


@pytest.mark.parametrize("text", SAME.values(), ids=SAME.keys())
def test_the_same_meaning_has_the_same_digest(tmp_path, text):
    assert digest(tmp_path, text) == digest(tmp_path, PLAN)


@pytest.mark.parametrize("text", OTHER.values(), ids=OTHER.keys())
def test_another_meaning_has_another_digest(tmp_path, text):
    assert digest(tmp_path, text) != digest(tmp_path, PLAN)


def test_the_members_of_its_groups_belong_to_a_plan(tmp_path):
    more = GROUPS.replace("name: g2\nservers: [", "name: g2\nservers: [s-00000000000000004, ")

    assert digest(tmp_path, PLAN, more) != digest(tmp_path, PLAN)


def test_groups_of_other_plans_do_not(tmp_path):
    more = GROUPS + "---\nkind: ProtectionGroup\nname: g4\nservers: [s-00000000000000004]\n"

    assert digest(tmp_path, PLAN, more) == digest(tmp_path, PLAN)


def test_where_the_groups_stand_does_not_matter(tmp_path):
    assert digest(
        tmp_path, PLAN + "---" + GROUPS, "# elsewhere\nkind: ProtectionGroup\nname: h\nselect: {tags: {a: b}}\n"
    ) == digest(tmp_path, PLAN)


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_finds_the_same_digest(tmp_path, seed):
    here = digest(tmp_path, PLAN)
    code = (
        "import sys; from pathlib import Path; from drs_provider.plan.loader import read_folder;"
        "print(read_folder(Path(sys.argv[1])).plans['p'].digest)"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(drs_provider.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )

    assert there.stdout.strip() == here
