"""The whole way back against the simulator: production goes back, is protected again, and nothing is left."""

import pytest
from kit.dag_runs import calls
from kit.failback_plans import DB, EAST, SHOP, WEB, WEST, failback_servers
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

CUT_OVER = SHOP.replace(
    "failback: {}",
    "failback: {approval: {approvers: [ann]}, clean_up: {approvers: [bob]}}\n"
    "before: [{kind: wait, name: freeze, for: 1s, when: failback}]",
)
YES = {"preflight.approval": [("ann", "Approve")], "finish.agree": [("bob", "Approve")]}
GO = {"mode": "failback", "confirm": "shop", "reason": "the Region is back"}
EVERY = [*DB, *WEB]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """What is confirmed or awaited after tens of seconds would be hours here."""
    from datetime import timedelta

    monkeypatch.setattr("drs_provider.rules.failback.confirmation.LEAST_APART", timedelta(seconds=1))
    monkeypatch.setattr("drs_provider.operators.failback.LOOK_AGAIN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr("drs_provider.dag.failback.cut_over.protect_again.LOOK_AGAIN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr("drs_provider.dag.waves.final_sync.LEAST_POLL_SECONDS", 0.3)


def originals(simulator, region=EAST):
    """EC2's state of the instances that the servers came from, by server id."""
    servers = simulator.client("drs", region_name=WEST).describe_source_servers(filters={})["items"]
    named = {
        server["sourceServerID"]: server["sourceProperties"]["identificationHints"].get("awsInstanceID")
        for server in servers
    }
    found = simulator.client("ec2", region_name=region).describe_instances()["Reservations"]
    states = {each["InstanceId"]: each["State"]["Name"] for found in found for each in found["Instances"]}
    return {server: (instance, states.get(instance)) for server, instance in named.items() if instance}


@pytest.fixture
def fenced(simulator):
    """Stop the originals, as people do after a disaster."""

    def fenced():
        running = [instance for instance, state in originals(simulator).values() if state == "running"]
        simulator.client("ec2", region_name=EAST).stop_instances(InstanceIds=running)
        return running

    return fenced


@pytest.fixture
def ready(go_back, recovered, fenced):
    """Recover every server, fence the originals, and replicate it back until it is ready."""

    def ready(text=CUT_OVER):
        instances = recovered(*EVERY)
        fenced()
        assert go_back(text, folder="reprotect").report["verdict"] == "completed"
        return instances

    return ready


def at_rest(simulator):
    west, east = (simulator.client("drs", region_name=region) for region in (WEST, EAST))
    left = [each for drs in (west, east) for each in drs.describe_recovery_instances()["items"]]
    assert left == []
    assert failback_servers(simulator) == {}
    states = {
        server["sourceServerID"]: server["dataReplicationInfo"]["dataReplicationState"]
        for server in west.describe_source_servers(filters={})["items"]
    }
    assert {states[server] for server in EVERY} == {"CONTINUOUS"}


def launched_in_origin(simulator):
    return [
        server["sourceServerID"]
        for call in calls(simulator, "StartRecovery")
        if call["region"] == EAST and (call["status"] or 0) < 400
        for server in call["request"]["sourceServers"]
    ]


@pytest.mark.timeout(500)
def test_production_goes_round_the_whole_circle_and_nothing_is_left(go_back, ready, simulator):
    instances = ready()

    with People(YES) as people:
        ended = go_back(CUT_OVER, **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), (
        ended.report["verdict_reason"],
        ended.tasks,
    )
    assert ended.servers == dict.fromkeys(("db1", "db2", "web1"), "launched")
    at_rest(simulator)
    assert len(launched_in_origin(simulator)) == len(set(launched_in_origin(simulator))) == 3
    gone = [
        name
        for call in calls(simulator, "TerminateRecoveryInstances")
        for name in call["request"]["recoveryInstanceIDs"]
    ]
    assert sorted(gone) == sorted(instances.values())
    assert ended.report["objectives"]["rpo"] is not None
    question = next(body for task, _, body in people.asked if task == "finish.agree")
    assert all(f"`{instance}`" in question for instance in instances.values())


def _into_originals(simulator):
    """Let the account in the origin launch into the instances that servers came from, and allow it for each."""
    east = simulator.client("drs", region_name=EAST)
    east.create_launch_configuration_template(launchIntoSourceInstance=True)
    ids = [instance for instance, _ in originals(simulator).values()]
    simulator.client("ec2", region_name=EAST).create_tags(
        Resources=ids, Tags=[{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}]
    )
    return {server: instance for server, (instance, _) in originals(simulator).items()}


@pytest.mark.timeout(500)
def test_originals_that_drs_launches_into_are_stopped_first_and_never_again(go_back, recovered, simulator):
    first = _into_originals(simulator)
    recovered(*EVERY)
    assert go_back(CUT_OVER, folder="reprotect").report["verdict"] == "completed"

    with People(YES) as people:
        ended = go_back(CUT_OVER, **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), ended.report["errors"]
    at_rest(simulator)
    assert originals(simulator) == {server: (instance, "running") for server, instance in first.items()}
    order = [call["operation"] for call in simulator.calls() if call["operation"] in ("StopInstances", "StartRecovery")]
    assert order == ["StartRecovery", "StopInstances", "StartRecovery", "StopInstances", "StartRecovery"]
    question = next(body for task, _, body in people.asked if task == "preflight.approval")
    assert all(f"**`{instance}`, stopped and overwritten**" in question for instance in first.values())


@pytest.mark.timeout(500)
def test_nobody_approves_and_nothing_is_called(go_back, ready, simulator):
    ready()

    with People({"preflight.approval": [("ann", "Reject")]}):
        ended = go_back(CUT_OVER, **GO)

    assert ended.said("preflight.approval") == "ann rejected the failback; nothing was stopped or launched"
    assert ended.report["verdict"] == "cancelled"
    assert launched_in_origin(simulator) == []
    assert calls(simulator, "StopReplication") == calls(simulator, "TerminateRecoveryInstances") == []


def test_what_is_not_ready_an_original_that_runs_and_a_missing_name_refuse_it(go_back, recovered, simulator):
    recovered(*EVERY)

    early = go_back(CUT_OVER, folder="early", **GO)
    unnamed = go_back(CUT_OVER, folder="unnamed", **{**GO, "confirm": "shops"})
    assert go_back(CUT_OVER, folder="reprotect").report["verdict"] == "completed"
    beside = go_back(CUT_OVER, folder="beside", **GO)

    assert "it is recovered, not ready: nothing can be launched there" in early.said("preflight.check")
    assert "type the plan's name, shop, into 'confirm'" in unnamed.said("preflight.check")
    assert "is running in the origin, and DRS would launch a new one beside it" in beside.said("preflight.check")
    assert {run.report["verdict"] for run in (early, unnamed, beside)} == {"refused"}
    assert launched_in_origin(simulator) == calls(simulator, "StopInstances") == []


@pytest.mark.timeout(500)
def test_a_lag_above_the_most_asks_somebody_whom_the_plan_does_not_ask(go_back, ready, simulator):
    text = CUT_OVER.replace("approval: {approvers: [ann]}", "max_lag: 1s")
    ready(text)

    with People({"preflight.approval": [("ann", "Reject")]}) as people:
        ended = go_back(text, **GO)

    question = next(body for task, _, body in people.asked if task == "preflight.approval")
    assert "**Further behind than failback.max_lag allows** (3): db1, db2, web1." in question
    assert ended.report["verdict"] == "cancelled"
    assert launched_in_origin(simulator) == []


@pytest.mark.timeout(500)
def test_a_run_that_died_right_after_its_launch_is_taken_over_and_nothing_is_launched_twice(
    go_back, ready, simulator, monkeypatch
):
    """The next run knows nothing of the first: it goes by what the cloud says, as another Airflow would."""
    from drs_provider.hooks.drs import DrsHook

    instances = ready()
    start = DrsHook.start_recovery

    def dies(self, *args, **kwargs):
        start(self, *args, **kwargs)
        raise RuntimeError("the worker is gone")

    with People({**YES, "preflight.approval": [("ann", "Approve"), ("ann", "Approve")]}):
        with monkeypatch.context() as patched:
            patched.setattr(DrsHook, "start_recovery", dies)
            died = go_back(CUT_OVER, folder="died", **GO)
        ended = go_back(CUT_OVER, folder="ended", **GO)

    assert died.report["verdict"] == "failed"
    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), ended.report["errors"]
    at_rest(simulator)
    assert sorted(launched_in_origin(simulator)) == sorted(set(launched_in_origin(simulator)))
    assert len(launched_in_origin(simulator)) == len(instances) == 3


