"""The whole language is read as it is written, whatever of it is built."""

from datetime import timedelta

import pytest
from drs_provider.plan.fields import Share
from drs_provider.plan.model import (
    LaunchSettings,
    Member,
    ProtectionGroup,
    RecoveryPlan,
    VpcNetwork,
    wave_dependencies,
)
from drs_provider.steps.approval import ApprovalStep
from drs_provider.steps.dag_run import DagStep
from drs_provider.steps.http_check import Http
from drs_provider.steps.lambda_function import LambdaStep
from drs_provider.steps.ssm_automation import SsmAutomation
from drs_provider.steps.ssm_command import SsmCommand
from drs_provider.steps.tcp_check import Tcp
from drs_provider.steps.wait import Wait
from drs_provider.steps.webhook import Webhook
from kit.plan_files import PLAN, WAVES, read_beside_groups

GROUPS = """
kind: ProtectionGroup
name: shop-db
description: Order database, primary and standby
region: us-west-2
aws_conn_id: aws_default
servers:
  - s-0123456789abcdef0
  - id: s-0123456789abcdef1
    order: 2
    critical: false
    launch: {instance_type: r6i.xlarge}
select:
  tags: {App: shop, Tier: [db, cache]}
  not: {tags: {Dr: excluded}}
launch:
  instance_type: m6i.large
  subnet_id: subnet-0aaa
  security_group_ids: [sg-0aaa]
  instance_profile: shop-db
  right_sizing: none
  copy_private_ip: false
  copy_tags: true
  os_byol: false
  disposition: started
  recovery_mode: optimal
  protect: true
  fallback: {instance_types: [m6a.large], subnet_ids: [subnet-0bbb]}
  actions: [{code: AWS-RunShellScript, name: register, optional: true, parameters: {commands: /dr/register}}]
drill_launch:
  instance_type: t3.medium
---
{kind: ProtectionGroup, name: shop-app, servers: [{id: s-0123456789abcdef2, launch: {private_ip: 10.0.1.10}}]}
---
{kind: ProtectionGroup, name: shop-web, servers: [s-0123456789abcdef3], launch: {private_ip: 10.0.1.11}}
---
{kind: ProtectionGroup, name: shop-monitoring, select: {tags: {App: "*"}}}
"""

EVERYTHING = """
kind: RecoveryPlan
name: web-shop
title: Web shop
description: Three tiers and their monitoring
owner: retail-platform
tags: [tier-1]
rto: 45m
rpo: 5m
drill:
  schedule: "0 5 * * SUN"
  timezone: Europe/Berlin
  network: {vpc: vpc-0drill}
  keep_for: 1h
  max_lag: 15m
  max_cost: 50
  valid_for: 90d
recovery:
  approval: {required: 2, approvers: [dr-lead, ops-lead, cto], timeout: 30m}
  max_lag: 1h
notify:
  - {kind: sns, topic_arn: "arn:aws:sns:us-west-2:111122223333:dr", aws_conn_id: aws_default, on: [started, failed]}
  - {kind: webhook, http_conn_id: chat, on: [failed]}
waves:
  - name: database
    groups: [shop-db]
    tolerate_failures: 10%
    retry_failed: 1
    timeout: 60m
    ready: status_checks
    after:
      - {kind: ssm_command, name: start-database, document: AWS-RunShellScript,
         parameters: {commands: ["systemctl start postgresql"]}, timeout: 5m}
      - {kind: tcp, name: database-answers, host: "{{ server('db1').private_ip }}", port: 5432, timeout: 5m}
      - {kind: ssm_automation, name: fix, document: AWS-Fix, parameters: {Mode: fast}}
  - name: application
    groups: [shop-app]
    delay_before: 2m
    before:
      - {kind: wait, name: settle, for: 30s}
      - {kind: approval, name: look, message: "Is {{ wave.name }} fine?", approvers: [ops-lead]}
  - name: web
    groups: [shop-web]
    pause_before: {message: "Healthy?", approvers: [ops-lead], timeout: 2h, on_timeout: fail}
    after:
      - {kind: http, name: shop-answers, url: "https://shop.example/health", expect_status: 200, expect_text: ok}
  - name: monitoring
    groups: [shop-monitoring]
    depends_on: [database]
  - name: last
    depends_on: []
    after: [{kind: webhook, name: tell, http_conn_id: chat, payload: {text: "{{ plan.name }} {{run.id}}", x: null}}]
before:
  - {kind: lambda, name: freeze-deployments, function: freeze, payload: {app: shop}, when: recovery}
after:
  - {kind: dag, name: switch-dns, dag_id: dns_switch, conf: {to: us-west-2, at: "{{ run.started_at }}"}, when: recovery}
"""


