"""What preflight looks at beyond the servers, against the simulator over HTTP."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from drs_provider.hooks.iam import permission_gaps
from drs_provider.hooks.launch_actions import launch_actions_in_passing
from drs_provider.hooks.launch_settings import SIDE_BY_SIDE, LaunchSettingsHook
from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.plan.model import RecoveryPlan
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.tags import job_tags
from drs_provider.rules.preflight.permissions import questions
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import RosterServer, Target
from drs_provider.rules.run.shape import compile_shape
from drs_provider.services.preflight.account import Scope, look_deeper
from drs_provider.services.preflight.check import Preflight
from drs_provider.services.settings.survey import survey_settings
from drs_simulator.pytest_plugin import start_drs_simulator
from kit.aws_models import KNOWS_NATIVE_PLANS

__all__ = ["start_drs_simulator"]

HOME = "111122223333"
WHERE = "us-west-2 of connection aws_default"
ONLY_VIA_DRS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["drs:*", "ec2:Describe*"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["ec2:*", "iam:PassRole"],
            "Resource": ["arn:aws:ec2:*:*:*/*", "arn:aws:iam::*:role/service-role/*"],
            "Condition": {"StringEquals": {"aws:CalledVia": "drs.amazonaws.com"}},
        },
    ],
}
FLEET = {
    "accounts": [
        {
            "id": HOME,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"tiny": "10.20.0.0/28"}},
                    "servers": [
                        {"id": "s-{n:017d}", "hostname": "web{n}", "count": 13, "launch": {"subnet": "tiny"}},
                        {"id": "s-00000000000000099", "hostname": "bare", "launch_template": "bare"},
                    ],
                }
            ],
            "roles": [
                {"name": "narrow", "denied": ["ec2:RunInstances", "drs:Terminate*", "ec2:CreateSnapshot"]},
                {"name": "via-drs", "policy": ONLY_VIA_DRS},
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    return start_drs_simulator(FLEET)


@pytest.fixture
def hook_of(one_simulator, monkeypatch):
    one_simulator.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", one_simulator.url)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    def hook(role=None):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", HOME)
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        if role:
            arn = f"arn:aws:iam::{HOME}:role/{role}"
            given = one_simulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
            monkeypatch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
        return LaunchSettingsHook(aws_conn_id=None, region_name="us-west-2")

    return hook


SHOP = RunnablePlan(
    RecoveryPlan.model_validate(
        {"kind": "RecoveryPlan", "name": "shop", "drill": {"network": "shared"}, "waves": [{"name": "web"}]}
    ),
    {},
    Path("shop.yaml"),
    "digest",
)


def run_request(mode):
    return RunRequest(mode, "latest", ("web",), (), replace_live_instances=False, reason="", continue_run=None)


def look(hook, *names, mode="drill"):
    target = Target("aws_default", "us-west-2")
    sources = hook.source_servers()
    known = {source["sourceServerID"]: source for source in sources}
    servers = [
        RosterServer(name, known[name]["sourceProperties"]["identificationHints"]["hostname"], "g", True, target, True)
        for name in names
    ]
    settings = survey_settings(hook, {name: {} for name in names}, whole=True, sources=sources, instances=())
    request = run_request(mode)
    shape = compile_shape(SHOP, request)
    scope = Scope(target, shape, request, ("drs.shop", "manual__1"), datetime.now(UTC), {"web": servers})
    return look_deeper(hook, scope, quotas=Quotas(), jobs=(), instances=(), others=(), settings=settings)


def sid(number):
    return f"s-{number:017d}"


def test_missing_permissions_are_found_before_anything_is_launched(hook_of):
    found = look(hook_of("narrow"), sid(1))
    role = f"arn:aws:iam::{HOME}:role/narrow"

    assert [f"{finding.severity}: {finding.what}" for finding in found.findings] == [
        (
            f"refusal: {role} may not ec2:CreateSnapshot. This shows at once: the job is COMPLETED after a second, "
            "every server FAILED, and its log gives no reason"
        ),
        f"refusal: {role} may not ec2:RunInstances. This shows after some five minutes of conversion, as LAUNCH_FAILED",
        (
            f"refusal: {role} may not drs:TerminateRecoveryInstances. This shows in the clean-up: the drill's "
            "instances stay and cost money"
        ),
    ]
    assert [finding.severity for finding in look(hook_of("narrow"), sid(1), mode="recovery").findings] == [
        "warning",
        "warning",
    ]


def test_a_role_that_may_only_do_it_through_drs_has_what_a_launch_needs(hook_of):
    asked = questions(DRILL, settings=False, launch_actions=False)

    gaps = permission_gaps(hook_of("via-drs"), asked)

    assert (gaps.denied, gaps.unclear, gaps.not_asked) == ((), (), "")


def test_what_may_not_be_asked_is_a_note(hook_of, one_simulator):
    one_simulator.fault({"service": "iam", "operation": "SimulatePrincipalPolicy", "do": "access_denied"})

    found = look(hook_of("narrow"), sid(1))

    assert found.findings == ()
    assert next(note for note in found.notes if note.startswith("permissions")).startswith(
        f"permissions in {WHERE}: not checked: iam:SimulatePrincipalPolicy"
    )


def test_the_servers_of_a_run_must_fit_into_their_subnet(hook_of):
    found = look(hook_of(), *map(sid, range(1, 14)))

    assert [finding.what for finding in found.findings] == [
        "it has 11 free addresses, and 13 servers of this run land there"
    ]
    assert f"wave web in {WHERE}: 13 servers in 1 job, 1 round" in found.notes


def test_a_server_without_a_subnet_is_found_before_drs_fails_without_a_reason(hook_of):
    found = survey_settings(hook_of(), {sid(99): {}}, whole=True)

    assert [finding.what for finding in found.findings] == [
        "its launch template names no subnet and there is no default VPC: DRS would fail without a reason"
    ]


def preflight_of(hook, folder, *, network="shared", launch="{}", mode="drill", as_of=None):
    (folder / "shop.yaml").write_text(
        f"kind: ProtectionGroup\nname: web\nregion: us-west-2\nservers: [{', '.join(map(sid, range(1, 10)))}]\n"
        f"launch: {launch}\n---\n"
        f"kind: RecoveryPlan\nname: shop\ndrill: {{network: {network}}}\nwaves: [{{name: web, groups: [web]}}]\n"
    )
    runnable = read_folder(folder).plans["shop"]
    point_in_time = "latest" if as_of is None else as_of.isoformat()
    request = replace(run_request(mode), point_in_time=point_in_time)
    shape = compile_shape(runnable, request)
    return Preflight(shape, request, ("drs.shop", "manual__1"), datetime.now(UTC)).take(lambda _: hook)


def test_preflight_asks_nothing_twice_and_few_questions_however_many_servers_there_are(
    hook_of, one_simulator, tmp_path
):
    hook = hook_of()
    before = len(one_simulator.calls())

    found = preflight_of(hook, tmp_path, network="isolated")

    assert found.refusals == []
    asked = one_simulator.calls()[before:]
    requests = [f"{call['service']} {call['operation']} {call['request']}" for call in asked]
    assert sorted(set(requests)) == sorted(requests)
    operations = [call["operation"] for call in asked]
    each = ("GetLaunchConfiguration", "ListLaunchActions", "DescribeRecoverySnapshots")
    # Nobody has switched launch actions on, and whoever replicates continuously has a recovery point.
    assert [operations.count(name) for name in each] == [9, 0, 0]
    assert operations.count("DescribeLaunchTemplateVersions") == 1
    assert (
        operations.count("SimulatePrincipalPolicy") == len(questions(DRILL, settings=False, launch_actions=False)) == 6
    )
    # One of them asks for executions of native recovery plans: a server that one holds cannot be launched for hours.
    assert operations.count("ListRecoveryPlanExecutions") == KNOWS_NATIVE_PLANS
    assert len([name for name in operations if name not in each]) <= 15


def asked_of(simulator, before):
    """How often each operation was called since."""
    return Counter(call["operation"] for call in simulator.calls()[before:])


@pytest.mark.parametrize(
    ("broken", "as_of", "asked"),
    [
        pytest.param(0, None, 0, id="all replicate continuously"),
        pytest.param(2, None, 2, id="two do not"),
        pytest.param(0, datetime(2099, 1, 1, tzinfo=UTC), 9, id="an instant is asked for"),
    ],
)
@pytest.mark.parametrize("mode", ["drill", "recovery"])
def test_recovery_points_are_asked_for_only_where_they_decide_something(  # noqa: PLR0917 - fixtures
    hook_of, one_simulator, tmp_path, mode, broken, as_of, asked
):
    hook = hook_of()
    if broken:
        one_simulator.fault({"servers": [sid(number) for number in range(1, broken + 1)], "do": "stall"})
    before = len(one_simulator.calls())

    found = preflight_of(hook, tmp_path, mode=mode, as_of=as_of)

    assert asked_of(one_simulator, before)["DescribeRecoverySnapshots"] == asked
    shown = [line for line in found.log_lines() if line.startswith("  web ")]
    assert sum("most recent data" in line for line in shown) == 9 - asked
    assert sum("old)" in line for line in shown) == asked


def test_launch_actions_are_asked_for_only_where_drs_would_run_them(hook_of, one_simulator, tmp_path):
    hook = hook_of()
    for number in (1, 2, 3):
        hook.update_configuration(sid(number), {"postLaunchEnabled": True})
    before = len(one_simulator.calls())

    preflight_of(hook, tmp_path)

    assert asked_of(one_simulator, before)["ListLaunchActions"] == 3


def test_launch_actions_that_the_plan_switches_on_are_asked_for(hook_of, one_simulator, tmp_path):
    hook = hook_of()
    before = len(one_simulator.calls())

    preflight_of(
        hook, tmp_path, launch="{actions: [{code: AWS-RunShellScript, name: hello, parameters: {commands: dr.hello}}]}"
    )

    assert asked_of(one_simulator, before)["ListLaunchActions"] == 9


@pytest.mark.parametrize(
    ("run", "refused"),
    [
        pytest.param({}, False, id="nothing is to be changed"),
        pytest.param({"mode": "recovery", "network": "isolated"}, False, id="a recovery"),
        pytest.param({"network": "isolated"}, True, id="a drill with a network of its own"),
        pytest.param({"mode": "recovery", "launch": "{copy_tags: true}"}, True, id="the plan sets something"),
    ],
)
def test_launch_settings_that_may_not_be_read_refuse_only_a_run_that_changes_them(
    hook_of, one_simulator, tmp_path, run, refused
):
    one_simulator.fault({"service": "drs", "operation": "GetLaunchConfiguration", "do": "access_denied"})

    found = preflight_of(hook_of(), tmp_path, **run)

    where, why = "us-west-2 of connection aws_default", "GetLaunchConfiguration: AccessDeniedException"
    said = found.refusals if refused else [note for note in found.notes if "launch settings" in note]
    what = "the launch settings cannot be read" if refused else "not checked"
    assert [where in message and what in message and why in message for message in said] == [True]
    assert found.refusals == (said if refused else [])


def test_launch_actions_are_only_shown_so_an_api_that_throttles_is_asked_for_them_once(hook_of, one_simulator):
    one_simulator.fault({"service": "drs", "operation": "ListLaunchActions", "do": "throttle"})
    before = len(one_simulator.calls())

    hook, servers = hook_of(), [*map(sid, range(1, 14))]
    for server in servers:
        hook.update_configuration(server, {"postLaunchEnabled": True})

    found = look(hook, *servers)

    assert [note for note in found.notes if note.startswith("launch actions")] == [
        f"launch actions in {WHERE}: not checked: ListLaunchActions: ThrottlingException: Rate exceeded"
    ]
    asked = [
        str(call["request"]) for call in one_simulator.calls()[before:] if call["operation"] == "ListLaunchActions"
    ]
    assert 1 <= len(asked) == len(set(asked)) <= SIDE_BY_SIDE


def test_launch_actions_that_were_seen_before_a_refusal_are_shown(hook_of, one_simulator):
    servers = [sid(number) for number in range(1, 14)]
    hook = hook_of()
    one_simulator.fault({"service": "drs", "operation": "ListLaunchActions", "servers": servers[12:], "do": "throttle"})

    found, refusal = launch_actions_in_passing(hook, servers)

    assert found == dict.fromkeys(servers[:12], ())
    assert str(refusal) == "ListLaunchActions: ThrottlingException: Rate exceeded"


@pytest.mark.parametrize(("run_id", "refused"), [("manual__1", 0), ("manual__2", 1)], ids=["its own", "another run's"])
def test_a_running_job_refuses_a_drill_unless_it_is_its_own(hook_of, one_simulator, tmp_path, run_id, refused):
    tags = job_tags(dag_id="drs.shop", run_id=run_id, wave="web", chunk=0, attempt=1)
    drs = one_simulator.client("drs")
    job = drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": sid(1)}], tags=tags)["job"]["jobID"]

    found = preflight_of(hook_of(), tmp_path)

    held = [finding for finding in found.refusals if f"it is in the running job {job}" in finding]
    assert len(held) == refused
    assert bool(found.refusals) == bool(refused)
