"""The operators of launch settings: what they refuse before any call, wait for, raise, and keep between tries."""

import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from drs_provider.exceptions import AccessDenied, AwsError, Conflict, Throttled
from drs_provider.hooks.launch_settings import TemplateVersion
from drs_provider.operators.launch_settings import DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator
from drs_provider.operators.protection import DrsProtectRecoveryInstancesOperator
from drs_provider.rules.settings.candidates import AccountAnswers
from kit.fake_context import fake_context
from kit.fake_drs import FakeDrs
from kit.signatures import unsigned

PLUGINS = Path(__file__).parents[3] / "plugins"
OFF = {"copy_tags": False}


class Drs(FakeDrs):
    """The fake with launch settings; ``refusals`` scripts what UpdateLaunchConfiguration says of a server."""

    def __init__(self):
        super().__init__()
        self.live = {name: {"copyTags": True, "ec2LaunchTemplateID": f"lt-{name}"} for name in ("s-1", "s-2", "s-3")}
        self.refusals: dict[str, list[AwsError]] = {}
        self.updates: list[str] = []
        self.loses: set[str] = set()
        self.versions: dict[str, dict] = {}

    def source_servers(self, ids=None):
        return tuple(
            {"sourceServerID": identifier, "arn": identifier, "tags": {}}
            for identifier in ids
            if identifier in self.live
        )

    def launch_configurations(self, ids):
        return {identifier: dict(self.live[identifier]) for identifier in ids}

    def template_versions(self, wanted):
        return {key: self.template_version(*key) for key in wanted}

    def template_version(self, name, number=None):
        if number == 2:
            return TemplateVersion(name, 2, self.versions[name]) if name in self.versions else None
        return TemplateVersion(name, 1, {"KeyName": "ops", "NetworkInterfaces": [{"SubnetId": "subnet-1"}]})

    def described_version(self, name, description):
        return None

    def create_version(self, source, new, description):
        self.versions[source.template_id] = {
            key: value for key, value in new.on(source.data).items() if key not in self.loses
        }
        return 2

    def default_versions(self, names):
        return dict.fromkeys(names, 1)

    def make_default(self, name, number):
        self.updates.append(f"{name}:{number}")

    def surroundings(self, wanted):
        return AccountAnswers(
            subnets={
                "subnet-1": {
                    "SubnetId": "subnet-1",
                    "VpcId": "vpc-1",
                    "CidrBlock": "10.0.0.0/24",
                    "AvailabilityZone": "us-west-2a",
                }
            },
            zones={"m6i.large": frozenset({"us-west-2a"})},
        )

    def update_configuration(self, server, update):
        if self.refusals.get(server):
            raise self.refusals[server].pop(0)
        self.updates.append(server)
        self.live[server] = {**self.live[server], **update}
        return {} if server in self.loses else self.live[server]


def apply(drs, settings, **more):
    task = DrsApplyLaunchSettingsOperator(task_id="t", settings=settings, **more)
    task.__dict__["hook"] = drs
    return task


def conflict():
    return Conflict("UpdateLaunchConfiguration", "ConflictException", "being processed by a Job")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            {"settings": "{'s-1': {}}"}, "settings must be a mapping, but is \"{'s-1': {}}\"; nothing was", id="text"
        ),
        pytest.param(
            {"settings": {"s-1": "{}"}},
            "settings of s-1 must be a mapping, but is '{}'; nothing was called",
            id="inner",
        ),
        pytest.param(
            {"settings": {}, "is_temporary": "False"},
            "is_temporary must be True or False, but is 'False'; nothing was called",
            id="truthiness",
        ),
        pytest.param(
            {"settings": {"s-1": {"copy_tag": True}, "s-2": {"copy_tags": "no"}}},
            "the launch settings are refused, 2 reasons; nothing was changed:\n"
            "  - s-1: copy_tag is no launch setting; did you mean copy_tags?\n"
            "  - s-2: copy_tags must be True or False, but is 'no'",
            id="values",
        ),
    ],
)
def test_what_is_wrong_by_itself_is_refused_before_any_call(arguments, message):
    with pytest.raises(AirflowFailException) as caught:
        apply(None, **arguments).execute(fake_context())

    assert str(caught.value).startswith(message)


def test_a_server_that_drs_says_is_held_is_tried_again_though_no_job_shows_it():
    drs, context = Drs(), fake_context()
    drs.refusals["s-1"] = [conflict()]
    task = apply(drs, {"s-1": OFF, "s-2": OFF})

    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    drift = task.resume_settings(context, None, **deferred.value.kwargs)

    assert isinstance(deferred.value.trigger, DateTimeTrigger)
    assert drs.updates == ["s-2", "s-1"]
    assert drift["servers"] == {
        server: [{"field": "copy_tags", "was": True, "now": False}] for server in ("s-1", "s-2")
    }