@pytest.mark.timeout(500)
def test_a_run_that_died_between_launch_and_protection_is_gone_on_with(go_back, ready, simulator, monkeypatch):
    from drs_provider.dag.failback.cut_over.protect_again import ProtectAgain

    ready()

    def dies(self, context):
        raise RuntimeError("the worker is gone")

    with People({**YES, "preflight.approval": [("ann", "Approve"), ("ann", "Approve")]}) as people:
        with monkeypatch.context() as patched:
            patched.setattr(ProtectAgain, "execute", dies)
            died = go_back(CUT_OVER, folder="died", **GO)
        assert calls(simulator, "TerminateRecoveryInstances") == []
        ended = go_back(CUT_OVER, folder="ended", **GO)

    assert died.report["verdict"] == "failed"
    first, second = (body for task, _, body in people.asked if task == "preflight.approval")
    assert "runs there already" not in first
    assert second.count("runs there already**") == 3
    assert second.count("runs in the origin already, launched by job drsjob-") == 3, second
    assert "hat runs in its origin is not protected again" in died.report["verdict_reason"]
    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), ended.report["errors"]
    at_rest(simulator)
    assert len(launched_in_origin(simulator)) == 3


@pytest.mark.timeout(500)
def test_people_who_do_not_agree_to_the_end_keep_everything_and_a_later_run_asks_again(go_back, ready, simulator):
    ready()

    with People({**YES, "finish.agree": [("bob", "Reject")]}):
        kept = go_back(CUT_OVER, folder="kept", **GO)
    assert calls(simulator, "StopReplication") == calls(simulator, "TerminateRecoveryInstances") == []
    with People(YES):
        ended = go_back(CUT_OVER, folder="ended", **GO)

    assert kept.report["verdict"] == "completed_with_exceptions"
    assert "bob rejected the clean-up: nothing was removed" in kept.report["verdict_reason"]
    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), ended.report["errors"]
    at_rest(simulator)
    assert len(launched_in_origin(simulator)) == 3


