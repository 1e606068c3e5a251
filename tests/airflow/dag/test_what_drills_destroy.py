"""Real runs against the simulator that must not destroy what they did not launch, whatever they are told."""

import json

import pytest
from drs_provider.rules.run.handover import PreflightResult
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

SID = "s-000000000000000{}"
DB, WEB = [SID.format(f"{n:02d}") for n in (1, 2, 3)], [SID.format(n) for n in (11, 12)]
GO = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark"}
TWINS = """\
kind: ProtectionGroup
name: db
region: us-west-2
select: {tags: {Tier: db}}
---
kind: ProtectionGroup
name: twin
select: {tags: {Tier: db}}
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves:
  - {name: one, groups: [db]}
  - {name: two, groups: [twin]}
"""
TWO_NAMES = """\
kind: ProtectionGroup
name: db
region: us-west-2
select: {tags: {Tier: db}}
---
kind: ProtectionGroup
name: web
select: {tags: {Tier: web}}
---
kind: RecoveryPlan
name: shop
drill: {network: NETWORK}
waves:
  - {name: one, groups: [db]}
  - {name: two, groups: [web]}
"""


def launch(simulator, servers, *, is_drill):
    """Somebody launches these servers, not by this package, and it is done; return the instances."""
    before = set(instances(simulator))
    drs = simulator.client("drs")
    drs.start_recovery(isDrill=is_drill, sourceServers=[{"sourceServerID": server} for server in servers])
    simulator.advance("30m")
    return sorted(set(instances(simulator)) - before)