def test_one_server_that_is_refused_does_not_keep_the_others_from_their_settings():
    drs = Drs()
    drs.refusals = {
        "s-1": [AccessDenied("UpdateLaunchConfiguration", "AccessDeniedException", "no")],
        "s-2": [AwsError("UpdateLaunchConfiguration", "ValidationException", "bad")],
    }

    with pytest.raises(AirflowFailException) as caught:
        apply(drs, {"s-1": OFF, "s-2": OFF, "s-3": OFF}).execute(fake_context())

    assert drs.updates == ["s-3"]
    assert str(caught.value) == (
        "the launch settings of 2 servers could not be changed; clear this task to continue:\n"
        "  - s-1: UpdateLaunchConfiguration: AccessDeniedException: no (add the permission to the role of the Airflow "
        "connection; docs/permissions.md lists them all)\n"
        "  - s-2: UpdateLaunchConfiguration: ValidationException: bad"
    )


def test_what_a_retry_can_cure_is_left_to_a_retry_that_still_tells_the_whole_drift():
    drs, context = Drs(), fake_context()
    drs.refusals["s-1"] = [Throttled("UpdateLaunchConfiguration", "ThrottlingException", "slow down")]

    with pytest.raises(Throttled):
        apply(drs, {"s-1": OFF, "s-2": OFF}).execute(context)
    drift = apply(drs, {"s-1": OFF, "s-2": OFF}).execute(fake_context(context["task_state_store"]))

    assert drs.updates == ["s-2", "s-1"]
    assert drift["servers"] == {
        server: [{"field": "copy_tags", "was": True, "now": False}] for server in ("s-1", "s-2")
    }


def test_a_cleared_task_tells_only_what_it_changed_itself():
    drs, context = Drs(), fake_context()
    apply(drs, {"s-1": OFF}).execute(context)

    again = apply(drs, {"s-1": OFF}).execute(fake_context(context["task_state_store"], max_tries=1))

    assert again["servers"] == {"s-1": []}


def test_an_answer_without_the_change_is_no_success():
    drs = Drs()
    drs.loses = {"s-1"}
    drs.live["s-1"]["copyTags"] = False

    with pytest.raises(AirflowFailException) as caught:
        apply(drs, {"s-1": {"copy_tags": True}}).execute(fake_context())

    assert str(caught.value) == (
        "s-1: UpdateLaunchConfiguration does not read back as requested: copy_tags false -> true. The "
        "launch template's default version was left as it was; set it in the DRS console"
    )


def test_a_version_that_lost_something_never_becomes_the_default():
    drs = Drs()
    drs.loses = {"KeyName"}

    with pytest.raises(AirflowFailException) as caught:
        apply(drs, {"s-1": {"instance_type": "m6i.large"}}).execute(fake_context())

    assert str(caught.value) == (
        "s-1: version 2 of lt-s-1 does not read back as requested: KeyName is lost. The launch template's "
        "default version was left as it was; set it in the DRS console"
    )
    assert drs.updates == []


def test_warnings_are_handed_on_and_stop_nothing():
    drs, context = Drs(), fake_context()
    drs.live["s-1"]["targetInstanceTypeRightSizingMethod"] = "BASIC"

    apply(drs, {"s-1": {"instance_type": "m6i.large"}}).execute(context)

    assert drs.updates == ["lt-s-1:2"]
    assert [
        (finding["severity"], finding["server_id"], finding["rule"])
        for finding in context["pushed"]["findings"]["findings"]
    ] == [("warning", "s-1", "right_sizing")]


def test_no_settings_change_nothing():
    drs = Drs()

    assert apply(drs, {}).execute(fake_context())["servers"] == {}
    assert apply(drs, {"s-1": {}, "s-2": {"protect": True, "copy_tags": None}}).execute(fake_context())["servers"] == {
        "s-1": [],
        "s-2": [],
    }
    assert drs.updates == []


def test_a_trigger_that_was_refused_says_why():
    with pytest.raises(AirflowFailException) as caught:
        apply(Drs(), {}).resume_settings(fake_context(), {"outcome": "refused", "detail": "no permission"})

    assert str(caught.value) == "DescribeJobs: Refused: no permission"


@pytest.mark.parametrize(
    "kind",
    [DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator, DrsProtectRecoveryInstancesOperator],
)
def test_a_subclass_fills_in_what_only_the_run_knows(kind):
    class FromTheRun(kind):
        def prepare(self, context):
            self.settings, self.source_server_ids = {}, []

    task = FromTheRun(task_id="t", **{kind.template_fields[3]: "not known yet"})
    task.__dict__["hook"] = drs = Drs()
    drs.ec2_instances = lambda _: {}
    drs.protect = lambda _: {}

    assert unsigned(task.execute(fake_context())) in ({"version": 2, "servers": {}}, {"version": 1, "servers": {}}, {})


def test_a_dag_file_that_names_the_operators_does_not_import_boto3():
    code = (
        "import sys, drs_provider.operators.launch_settings, drs_provider.operators.protection;"
        "sys.exit(bool({'boto3', 'botocore', 'drs_provider.hooks'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, check=False).returncode == 0
