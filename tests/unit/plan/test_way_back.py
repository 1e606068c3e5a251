"""The language of the way back and of planned migrations, read as if every run that it speaks of were there."""

from datetime import timedelta

import pytest
from drs_provider.plan.digest import digest_of
from drs_provider.plan.model import (
    Approval,
    Commit,
    Failback,
    FailbackCleanUp,
    FailbackDrill,
    FailbackOrigin,
    LaunchSettings,
    Migration,
    RecoveryPlan,
    VpcNetwork,
    failback_dependencies,
    origin_of_group,
)
from drs_provider.plan.snapshot import kept_text, read_kept
from kit.plan_files import PLAN, WAVES, read_beside_groups, said_of

GROUP = """
kind: ProtectionGroup
name: db
aws_conn_id: aws_recovery
servers:
  - {id: s-00000000000000009, failback_launch: {private_ip: 10.0.1.10}}
origin: {region: eu-west-1}
failback_launch: {instance_type: m6i.large}
---
kind: ProtectionGroup
name: web
servers: [s-00000000000000008]
"""

EVERYTHING = """
kind: RecoveryPlan
name: p
recovery:
  commit: {within: 12h, on_timeout: roll_back, approvers: [dr-lead]}
migration:
  stop_sources: {required: 2, approvers: [dr-lead, ops-lead], timeout: 1h}
  max_lag: 2m
  sync_timeout: 45m
failback:
  origin: {region: us-east-1, aws_conn_id: aws_origin}
  order: reversed
  max_lag: 5m
  approval: {required: 1, approvers: [dr-lead], timeout: 8h}
  clean_up: {approvers: [cto, dr-lead]}
  drill: {network: {vpc: vpc-0drill}, keep_for: 1h, max_cost: 100}
  launch: {subnet_id: subnet-0aaa, right_sizing: none}
waves:
  - name: database
    groups: [db]
    before: [{kind: wait, name: freeze, for: 1m, when: migration}]
  - name: web
    groups: [web]
    after: [{kind: wait, name: thaw, for: 1m, when: failback}]
"""
REST = "waves: [{name: a, groups: [g1]}]\n"


@pytest.fixture
def runnable(tmp_path):
    library = read_beside_groups(tmp_path, EVERYTHING, groups=GROUP)
    assert library.problems == ()
    return library.plans["p"]


def test_every_field_is_read(runnable):
    assert runnable.plan.recovery.commit == Commit(
        within=timedelta(hours=12), on_timeout="roll_back", approvers=("dr-lead",)
    )
    assert runnable.plan.migration == Migration(
        stop_sources=Approval(required=2, approvers=("dr-lead", "ops-lead"), timeout=timedelta(hours=1)),
        max_lag=timedelta(minutes=2),
        sync_timeout=timedelta(minutes=45),
    )
    assert runnable.plan.failback == Failback(
        origin=FailbackOrigin(region="us-east-1", aws_conn_id="aws_origin"),
        order="reversed",
        max_lag=timedelta(minutes=5),
        approval=Approval(approvers=("dr-lead",), timeout=timedelta(hours=8)),
        clean_up=FailbackCleanUp(approvers=("cto", "dr-lead")),
        drill=FailbackDrill(network=VpcNetwork(vpc="vpc-0drill"), keep_for=timedelta(hours=1), max_cost=100.0),
        launch=LaunchSettings(subnet_id="subnet-0aaa", right_sizing="none"),
    )
    assert runnable.groups["db"].servers[0].failback_launch == LaunchSettings(private_ip="10.0.1.10")


def test_what_is_left_out_has_the_documented_default(tmp_path):
    text = PLAN + WAVES + "recovery: {commit: {approvers: [x]}}\nfailback: {}\n"
    plan = read_beside_groups(tmp_path, text).plans["p"].plan

    assert (plan.recovery.commit.within, plan.recovery.commit.on_timeout) == (timedelta(hours=24), "ask")
    assert plan.failback == Failback()
    assert (plan.failback.order, plan.failback.clean_up, plan.failback.drill.network) == ("same", None, "isolated")
    assert (plan.migration.stop_sources, plan.migration.sync_timeout) == (None, timedelta(hours=1))


def test_a_plan_without_a_way_back_says_so(tmp_path):
    plan = read_beside_groups(tmp_path, PLAN + WAVES).plans["p"].plan

    assert (plan.recovery.commit, plan.failback) == (None, None)


def test_it_is_kept_as_it_was_written(runnable, tmp_path):
    kept = read_kept(kept_text(runnable, tmp_path, run_id="r"), "p", tmp_path)

    assert kept.runnable == runnable


