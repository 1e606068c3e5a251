"""A plan as a step of another plan: what is refused when the files are read, word for word."""

# ruff: noqa: E501  (whole messages)

import pytest
from drs_provider.plan.loader import read_folder, read_one

GROUPS = """\
kind: ProtectionGroup
name: db
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: app
servers: [s-00000000000000002]
---
kind: ProtectionGroup
name: tagged
region: us-west-2
select: {tags: {App: shop, Tier: [web, cache]}, not: {tags: {Dr: excluded}}}
---
kind: ProtectionGroup
name: tagged-too
region: us-west-2
select: {tags: {Tier: [web, cache], App: shop}, not: {tags: {Dr: excluded}}}
---
kind: ProtectionGroup
name: tagged-elsewhere
region: eu-west-1
select: {tags: {App: shop, Tier: [web, cache]}, not: {tags: {Dr: excluded}}}
"""


def plan(name, groups=(), *steps):
    """A plan of one wave: its groups, or a second of waiting, after its steps, each a plan with or without ``when``."""
    lines = [f"kind: RecoveryPlan\nname: {name}\nwaves:\n"]
    wave = f"groups: [{', '.join(groups)}]" if groups else "before: [{kind: wait, name: rest, for: 1s}]"
    lines.append(f"  - {{name: a, {wave}}}\n")
    lines.append("before:\n" if steps else "")
    for number, step in enumerate(steps, start=1):
        name, _, when = step.partition(" ")
        lines.append(f"  - {{kind: plan, name: run-{number}, plan: {name}, when: {when or 'always'}}}\n")
    return "".join(lines)


def said(folder, *plans):
    """Give the messages about plans that lie in ``x.yaml``, one document each."""
    (folder / "groups.yaml").write_text(GROUPS)
    (folder / "x.yaml").write_text("---\n".join(plans))
    return [str(problem).replace(f"{folder}/", "") for problem in read_folder(folder).problems]


REFUSED = {
    "a plan that is not there": (
        [plan("shop", ["app"], "shop-dbs"), plan("shop-db", ["db"])],
        ["x.yaml:6:37: before.run-1.plan: no plan called 'shop-dbs' (did you mean 'shop-db'?)"],
    ),
    "a plan that is not there, and none that is near": (
        [plan("shop", ["app"], "mail")],
        ["x.yaml:6:37: before.run-1.plan: no plan called 'mail'"],
    ),
    "a group for a plan": (
        [plan("shop", ["app"], "db"), plan("mail", ["db"])],
        ["x.yaml:6:37: before.run-1.plan: no plan called 'db' (known: mail)"],
    ),
    "itself": (
        [plan("shop", ["app"], "shop")],
        [
            (
                "x.yaml:6:37: before.run-1.plan: plans run each other: shop -> shop (an arrow means: runs; remove one of "
                "these steps)"
            )
        ],
    ),
    "two in a circle": (
        [plan("shop", ["app"], "mail"), plan("mail", ["db"], "shop")],
        [
            (
                "x.yaml:6:37: before.run-1.plan: plans run each other: shop -> mail -> shop (an arrow means: runs; remove "
                "one of these steps)"
            ),
            (
                "x.yaml:13:37: before.run-1.plan: plans run each other: mail -> shop -> mail (an arrow means: runs; "
                "remove one of these steps)"
            ),
        ],
    ),
    "three in a circle": (
        [plan("a", [], "b"), plan("b", [], "c"), plan("c", [], "a")],
        [
            (
                "x.yaml:6:37: before.run-1.plan: plans run each other: a -> b -> c -> a (an arrow means: runs; remove one "
                "of these steps)"
            ),
            (
                "x.yaml:13:37: before.run-1.plan: plans run each other: b -> c -> a -> b (an arrow means: runs; remove "
                "one of these steps)"
            ),
            (
                "x.yaml:20:37: before.run-1.plan: plans run each other: c -> a -> b -> c (an arrow means: runs; remove "
                "one of these steps)"
            ),
        ],
    ),
    "into a circle of others: that is theirs": (
        [plan("shop", ["app"], "a"), plan("a", [], "b"), plan("b", [], "a")],
        [
            (
                "x.yaml:13:37: before.run-1.plan: plans run each other: a -> b -> a (an arrow means: runs; remove one of "
                "these steps)"
            ),
            (
                "x.yaml:20:37: before.run-1.plan: plans run each other: b -> a -> b (an arrow means: runs; remove one of "
                "these steps)"
            ),
        ],
    ),
    "the same plan twice": (
        [plan("shop", ["app"], "mail", "mail"), plan("mail", ["db"])],
        [
            (
                "x.yaml:7:37: before.run-2.plan: step 'run-1' runs plan 'mail' already (a run runs a plan once; remove "
                "one of them)"
            )
        ],
    ),
    "the same plan by two others": (
        [plan("shop", ["app"], "b", "c"), plan("b", [], "mail"), plan("c", [], "mail"), plan("mail", ["db"])],
        [
            (
                "x.yaml:7:37: before.run-2.plan: step 'run-1' runs plan 'mail' already (a run runs a plan once; remove "
                "one of them)"
            )
        ],
    ),
    "a group of its own": (
        [plan("shop", ["app", "db"], "mail"), plan("mail", ["db"])],
        [
            (
                "x.yaml:6:37: before.run-1.plan: plan 'mail' recovers group 'db', and so does this plan (a run recovers "
                "every server once: take the group out of one of them)"
            )
        ],
    ),
    "a group of a part of a part": (
        [plan("shop", ["db"], "b"), plan("b", [], "mail"), plan("mail", ["db"])],
        [
            (
                "x.yaml:6:37: before.run-1.plan: plan 'mail' recovers group 'db', and so does this plan (a run recovers "
                "every server once: take the group out of one of them)"
            )
        ],
    ),
    "a group of two parts": (
        [plan("shop", ["app"], "b", "c"), plan("b", ["db"]), plan("c", ["db"])],
        [
            (
                "x.yaml:7:37: before.run-2.plan: plan 'c' recovers group 'db', and so does plan 'b' (a run recovers every "
                "server once: take the group out of one of them)"
            )
        ],
    ),
    "the same tags": (
        [plan("shop", ["tagged"], "mail"), plan("mail", ["tagged-too"])],
        [
            (
                "x.yaml:6:37: before.run-1.plan: group 'tagged-too' of plan 'mail' selects the same servers as group "
                "'tagged' of this plan (a run recovers every server once: take the group out of one of them)"
            )
        ],
    ),
}


