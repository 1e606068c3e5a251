"""What is said of a plan before it has run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from drs_provider.plan.loader import read_contents
from drs_provider.rules.outlook.next_drill import next_drill
from drs_provider.rules.outlook.plan_outlook import plan_outlook
from drs_provider.rules.outlook.runbook import KnownMembers, make_runbook, runbook_text

JOB = timedelta(seconds=535)
TEXT = """
kind: ProtectionGroup
name: db
region: us-west-2
servers:
  - {id: s-00000000000000001, order: 2, launch: {private_ip: 10.0.1.10}}
  - s-00000000000000002
---
kind: ProtectionGroup
name: web
region: eu-west-1
aws_conn_id: other
select: {tags: {Tier: [web, cache]}}
---
kind: RecoveryPlan
name: shop
title: Shop
drill: {network: shared, keep_for: 1h, schedule: "30 5 * * SUN", timezone: Europe/Berlin}
recovery: {approval: {required: 2, approvers: [ann, ben], timeout: 30m}, commit: {approvers: [ann]}}
rto: 13m
waves:
  - name: database
    groups: [db]
    after:
      - {kind: ssm_command, name: start, document: AWS-RunShellScript, parameters: {commands: [echo one, echo two]}}
      - {kind: wait, name: drill-only, for: 2m, when: drill}
  - name: web
    groups: [web]
    delay_before: 2m
    pause_before: {message: Go on?, approvers: [olga]}
  - name: proof
    depends_on: []
    before: [{kind: http, name: asks, url: "https://shop.example", when: recovery}]
"""


def runnable(text=TEXT):
    library = read_contents([(Path("shop.yaml"), text.encode())])
    assert library.problems == ()
    return library.plans["shop"]


def outlook(text=TEXT, **servers):
    found = runnable(text)
    return plan_outlook(found.plan, found.groups, servers)


def test_both_modes_are_foretold_with_their_critical_path():
    found = outlook(web=3)
    in_waves, ahead = found.modes

    assert found.rows == (("database", "proof"), ("web",))
    assert found.servers == {"database": 2, "web": 3, "proof": 0}
    assert (in_waves.total, in_waves.is_within_rto, in_waves.is_chosen) == (3 * JOB + timedelta(minutes=2), False, True)
    assert (ahead.total, ahead.is_within_rto, ahead.is_chosen) == (
        JOB + 2 * timedelta(seconds=30) + timedelta(minutes=2) + timedelta(seconds=30),
        True,
        False,
    )
    assert in_waves.critical_path == ahead.critical_path == ("database", "web")


def test_a_wave_of_steps_is_on_the_path_of_the_wave_that_waits_for_it():
    steps_only = TEXT[: TEXT.index("    groups: [db]")] + "    before: [{kind: wait, name: start, for: 1s}]\n"
    rest = TEXT[TEXT.index("  - name: web") :].replace("    delay_before: 2m\n", "")

    (_, ahead) = outlook(steps_only + rest).modes

    assert ahead.critical_path == ("database", "web")
    assert ahead.total == JOB + timedelta(seconds=30)


@pytest.mark.parametrize(("servers", "is_within", "jobs"), [(100, True, 1), (500, True, 5), (501, False, 6)])
def test_quotas_are_those_of_each_account_and_region(servers, is_within, jobs):
    in_waves, ahead = outlook(web=servers).modes

    shares = {share.region: share for share in in_waves.quotas}
    assert (shares["us-west-2"].servers, shares["us-west-2"].jobs) == (2, 1)
    assert (shares["eu-west-1"].servers, shares["eu-west-1"].jobs, shares["eu-west-1"].is_within) == (
        servers,
        jobs,
        is_within,
    )
    assert {share.aws_conn_id for share in ahead.quotas} == {"aws_default", "other"}


@pytest.mark.parametrize(
    ("schedule", "zone", "expected"),
    [
        ('"30 5 * * SUN"', "Europe/Berlin", datetime(2026, 11, 29, 4, 30, tzinfo=UTC)),
        ('"@daily"', "UTC", datetime(2026, 11, 23, tzinfo=UTC)),
        ('"@quarterly"', "UTC", datetime(2027, 1, 1, tzinfo=UTC)),
        ('"@once"', "UTC", None),
    ],
)
def test_the_next_drill_is_the_next_of_its_schedule(schedule, zone, expected):
    text = TEXT.replace('"30 5 * * SUN"', schedule).replace("Europe/Berlin", zone)

    assert next_drill(runnable(text).plan, datetime(2026, 11, 22, 5, 10, tzinfo=UTC)) == expected


def test_a_plan_without_a_schedule_has_no_next_drill():
    text = TEXT.replace(', schedule: "30 5 * * SUN", timezone: Europe/Berlin', "")

    assert next_drill(runnable(text).plan, datetime(2026, 11, 22, tzinfo=UTC)) is None


RECOVERY = """Shop (shop): runbook of a recovery
plan DIGEST

expected: 28m45s; critical path: database -> web
people: ann, ben and olga

1. Before all waves
   Preflight looks at every server first.
   1.1 [ ] Approval: 2 of ann and ben must agree
         ask: ann and ben
         within: 30m

2. Wave database
   Starts at once, beside proof.
   2.1 [ ] Launch: Launch 2 servers of db
         where: us-west-2, connection aws_default
         ready when: running
         at most: 2h
         1. db2 s-00000000000000002
         2. db1 s-00000000000000001 10.0.1.10
   2.2 [ ] SSM command: start
         document: AWS-RunShellScript
         parameters: commands: echo one
           echo two
         at most: 10m
         if it fails: the run fails

3. Wave proof
   Starts at once, beside database.
   3.1 [ ] HTTP check: asks
         url: https://shop.example
         at most: 10m
         if it fails: the run fails

4. Wave web
   Starts after database.
   4.1 [ ] Delay: Wait for 2m
   4.2 [ ] Question: Go on?
         ask: olga
         within: 2h
         if nobody answers: fail
   4.3 [ ] Launch: Launch the servers of web
         where: eu-west-1, connection other
         ready when: running
         at most: 2h
         web by tag: Tier=web|cache

5. After all waves
   5.1 [ ] Question: Commit, or roll back
         ask: ann
         within: 1d
         if nobody answers: ask
"""


def test_the_runbook_of_a_recovery_says_everything_in_its_order():
    found = runnable()
    names = {"s-00000000000000001": "db1", "s-00000000000000002": "db2"}

    text = runbook_text(make_runbook(found, "recovery", KnownMembers(names)))

    assert text == RECOVERY.replace("DIGEST", found.digest)


def test_the_runbook_of_a_drill_has_what_takes_place_in_drills():
    book = make_runbook(runnable(), "drill", KnownMembers(groups={"web": ["s-00000000000000009"]}))

    titles = [(step.kind, step.title) for part in book.parts for step in part.steps]
    assert titles == [
        ("Launch", "Launch 2 servers of db"),
        ("SSM command", "start"),
        ("Wait", "drill-only"),
        ("Delay", "Wait for 2m"),
        ("Question", "Go on?"),
        ("Launch", "Launch 1 server of web"),
        ("Clean-up", "Drill instances are cleaned up after 1h"),
    ]
    assert book.people == ("olga",)
    assert ("for", "2m") in book.parts[0].steps[2].facts