@pytest.mark.parametrize("part", ["commit: {within: 12h", "sync_timeout: 45m", "order: reversed", "eu-west-1", "cto, "])
def test_its_parts_change_the_digest(runnable, tmp_path, part):
    other = tmp_path / "other"
    other.mkdir()
    changes = {"12h": "13h", "45m": "46m", "order: reversed": "order: same", "eu-west-1": "eu-west-2", "cto, ": ""}
    old = next(text for text in changes if text in part)
    changed = read_beside_groups(
        other, EVERYTHING.replace(old, changes[old]), groups=GROUP.replace(old, changes[old])
    ).plans["p"]

    assert changed.digest != digest_of(runnable.plan, runnable.groups)


def plan_of(order, *waves):
    return RecoveryPlan.model_validate(
        {"kind": "RecoveryPlan", "name": "p", "failback": order and {"order": order}, "waves": list(waves)}
    )


DIAMOND = (
    {"name": "db"},
    {"name": "app"},
    {"name": "web", "depends_on": ["db"]},
    {"name": "last", "depends_on": ["app", "web"]},
)
THERE = {"db": (), "app": ("db",), "web": ("db",), "last": ("app", "web")}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, THERE),
        ("same", THERE),
        ("reversed", {"last": (), "web": ("last",), "app": ("last",), "db": ("web", "app")}),
    ],
)
def test_waves_go_back_in_the_same_or_in_the_reversed_order(order, expected):
    found = failback_dependencies(plan_of(order, *DIAMOND))

    assert (found, list(found)) == (expected, list(expected))


def test_a_group_lays_its_origin_over_that_of_the_plan(runnable):
    plan, groups = runnable.plan, runnable.groups

    assert origin_of_group(plan, groups["db"]) == FailbackOrigin(region="eu-west-1", aws_conn_id="aws_origin")
    assert origin_of_group(plan, groups["web"]) == FailbackOrigin(region="us-east-1", aws_conn_id="aws_origin")
    bare = plan_of("same", *DIAMOND)
    assert origin_of_group(bare, groups["db"]) == FailbackOrigin(region="eu-west-1", aws_conn_id="aws_recovery")
    assert origin_of_group(bare, groups["web"]) == FailbackOrigin(region=None, aws_conn_id="aws_default")


COMMANDED = "a command cannot run on a stopped instance, and group g is launched with disposition: stopped"
START = "(start it in a step before (ssm_automation with AWS-StartEC2Instance), or write disposition: started)"
CASES = [
    pytest.param(
        "failback: {orgin: {region: us-east-1}, order: backwards, drill: {network: none}, clean_up: {}}\n",
        [
            "x.yaml:4:12: failback: unknown key 'orgin' (did you mean 'origin'?)",
            "x.yaml:4:47: failback.order: expected same or reversed, found 'backwards'",
            (
                "x.yaml:4:75: failback.drill.network: expected isolated or shared, found 'none' "
                "(a standing drill network is written {vpc: vpc-…})"
            ),
            "x.yaml:4:92: failback.clean_up: approvers is missing",
        ],
        id="what is misspelt",
    ),
    pytest.param(
        "failback: {origin: {region: us-east-1a, account: 1}, max_lag: 0s, drill: {max_cost: 0, keep_for: -1h}}\n",
        [
            (
                "x.yaml:4:29: failback.origin.region: expected an AWS Region, found 'us-east-1a' "
                "(that is an Availability Zone, its Region is 'us-east-1')"
            ),
            "x.yaml:4:41: failback.origin: unknown key 'account' (known: aws_conn_id, region)",
            "x.yaml:4:63: failback.max_lag: expected a duration longer than zero, found '0s'",
            "x.yaml:4:85: failback.drill.max_cost: expected a number above 0, found 0",
            (
                "x.yaml:4:98: failback.drill.keep_for: expected a duration such as 90s, 15m, 1h30m, 1d, 13w or PT45M, "
                "found '-1h'"
            ),
        ],
        id="values that are none",
    ),
    pytest.param(
        "recovery: {commit: {within: 0s, on_timeout: rollback, approvers: []}}\n",
        [
            "x.yaml:4:29: recovery.commit.within: expected a duration longer than zero, found '0s'",
            (
                "x.yaml:4:45: recovery.commit.on_timeout: expected ask, commit or roll_back, found 'rollback' "
                "(did you mean 'roll_back'?)"
            ),
            "x.yaml:4:66: recovery.commit.approvers: expected at least one entry, found none",
        ],
        id="a commit that is none",
    ),
    pytest.param(
        "recovery: {commit: {approvers: [Ann, ann]}}\nfailback:\n  clean_up: {approvers: [Bob, bob]}\n"
        "  approval: {required: 2, approvers: [Ann]}\nmigration: {stop_sources: {required: 3, approvers: [a, A]}}\n"
        "before: [{kind: wait, name: freeze, for: 1m, when: migration}]\n",
        [
            (
                "x.yaml:4:32: recovery.commit.approvers: 'Ann' and 'ann' are one person: they differ only by case, "
                "blanks or the like (keep the name that Airflow gives that user)"
            ),
            (
                "x.yaml:6:25: failback.clean_up.approvers: 'Bob' and 'bob' are one person: they differ only by case, "
                "blanks or the like (keep the name that Airflow gives that user)"
            ),
            (
                "x.yaml:7:24: failback.approval.required: 2 must agree, but only 1 may "
                "(lower required or name more approvers)"
            ),
            (
                "x.yaml:8:38: migration.stop_sources.required: 3 must agree, but only 1 may "
                "(lower required or name more approvers)"
            ),
            (
                "x.yaml:8:52: migration.stop_sources.approvers: 'a' and 'A' are one person: they differ only by case, "
                "blanks or the like (keep the name that Airflow gives that user)"
            ),
        ],
        id="people",
    ),
    pytest.param(
        "migration: {stop_sources: true, sync_timeout: 0s}\n",
        [
            "x.yaml:4:27: migration.stop_sources: expected a mapping, found the boolean true",
            "x.yaml:4:47: migration.sync_timeout: expected a duration longer than zero, found '0s'",
        ],
        id="sources that nobody agrees to stop",
    ),
    pytest.param(
        "failback: {launch: {private_ip: 10.0.0.1, copy_private_ip: true}}\n",
        [
            (
                "x.yaml:4:21: failback.launch.private_ip: one address cannot be given to several servers "
                "(set it in the failback_launch of a single member)"
            ),
            (
                "x.yaml:4:43: failback.launch.copy_private_ip: private_ip and copy_private_ip exclude each other "
                "(keep one of them)"
            ),
        ],
        id="one address for all",
    ),
    pytest.param(
        "after: [{kind: wait, name: x, for: 1m, when: failback}]\n",
        [
            (
                "x.yaml:4:46: after.x.when: the plan has no failback, so this step would never take place "
                "(give the plan failback:, or write drill, recovery, migration or always)"
            )
        ],
        id="a step for failbacks that there are not",
    ),
]