@pytest.fixture
def library(tmp_path):
    return read_beside_groups(tmp_path, EVERYTHING, groups=GROUPS)


def test_the_whole_language_has_no_problem(library):
    assert library.problems == ()
    assert list(library.plans) == ["web-shop"]
    assert list(library.plans["web-shop"].groups) == ["shop-db", "shop-app", "shop-web", "shop-monitoring"]


def test_members_are_one_form_however_they_are_written(library):
    assert library.groups["shop-db"].servers == (
        Member(id="s-0123456789abcdef0"),
        Member(id="s-0123456789abcdef1", order=2, critical=False, launch=LaunchSettings(instance_type="r6i.xlarge")),
    )


def test_tags_are_tuples_of_values(library):
    selection = library.groups["shop-db"].select

    assert selection.tags == {"App": ("shop",), "Tier": ("db", "cache")}
    assert selection.not_.tags == {"Dr": ("excluded",)}


def test_durations_shares_and_networks_have_types_of_their_own(library):
    plan = library.plans["web-shop"].plan

    assert (plan.rto, plan.rpo, plan.drill.valid_for) == (
        timedelta(minutes=45),
        timedelta(minutes=5),
        timedelta(days=90),
    )
    assert plan.waves[0].tolerate_failures == Share(10, is_percentage=True)
    assert plan.drill.network == VpcNetwork(vpc="vpc-0drill")


def test_on_is_a_key_although_yaml_takes_it_for_true(library):
    assert [channel.on for channel in library.plans["web-shop"].plan.notify] == [("started", "failed"), ("failed",)]


def test_every_kind_of_step_has_its_model(library):
    plan = library.plans["web-shop"].plan
    owners = (plan, *plan.waves)
    steps = [step for owner in owners for step in (*owner.before, *owner.after)]

    assert {type(step) for step in steps} == {
        *(ApprovalStep, DagStep, Http, LambdaStep, SsmAutomation, SsmCommand, Tcp, Wait, Webhook)
    }
    assert next(step.for_ for step in steps if isinstance(step, Wait)) == timedelta(seconds=30)


def test_a_dependency_that_is_left_out_is_the_wave_above(library):
    assert wave_dependencies(library.plans["web-shop"].plan) == {
        "database": (),
        "application": ("database",),
        "web": ("application",),
        "monitoring": ("database",),
        "last": (),
    }


def test_what_is_left_out_has_the_documented_default(tmp_path):
    plan = read_beside_groups(tmp_path, PLAN + WAVES).plans["p"].plan
    wave = plan.waves[0]

    assert (plan.drill.network, plan.drill.timezone, plan.drill.keep_for) == ("isolated", "UTC", timedelta(0))
    assert (wave.ready, wave.timeout, wave.retry_failed) == ("running", timedelta(hours=2), 0)
    assert wave.tolerate_failures == Share(0)


def test_a_plan_is_frozen(library):
    with pytest.raises(ValueError, match="frozen"):
        library.plans["web-shop"].plan.name = "other"


def test_models_can_be_built_by_the_names_of_their_attributes():
    assert Wait(kind="wait", name="x", for_="5m") == Wait.model_validate({"kind": "wait", "name": "x", "for": "5m"})
    assert RecoveryPlan.model_fields.keys() >= {"waves", "drill"}
    assert ProtectionGroup.model_fields.keys() >= {"servers", "select"}