def an_existing_instance(simulator, *, state="stopped", tag=True):
    """An EC2 instance that was there before, as DRS wants it to launch into it."""
    ec2 = simulator.client("ec2")
    tags = [{"Key": "Name", "Value": "sql1, stopped since the move"}]
    tags += [{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}] if tag else []
    made = ec2.run_instances(
        ImageId="ami-12345678",
        MinCount=1,
        MaxCount=1,
        SubnetId=ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        InstanceType="m5.large",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    instance = made["Instances"][0]["InstanceId"]
    if state == "stopped":
        ec2.stop_instances(InstanceIds=[instance])
    return instance


def launch_into(simulator, server, instance):
    simulator.client("drs").update_launch_configuration(
        sourceServerID=server,
        copyTags=False,
        copyPrivateIp=False,
        launchIntoInstanceProperties={"launchIntoEC2InstanceID": instance},
    )


def state_of(simulator, instance):
    found = simulator.client("ec2").describe_instances(InstanceIds=[instance])
    return found["Reservations"][0]["Instances"][0]["State"]["Name"]


def nothing_was_touched(simulator):
    return not calls(simulator, "TerminateRecoveryInstances") and not calls(simulator, "ModifyInstanceAttribute")


# -- a drill that is told to replace production -----------------------------------------------------------------------


def test_a_drill_that_is_told_to_replace_production_touches_nothing(run, simulator):
    production = launch(simulator, WEB, is_drill=False)
    before = len(calls(simulator, "StartRecovery"))

    ended = run(SHOP, waves=["web"], replace_live_instances=True)

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.said("preflight.check") == (
        "the run of shop is refused, 1 reason; nothing was launched:\n  - replace_live_instances is for recoveries: a "
        "drill never terminates a live recovered instance. Switch it off, and leave out the servers that have one "
        "(exclude_servers)"
    )
    assert {name: state for name, state in instances(simulator).items() if name in production} == dict.fromkeys(
        production, "running"
    )
    assert len(calls(simulator, "StartRecovery")) == before
    assert nothing_was_touched(simulator)


def test_a_second_recovery_of_what_was_just_recovered_is_refused_and_never_advised_to_replace(run, simulator, tmp_path):
    first = run(SHOP, **GO, waves=["web"])
    assert first.state == "success"
    production = instances(simulator)
    (tmp_path / "reports").rename(tmp_path / "first")

    second = run(SHOP, **GO, waves=["web"])

    assert (second.state, second.report["verdict"]) == ("failed", "refused")
    said = second.said("preflight.check")
    assert f"see run {first.dag_run.run_id} of drs.shop, and leave the server out: production is up" in said
    assert "replace_live_instances" not in said
    assert instances(simulator) == production == dict.fromkeys(production, "running")


# -- drill instances of somebody else ---------------------------------------------------------------------------------


def test_a_drill_is_refused_over_somebody_elses_drill_instance_which_is_named(run, simulator):
    (theirs,) = launch(simulator, WEB[:1], is_drill=True)
    (job,) = [job["jobID"] for job in simulator.client("drs").describe_jobs(filters={})["items"]]

    ended = run(SHOP, waves=["web"])

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    said = ended.said("preflight.check")
    assert f"it has a drill instance that this plan did not launch, and a launch would terminate it: {theirs}" in said
    assert f"ago by job {job}; ask whose it is" in said
    assert instances(simulator) == {theirs: "running"}


def test_a_drill_that_may_replace_it_does_and_the_report_lists_it(run, simulator):
    (theirs,) = launch(simulator, WEB[:1], is_drill=True)

    ended = run(SHOP, waves=["web"], replace_drills=True)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")
    (warning,) = [found for found in ended.report["preflight"]["findings"] if theirs in found["what"]]
    assert warning["severity"] == "warning"
    assert warning["next_step"] == "replace_drills is set, so the launch terminates it"
    assert len(ended.report["cleanup"]["terminated"]) == len(WEB)
    assert set(instances(simulator).values()) <= {"terminated"}  # EC2 forgets them after an hour


def test_a_recovery_goes_over_somebody_elses_drill_and_says_so(run, simulator):
    (theirs,) = launch(simulator, WEB[:1], is_drill=True)

    ended = run(SHOP, **GO, waves=["web"])

    assert ended.state == "success"
    (warning,) = [found for found in ended.report["preflight"]["findings"] if theirs in found["what"]]
    assert (warning["severity"], warning["next_step"]) == ("warning", "the recovery terminates it")


def test_the_leftover_of_an_expired_drill_is_no_strangers(run, simulator):
    drs = simulator.client("drs")
    tags = {
        "drs-orchestrator:run": "a" * 32,
        "drs-orchestrator:plan": "drs.crm",
        "drs-orchestrator:mode": "drill",
        "drs-orchestrator:expires": "2020-01-01T00:00:00Z",
    }
    drs.start_recovery(isDrill=True, tags=tags, sourceServers=[{"sourceServerID": WEB[0]}])
    simulator.advance("30m")

    ended = run(SHOP, waves=["web"])

    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")


# -- instances that were there before ---------------------------------------------------------------------------------


def test_a_drill_refuses_a_server_that_would_be_launched_into_an_existing_instance(run, simulator):
    existing = an_existing_instance(simulator)
    launch_into(simulator, WEB[0], existing)

    ended = run(SHOP, waves=["web"])

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert f"DRS would launch it into the existing instance {existing} instead of a new one" in ended.said(
        "preflight.check"
    )
    assert state_of(simulator, existing) == "stopped"
    assert calls(simulator, "StartRecovery") == []


def test_a_drill_refuses_when_the_setting_comes_between_preflight_and_launch(run, simulator, monkeypatch):
    existing = an_existing_instance(simulator)
    written = PreflightResult.to_json

    def and_then(self):
        launch_into(simulator, WEB[0], existing)
        return written(self)

    monkeypatch.setattr(PreflightResult, "to_json", and_then)

    ended = run(SHOP, waves=["web"])

    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert ended.said("web.start_recovery").startswith(
        "a drill launches new instances only, and nothing of this job was started: web1 (s-00000000000000011): DRS "
        f"would launch it into the existing instance {existing} instead of a new one"
    )
    assert state_of(simulator, existing) == "stopped"
    assert calls(simulator, "StartRecovery") == []


def test_a_recovery_is_warned_and_goes_on(run, simulator):
    existing = an_existing_instance(simulator)
    launch_into(simulator, WEB[0], existing)

    ended = run(SHOP, **GO, waves=["web"])

    assert ended.state == "success"
    said = [found["what"] for found in ended.report["preflight"]["findings"] if existing in found["what"]]
    assert [what.split(" (")[0] for what in said] == [
        f"DRS would launch it into the existing instance {existing} instead of a new one"
    ]
    assert state_of(simulator, existing) == "running"


@pytest.mark.usefixtures("looks_over_once")
def test_a_clean_up_keeps_an_instance_that_was_there_before_its_launch(run, simulator, monkeypatch):
    """Where everything before it failed to see it: the launch took the instance over, and nothing proves it new."""
    from drs_provider.services.launch import start_jobs

    existing = an_existing_instance(simulator)
    began = []

    def not_seen(hook, servers):
        if not began:
            launch_into(simulator, WEB[0], existing)
        began.append(servers)

    monkeypatch.setattr(start_jobs, "ensure_new_instances", not_seen)

    ended = run(SHOP, waves=["web"])

    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert state_of(simulator, existing) == "running"
    terminated = [call["request"]["recoveryInstanceIDs"] for call in calls(simulator, "TerminateRecoveryInstances")]
    assert [len(names) for names in terminated] == [len(WEB) - 1]
    assert existing not in terminated[0]
    assert existing in json.dumps(ended.report)
    assert f"{existing}: an instance that drsjob-" in ended.said("finish.look_over")
    assert (
        "; the clean-up kept it on purpose: the server's launch settings name it as the existing instance to launch "
        "into, so it is kept: look at it in EC2, and stop or repair it manually"
    ) in ended.said("finish.look_over")


def test_every_instance_that_a_clean_up_terminates_is_proven_to_be_its_launchs(run, simulator):
    from drs_provider.rules.run.handover import CleanedUp

    ended = run(SHOP, waves=["web"])

    task = next(ti for ti in ended.dag_run.get_task_instances() if ti.task_id == "finish.clean_up")
    cleaned = CleanedUp.read(task.xcom_pull("finish.clean_up", key=CleanedUp.KEY))
    assert len(cleaned.terminated) == len(WEB)
    assert all(gone.created_by_launch.startswith("EC2 created it at ") for gone in cleaned.terminated)


# -- one account and Region by two names ------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["the connection's Region", "another connection"])
@pytest.mark.parametrize("mode", [{}, GO], ids=["drill", "recovery"])
def test_twin_groups_of_one_account_and_region_are_refused(run, simulator, monkeypatch, second, mode):
    text = TWINS
    if second == "another connection":
        text = text.replace("name: twin\n", "name: twin\nregion: us-west-2\naws_conn_id: aws_again\n")
        url = simulator.url
        extra = {"region_name": "eu-central-1", "endpoint_url": url, "service_config": {"sts": {"endpoint_url": url}}}
        again = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_AGAIN", json.dumps(again))

    ended = run(text, **mode)

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    said = ended.said("preflight.check")
    assert said.count("is in 2 groups, db and twin (us-west-2 of connection aws_default and ") == len(DB)
    assert said.count("are both us-west-2 of account 111122223333): a server belongs to one") == len(DB)
    assert calls(simulator, "StartRecovery") == []


@pytest.mark.parametrize(("network", "verdict"), [("shared", "passed"), ("isolated", "refused")])
def test_an_account_and_region_by_two_names_is_one_network_or_none(run, simulator, network, verdict):
    ended = run(TWO_NAMES.replace("NETWORK", network))

    assert ended.report["verdict"] == verdict
    if verdict == "refused":
        assert ended.said("preflight.check") == (
            "the run of shop is refused, 1 reason; nothing was launched:\n  - groups of the plan name us-west-2 of "
            "account 111122223333 in 2 ways, us-west-2 of connection aws_default and the Region of connection "
            "aws_default: the drill would make a network for each, and their servers would not reach each other. Write "
            "the same aws_conn_id and region in all of them"
        )


# -- servers that a native recovery plan holds ------------------------------------------------------------------------


def test_a_drill_of_a_server_that_a_native_plan_holds_is_refused_and_the_plan_named(run, simulator):
    drs = simulator.client("drs")
    plan = drs.create_recovery_plan(name="gold")["recoveryPlan"]["recoveryPlanArn"]
    arn = drs.describe_source_servers(filters={"sourceServerIDs": WEB[:1]})["items"][0]["arn"]
    drs.create_recovery_plan_step(
        recoveryPlanArn=plan,
        stepName="hold",
        stepOrder=1,
        configuration={"waitStepConfiguration": {"waitDurationMinutes": 120}},
    )
    drs.create_recovery_plan_step(
        recoveryPlanArn=plan,
        stepName="launch",
        stepOrder=2,
        configuration={"serverStepConfiguration": {"servers": [{"serverArn": arn, "impactLevel": "CRITICAL"}]}},
    )
    drs.start_recovery_plan_execution(recoveryPlanArn=plan, mode="DRILL")

    ended = run(SHOP, waves=["web"])

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert "it is held by the native DRS recovery plan gold (execution rpe-" in ended.said("preflight.check")
    assert calls(simulator, "StartRecovery") == []