@pytest.mark.parametrize(("text", "said"), CASES)
def test_what_is_wrong_is_said(tmp_path, text, said):
    assert said_of(tmp_path, PLAN + REST + text) == said


STOPPED = "kind: ProtectionGroup\nname: g\nservers: [s-00000000000000009]\n{group}\n---\n"
COMMAND = "{kind: ssm_command, name: c, document: AWS-RunShellScript, when: %s}"


@pytest.mark.parametrize(
    ("group", "plan", "when", "where"),
    [
        ("failback_launch: {disposition: stopped}", "failback: {}", "always", " in failbacks"),
        ("", "failback: {launch: {disposition: stopped}}", "failback", " in failbacks"),
        ("", "failback: {launch: {disposition: stopped}}", "recovery", None),
        ("failback_launch: {disposition: started}", "failback: {launch: {disposition: stopped}}", "always", None),
        ("launch: {disposition: stopped}", "failback: {}", "always", " in drills and recoveries"),
        ("launch: {disposition: stopped}", "failback: {}", "failback", None),
        ("launch: {disposition: stopped}", "", "always", ""),
        ("launch: {disposition: stopped}", "", "recovery", " in recoveries"),
        ("launch: {disposition: stopped}", "", "migration", " in migrations"),
        ("drill_launch: {disposition: stopped}", "", "migration", None),
    ],
)
def test_a_command_on_what_is_launched_stopped_is_refused_in_the_runs_that_have_it(tmp_path, group, plan, when, where):
    step = COMMAND % when
    text = STOPPED.format(group=group) + PLAN + f"waves: [{{name: a, groups: [g], after: [{step}]}}]\n{plan}\n"

    expected = [] if where is None else [f"x.yaml:8:40: waves.a.after.c: {COMMANDED}{where} {START}"]
    assert said_of(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ("recovery", "migration", True),
        ("migration", "always", True),
        ("failback", "always", True),
        ("failback", "migration", False),
        ("drill", "recovery", False),
        ("drill", "migration", False),
    ],
)
def test_one_run_has_two_steps_where_their_kinds_of_run_meet(tmp_path, first, second, meet):
    """A migration has the steps of a recovery too, so it would run the other plan twice."""
    other = "kind: RecoveryPlan\nname: q\nwaves: [{name: a, groups: [g2]}]\nfailback: {}\n---\n"
    steps = "".join(
        f"  - {{kind: plan, name: {name}, plan: q, when: {when}}}\n" for name, when in (("x", first), ("y", second))
    )
    said = said_of(tmp_path, other + PLAN + WAVES + "failback: {}\nafter:\n" + steps)

    expected = "x.yaml:12:33: after.y.plan: step 'x' runs plan 'q' already (a run runs a plan once; remove one of them)"
    assert said == ([expected] if meet else [])
