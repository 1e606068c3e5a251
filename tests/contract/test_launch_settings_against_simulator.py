"""Launch settings read, checked, applied, put back and launched with, against the simulator over HTTP."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from drs_provider.exceptions import ServiceUnavailable
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.operators.launch_settings import DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator
from drs_provider.operators.protection import DrsProtectRecoveryInstancesOperator
from drs_provider.rules.settings.drill_memory import TAG
from kit.fake_drs import MemoryStore

ONE, TWO = "s-0hello00000000001", "s-0hello00000000002"
EFFECTS = (
    "UpdateLaunchConfiguration",
    "CreateLaunchTemplateVersion",
    "ModifyLaunchTemplate",
    "TagResource",
    "UntagResource",
)


@pytest.fixture(scope="module")
def clients(one_simulator):
    """boto3 clients and one hook for all tests of this module: making them takes longer than the tests do."""
    made = {name: one_simulator.client(name) for name in ("drs", "ec2", "iam")}
    once = {"retries": {"total_max_attempts": 1}}
    hooks = {}

    def hook():
        return hooks.setdefault("one", LaunchSettingsHook(aws_conn_id=None, region_name="us-west-2", config=once))

    return SimpleNamespace(**made, hook=hook)


@pytest.fixture
def network(simulator, clients):
    """Subnets by name, and a security group in their VPC."""
    ec2 = clients.ec2
    subnets = {subnet["Tags"][0]["Value"]: subnet for subnet in ec2.describe_subnets()["Subnets"]}
    vpc = subnets["prod"]["VpcId"]
    group = ec2.create_security_group(GroupName="shop", Description="shop", VpcId=vpc)["GroupId"]
    clients.iam.create_instance_profile(InstanceProfileName="shop-db")
    return SimpleNamespace(
        prod=subnets["prod"]["SubnetId"],
        drill=subnets["drill"]["SubnetId"],
        group=group,
        vpc=vpc,
        ec2=ec2,
        drs=clients.drs,
        hook=clients.hook(),
    )


def a_context(store=None, *, max_tries=0):
    pushed = {}
    names = {"dag_id": "drs.shop", "run_id": "manual__1", "task_id": "t", "map_index": None, "try_number": 1}
    ti = SimpleNamespace(max_tries=max_tries, xcom_push=lambda key, value: pushed.update({key: value}), **names)
    return {"ti": ti, "pushed": pushed, "task_state_store": MemoryStore() if store is None else store}


def operator(network, kind, **more):
    task = kind(task_id="t", aws_conn_id=None, region_name="us-west-2", **more)
    task.__dict__["hook"] = network.hook
    return task


def apply(network, settings, *, context=None, **more):
    task = operator(network, DrsApplyLaunchSettingsOperator, settings=settings, **more)
    return task.execute(context or a_context())["servers"]


def restore(network, *servers):
    task = operator(network, DrsRestoreLaunchSettingsOperator, source_server_ids=list(servers))
    return task.execute(a_context())["servers"]


def effects(simulator, since=0):
    return [call["operation"] for call in simulator.calls(since) if call["operation"] in EFFECTS]


def template(network, server=ONE):
    name = network.drs.get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]
    found = network.ec2.describe_launch_template_versions(LaunchTemplateId=name, Versions=["$Default"])
    return found["LaunchTemplateVersions"][0]


def configuration(network, server=ONE):
    answer = network.drs.get_launch_configuration(sourceServerID=server)
    return {key: value for key, value in answer.items() if key not in ("ResponseMetadata", "sourceServerID", "name")}


def tags(network, server=ONE):
    filters = {"sourceServerIDs": [server]}
    return network.drs.describe_source_servers(filters=filters)["items"][0]["tags"]


def everything(network):
    return {
        "instance_type": "r5.large",
        "subnet_id": network.drill,
        "security_group_ids": [network.group],
        "instance_profile": "shop-db",
        "private_ip": "10.20.8.10",
        "right_sizing": "none",
        "copy_private_ip": False,
        "copy_tags": False,
        "os_byol": True,
        "disposition": "stopped",
        "recovery_mode": "fast",
    }


def test_only_what_differs_is_changed_and_the_second_time_nothing_is(simulator, network):
    context = a_context()
    drift = apply(network, {ONE: everything(network), TWO: {}}, context=context)

    assert drift == {
        ONE: [
            {"field": "copy_tags", "was": True, "now": False},
            {"field": "os_byol", "was": False, "now": True},
            {"field": "disposition", "was": "started", "now": "stopped"},
            {"field": "recovery_mode", "was": "optimal", "now": "fast"},
            {"field": "instance_type", "was": "m5.large", "now": "r5.large"},
            {"field": "subnet_id", "was": network.prod, "now": network.drill},
            {"field": "security_group_ids", "was": None, "now": [network.group]},
            {"field": "instance_profile", "was": None, "now": "shop-db"},
            {"field": "private_ip", "was": None, "now": "10.20.8.10"},
        ],
        TWO: [],
    }
    found = context["pushed"]["findings"]
    assert (found["findings"], found["signature"]["try"]) == ([], 1)
    assert template(network)["VersionNumber"] == 2
    assert template(network)["LaunchTemplateData"] == {
        "InstanceType": "r5.large",
        "IamInstanceProfile": {"Name": "shop-db"},
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "Groups": [network.group],
                "PrivateIpAddress": "10.20.8.10",
                "SubnetId": network.drill,
            }
        ],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "hello1"}]}],
    }
    assert template(network, TWO)["VersionNumber"] == 1
    assert effects(simulator) == ["CreateLaunchTemplateVersion", "UpdateLaunchConfiguration", "ModifyLaunchTemplate"]

    again = apply(network, {ONE: everything(network), TWO: {}})

    assert again == {ONE: [], TWO: []}
    assert len(effects(simulator)) == 3


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_changed(simulator, network):
    far = network.ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    stranger = network.ec2.create_security_group(GroupName="far", Description="far", VpcId=far)["GroupId"]
    settings = {
        ONE: {
            "subnet_id": "subnet-00000000000000000",
            "instance_profile": "nobody",
            "instance_type": "x9.huge",
            "copy_tags": False,
        },
        TWO: {"security_group_ids": [stranger, "sg-00000000000000000"], "private_ip": "10.20.0.2"},
        "s-00000000000000000": {"copy_tags": False},
    }

    with pytest.raises(AirflowFailException) as caught:
        apply(network, settings)

    assert str(caught.value) == (
        "the launch settings are refused, 7 reasons; nothing was changed:\n"
        f"  - hello1 ({ONE}): subnet subnet-00000000000000000 does not exist in this account and Region; "
        "correct subnet_id\n"
        f"  - hello1 ({ONE}): instance type x9.huge is not offered in this Region; correct instance_type\n"
        f"  - hello1 ({ONE}): instance profile nobody does not exist in this account; "
        "create it, or correct instance_profile\n"
        f"  - hello2 ({TWO}): security group sg-00000000000000000 does not exist in this account and Region; "
        "correct security_group_ids\n"
        f"  - hello2 ({TWO}): security group {stranger} is in {far}, but {network.prod} is in {network.vpc}; "
        "give security groups of that VPC in security_group_ids\n"
        f"  - hello2 ({TWO}): address 10.20.0.2 is reserved by AWS in {network.prod} (10.20.0.0/22): the first four "
        "and the last of every subnet are; choose another private_ip\n"
        "  - s-00000000000000000: DRS knows no such source server in this account and Region; "
        "check the id, the connection's account and the Region"
    )
    assert effects(simulator) == []


def launch(simulator, network, *, is_drill, server=ONE):
    job = network.drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=is_drill)["job"]
    simulator.advance("40m")
    items = network.drs.describe_recovery_instances(filters={"sourceServerIDs": [server]})["items"]
    return job["jobID"], items[0]["ec2InstanceID"]


def test_an_address_that_somebody_holds_is_refused_but_not_the_servers_own(simulator, network):
    launch(simulator, network, is_drill=True)

    with pytest.raises(AirflowFailException) as caught:
        apply(network, {TWO: {"private_ip": "10.20.0.4"}})
    drift = apply(network, {ONE: {"private_ip": "10.20.0.4"}})

    assert f"hello2 ({TWO}): address 10.20.0.4 is taken in {network.prod} by instance i-" in str(caught.value)
    assert drift == {ONE: [{"field": "private_ip", "was": None, "now": "10.20.0.4"}]}


def test_a_server_in_a_job_is_waited_for_and_only_if_it_differs(simulator, network):
    simulator.clock(freeze=True)
    job = network.drs.start_recovery(sourceServers=[{"sourceServerID": ONE}], isDrill=True)["job"]["jobID"]

    assert apply(network, {ONE: {"copy_tags": True}}) == {ONE: []}
    task, context = operator(network, DrsApplyLaunchSettingsOperator, settings={ONE: {"copy_tags": False}}), a_context()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert deferred.value.trigger.watches[0]["job_ids"] == [job]
    assert effects(simulator) == []

    simulator.clock(speed=600)
    simulator.advance("40m")
    drift = task.resume_settings(context, {"outcome": "ended"}, **deferred.value.kwargs)["servers"]

    assert drift == {ONE: [{"field": "copy_tags", "was": True, "now": False}]}


def test_a_task_that_waited_too_long_says_for_what(simulator, network):
    simulator.clock(freeze=True)
    job = network.drs.start_recovery(sourceServers=[{"sourceServerID": ONE}], isDrill=True)["job"]["jobID"]
    task = operator(network, DrsApplyLaunchSettingsOperator, settings={ONE: {"copy_tags": False}})
    long_ago = task._now() - task.max_wait

    with pytest.raises(AirflowFailException) as caught:
        task.resume_settings(a_context(), {"outcome": "timed_out"}, waiting_since=long_ago.isoformat())

    assert str(caught.value) == (
        f"waited 2h: servers are held by running jobs: {job}. Settings are not changed under a running job; clear "
        "this task when it has ended"
    )


def test_a_drills_settings_are_put_back_to_the_last_one(simulator, network):
    before = configuration(network), template(network), tags(network)

    drift = apply(network, {ONE: everything(network)}, is_temporary=True)
    during = configuration(network), template(network)
    restored = restore(network, ONE, TWO)

    assert during[0] != before[0]
    assert during[1]["VersionNumber"] == 2
    assert (configuration(network), template(network), tags(network)) == before
    assert list(restored) == [ONE]
    assert sorted(
        (difference["field"], difference["was"], difference["now"]) for difference in restored[ONE]
    ) == sorted((difference["field"], difference["now"], difference["was"]) for difference in drift[ONE])
    assert restore(network, ONE, TWO) == {}


def test_a_drill_s_version_goes_when_it_is_put_back(simulator, network):
    for number in (2, 3):
        apply(network, {ONE: {"subnet_id": network.drill}}, is_temporary=True)
        apply(network, {ONE: {"subnet_id": network.drill}}, is_temporary=True)
        assert template(network)["VersionNumber"] == number
        restore(network, ONE)

    assert effects(simulator).count("CreateLaunchTemplateVersion") == 2
    assert template(network)["VersionNumber"] == 1


def test_what_a_drill_left_behind_never_gets_into_a_recovery(simulator, network):
    apply(network, {ONE: {"subnet_id": network.drill, "copy_tags": False}}, is_temporary=True)

    drift = apply(network, {ONE: {"instance_type": "r5.large"}, TWO: {}})

    assert drift[ONE] == [
        {"field": "copy_tags", "was": False, "now": True},
        {"field": "subnet_id", "was": network.drill, "now": network.prod},
        {"field": "instance_type", "was": "m5.large", "now": "r5.large"},
    ]
    assert template(network)["LaunchTemplateData"]["NetworkInterfaces"][0]["SubnetId"] == network.prod
    assert TAG not in tags(network)


def test_a_server_without_settings_gets_what_was_before_a_drill_as_well(simulator, network):
    apply(network, {ONE: {"subnet_id": network.drill}}, is_temporary=True)

    assert apply(network, {ONE: {}}) == {ONE: [{"field": "subnet_id", "was": network.drill, "now": network.prod}]}
    assert template(network)["VersionNumber"] == 1


def test_a_second_drill_over_the_remains_of_a_first_still_knows_what_was_before(simulator, network):
    before = configuration(network), template(network)
    apply(network, {ONE: {"subnet_id": network.drill, "copy_tags": False}}, is_temporary=True)
    apply(network, {ONE: {"instance_type": "r5.large", "os_byol": True}}, is_temporary=True)
    assert tags(network)[TAG] == "version=1/3 copy_tags=true/false os_byol=false/true"

    restore(network, ONE)

    assert (configuration(network), template(network)) == before


def test_what_somebody_changed_since_the_drill_is_left_alone(simulator, network):
    apply(network, {ONE: {"subnet_id": network.drill, "copy_tags": False, "os_byol": True}}, is_temporary=True)
    name = configuration(network)["ec2LaunchTemplateID"]
    network.drs.update_launch_configuration(sourceServerID=ONE, copyTags=True)
    network.ec2.create_launch_template_version(
        LaunchTemplateId=name, SourceVersion="1", LaunchTemplateData={"InstanceType": "c5.large"}
    )
    network.ec2.modify_launch_template(LaunchTemplateId=name, DefaultVersion="3")

    restored = restore(network, ONE)

    assert restored == {ONE: [{"field": "os_byol", "was": True, "now": False}]}
    assert (template(network)["VersionNumber"], configuration(network)["copyTags"]) == (3, True)
    assert TAG not in tags(network)


@pytest.mark.parametrize("lost", EFFECTS[:-1])
@pytest.mark.parametrize("do", ["commit_then_drop", "server_error"])
def test_a_try_that_dies_at_any_call_is_finished_by_the_next(simulator, network, lost, do):
    service = "drs" if lost in ("UpdateLaunchConfiguration", "TagResource") else "ec2"
    before = configuration(network), template(network)
    settings, context = {ONE: everything(network)}, a_context()
    simulator.fault({"service": service, "operation": lost, "do": do, "count": 1})

    with pytest.raises(ServiceUnavailable):
        apply(network, settings, context=context, is_temporary=True)
    drift = apply(network, settings, context=a_context(context["task_state_store"]), is_temporary=True)

    assert [difference["field"] for difference in drift[ONE]] == [
        "copy_tags",
        "os_byol",
        "disposition",
        "recovery_mode",
        "instance_type",
        "subnet_id",
        "security_group_ids",
        "instance_profile",
        "private_ip",
    ]
    assert template(network)["VersionNumber"] == 2
    restore(network, ONE)
    assert (configuration(network), template(network)) == before


@pytest.mark.parametrize("lost", ["UpdateLaunchConfiguration", "ModifyLaunchTemplate", "UntagResource"])
@pytest.mark.parametrize("do", ["commit_then_drop", "server_error"])
def test_a_putting_back_that_dies_at_any_call_is_finished_by_the_next(simulator, network, lost, do):
    before = configuration(network), template(network), tags(network)
    apply(network, {ONE: everything(network)}, is_temporary=True)
    service = "ec2" if lost == "ModifyLaunchTemplate" else "drs"
    simulator.fault({"service": service, "operation": lost, "do": do, "count": 1})

    with pytest.raises(ServiceUnavailable):
        restore(network, ONE)
    restore(network, ONE)

    assert (configuration(network), template(network), tags(network)) == before


def test_a_version_that_is_gone_is_said_and_the_tag_stays(simulator, network):
    apply(network, {ONE: {"subnet_id": network.drill}}, is_temporary=True)
    name = configuration(network)["ec2LaunchTemplateID"]
    arn = f"arn:aws:drs:us-west-2:111122223333:source-server/{ONE}"
    network.drs.tag_resource(resourceArn=arn, tags={TAG: "version=9/2"})

    with pytest.raises(AirflowFailException) as caught:
        restore(network, ONE)

    assert str(caught.value) == (
        f"hello1 ({ONE}): a drill changed its launch template {name}, and version 9, which was the default before, no "
        f"longer exists. Nothing was put back: set the template manually, then take the tag {TAG} off the source server"
    )
    assert TAG in tags(network)


def test_a_recovered_instance_is_placed_as_asked_and_protected(simulator, network):
    settings = {"instance_type": "r5.large", "subnet_id": network.drill, "security_group_ids": [network.group]}
    apply(network, {ONE: settings})
    job, instance = launch(simulator, network, is_drill=False)

    more = {**settings, "private_ip": "10.20.8.77", "right_sizing": "none"}
    found = operator(
        network, DrsProtectRecoveryInstancesOperator, settings={ONE: more, TWO: {}}, job_ids=[job]
    ).execute(a_context())["servers"]

    (difference,) = found[ONE].pop("differences")
    assert (difference["field"], difference["wanted"]) == ("private_ip", "10.20.8.77")
    assert difference["found"].startswith("10.20.")
    assert found == {
        ONE: {"instance_id": instance, "is_drill": False, "protected": True, "not_protected": None},
        TWO: {
            "instance_id": None,
            "is_drill": None,
            "protected": False,
            "not_protected": None,
            "differences": [],
        },
    }
    attribute = network.ec2.describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")
    assert attribute["DisableApiTermination"]["Value"] is True


def test_a_drills_instance_and_one_that_shall_not_be_are_not_protected(simulator, network):
    launch(simulator, network, is_drill=True)
    launch(simulator, network, is_drill=False, server=TWO)

    found = operator(network, DrsProtectRecoveryInstancesOperator, settings={ONE: {}, TWO: {"protect": False}}).execute(
        a_context()
    )

    assert {server: check["protected"] for server, check in found["servers"].items()} == {ONE: False, TWO: False}
    assert not [call for call in simulator.calls() if call["operation"] == "ModifyInstanceAttribute"]


def test_an_instance_that_cannot_be_protected_fails_the_task_after_the_others(simulator, network):
    launch(simulator, network, is_drill=False)
    launch(simulator, network, is_drill=False, server=TWO)
    simulator.fault({"service": "ec2", "operation": "ModifyInstanceAttribute", "do": "access_denied", "count": 1})
    context = a_context()

    with pytest.raises(AirflowFailException) as caught:
        operator(network, DrsProtectRecoveryInstancesOperator, settings={ONE: {}, TWO: {}}).execute(context)

    assert str(caught.value).startswith("1 recovered instance could not be protected from termination. They run; clear")
    assert sorted(check["protected"] for check in context["pushed"]["instances"]["servers"].values()) == [False, True]