@pytest.mark.parametrize(("plans", "messages"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_plans_of_plans_is_said_with_its_place(tmp_path, plans, messages):
    assert said(tmp_path, *plans) == messages


SOUND = {
    "a plan of plans": [plan("all", [], "shop", "mail"), plan("shop", ["app"]), plan("mail", ["db"])],
    "three deep": [plan("all", [], "b"), plan("b", ["app"], "mail"), plan("mail", ["db"])],
    "one in drills, one in recoveries": [
        plan("all", ["app"], "b drill", "c recovery"),
        plan("b", ["db"]),
        plan("c", ["db"]),
    ],
    "the same tags in another Region": [plan("all", ["tagged"], "b"), plan("b", ["tagged-elsewhere"])],
}


@pytest.mark.parametrize("plans", SOUND.values(), ids=SOUND)
def test_plans_that_share_nothing_may_run_each_other(tmp_path, plans):
    assert said(tmp_path, *plans) == []


def test_the_parts_of_a_plan_may_lie_in_other_files_of_the_folder(tmp_path):
    (tmp_path / "groups.yaml").write_text(GROUPS)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mail.yml").write_text(plan("mail", ["db"]))
    (tmp_path / "all.yaml").write_text(plan("all", ["app"], "mail"))

    library = read_folder(tmp_path)

    assert (library.problems, sorted(library.plans)) == ((), ["all", "mail"])


def test_a_part_with_problems_breaks_itself_only(tmp_path):
    assert said(tmp_path, plan("all", ["app"], "mail"), plan("mail", ["dbs"])) == [
        "x.yaml:11:24: waves.a.groups[0]: no group called 'dbs' (did you mean 'db'?)"
    ]
    assert sorted(read_folder(tmp_path).plans) == ["all"]


def test_a_plan_whose_part_was_taken_away_begins_no_run_and_keeps_its_dag_for_those_that_go_on(tmp_path):
    assert said(tmp_path, plan("all", ["app"], "mail")) == ["x.yaml:6:37: before.run-1.plan: no plan called 'mail'"]
    library = read_folder(tmp_path)

    assert (sorted(library.plans), sorted(library.contested)) == ([], ["all"])
    assert library.disputes_of("all") == library.problems
    assert read_one(tmp_path, "all").plan.name == "all"