@pytest.mark.timeout(500)
def test_a_step_that_fails_after_the_launch_keeps_the_way_back_open(go_back, ready, simulator):
    text = CUT_OVER + "after: [{kind: tcp, name: answers, host: 127.0.0.1, port: 1, timeout: 1s, from: airflow}]\n"
    ready(text)

    with People(YES):
        ended = go_back(text, **GO)

    assert (ended.report["verdict"], ended.tasks["finish.protect_again"]) == ("failed", "upstream_failed")
    assert set(failback_servers(simulator).values()) == {"CONTINUOUS"}
    assert calls(simulator, "StopReplication") == calls(simulator, "TerminateRecoveryInstances") == []


def words_of(ended, part):
    """What the first task of this name that failed has said."""
    return ended.said(next(task for task, state in ended.tasks.items() if part in task and state == "failed"))


STILL = (
    "What is not launched yet still runs where it was recovered, with its writes stopped: correct this and clear the "
    "task, or let the application write again"
)


@pytest.mark.timeout(500)
def test_writes_that_were_perhaps_not_stopped_bring_nothing_back(go_back, ready, simulator):
    freeze = "{kind: tcp, name: freeze, host: 127.0.0.1, port: 1, timeout: 1s, from: airflow, on_failure: continue"
    text = CUT_OVER.replace("{kind: wait, name: freeze, for: 1s", freeze)
    ready(text)
    fenced = calls(simulator, "StopInstances")

    with People(YES):
        ended = go_back(text, **GO)

    said = words_of(ended, ".start_recovery")
    assert "step freeze failed, and the plan goes on all the same. Nothing of it was stopped or launched." in said
    assert said.endswith(STILL)
    assert ended.report["verdict"] == "failed"
    assert (launched_in_origin(simulator), calls(simulator, "StopInstances")) == ([], fenced)


@pytest.mark.timeout(500)
def test_an_original_that_somebody_starts_meanwhile_is_not_stopped(go_back, recovered, fenced, simulator, monkeypatch):
    from drs_provider.dag.failback.cut_over.stop_originals import StopOriginals

    first = _into_originals(simulator)
    recovered(*EVERY)
    stopped = fenced()
    assert go_back(CUT_OVER, folder="reprotect").report["verdict"] == "completed"
    look, before = StopOriginals._stop, len(calls(simulator, "StopInstances"))

    def starts(self, context):
        simulator.client("ec2", region_name=EAST).start_instances(InstanceIds=stopped)
        return look(self, context)

    monkeypatch.setattr(StopOriginals, "_stop", starts)
    with People(YES):
        ended = go_back(CUT_OVER, **GO)

    said = words_of(ended, ".stop_originals")
    assert all(f"{first[server]} was stopped when preflight looked and is " in said for server in DB)
    assert "nobody has agreed to its stop: start a new run" in said
    assert said.endswith(STILL)
    assert len(calls(simulator, "StopInstances")) == before
    assert launched_in_origin(simulator) == []


@pytest.mark.timeout(500)
def test_production_is_not_launched_with_what_a_drill_has_left(go_back, ready, simulator):
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.services.settings.apply import apply_all

    ready()
    hook = LaunchSettingsHook(aws_conn_id="aws_default", region_name=EAST)
    east = simulator.client("drs", region_name=EAST)
    backs = [server["sourceServerID"] for server in east.describe_source_servers(filters={})["items"]]
    before = hook.launch_configurations(backs)
    settings = {back: {"copy_tags": not before[back]["copyTags"]} for back in backs}
    apply_all(hook, settings, is_temporary=True, marks={})
    assert all(hook.launch_configurations([back])[back] != before[back] for back in backs)

    with People({**YES, "finish.agree": [("bob", "Reject")]}) as people:
        ended = go_back(CUT_OVER, **GO)

    question = next(body for task, _, body in people.asked if task == "preflight.approval")
    assert "its launch settings in the origin are still those of a failback drill" in question
    assert ended.servers == dict.fromkeys(("db1", "db2", "web1"), "launched")
    assert {back: hook.launch_configurations([back])[back]["copyTags"] for back in backs} == {
        back: before[back]["copyTags"] for back in backs
    }
