"""``drs rehearse`` as people call it: what it foretells, what goes wrong in it, and what a run that follows does."""

import json
from pathlib import Path

import pytest
import yaml
from drs_provider.cli.main import main
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

pytestmark = pytest.mark.timeout(180)

ACCOUNT, THERE = "111122223333", "444455556666"


def sid(number):
    return f"s-{number:017d}"


def servers(first, count, hostname, **more):
    return [
        {"id": sid(first + n), "hostname": f"{hostname}{n + 1}", "tags": {"Tier": hostname}, "lag": "2s", **more}
        for n in range(count)
    ]


FLEET = {
    "accounts": [
        {
            "id": ACCOUNT,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/20"}},
                    "servers": [*servers(1, 6, "db"), *servers(11, 2, "web"), *servers(31, 1, "mon")],
                }
            ],
        },
    ]
}
GROUPS = f"""\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [{", ".join(sid(n) for n in range(1, 7))}]
---
kind: ProtectionGroup
name: web
region: us-west-2
servers: [{sid(11)}, {{id: {sid(12)}, critical: false}}]
---
kind: ProtectionGroup
name: mon
region: us-west-2
select: {{tags: {{Tier: mon}}}}
---
"""
PLAN = """\
kind: RecoveryPlan
name: shop
rto: {rto}
rpo: 5m
drill: {{network: shared, max_lag: 10m}}
recovery: {{max_lag: 1h, approval: {{required: 2, approvers: [ann, bob], timeout: 30m}}}}
waves:
  - {{name: database, groups: [db], timeout: {timeout}}}
  - {{name: web, groups: [web], delay_before: 1m, pause_before: {{message: Go on?, approvers: [ann]}}}}
  - {{name: monitoring, groups: [mon], depends_on: []}}
"""


@pytest.fixture
def rehearse(tmp_path, monkeypatch, capsys):
    """Rehearse a plan of six, two and one servers; return exit code and prediction."""
    monkeypatch.delenv("DRS_PLANS_FOLDER", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plans").mkdir()
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(FLEET))

    def rehearse(*options, rto="1h", timeout="40m", faults=(), fleet=True, plan=None):
        (tmp_path / "plans" / "shop.yaml").write_text(plan or GROUPS + PLAN.format(rto=rto, timeout=timeout))
        (tmp_path / "faults.json").write_text(json.dumps(list(faults)))
        chosen = ["--fleet", "fleet.yaml"] if fleet else []
        code = main(["rehearse", "shop", "--format", "json", "--faults", "faults.json", *chosen, *options])
        said = capsys.readouterr()
        assert said.out or code == 2, said.err
        return code, json.loads(said.out) if said.out else said.err

    return rehearse


def by_name(prediction):
    return {wave["name"]: wave for wave in prediction["waves"]}


def with_quotas(quotas, fleet=FLEET):
    copy = json.loads(json.dumps(fleet))
    copy["accounts"][0]["regions"][0]["quotas"] = quotas
    return copy


def test_quotas_branches_delays_and_answers_shape_what_is_foretold(rehearse):
    Path("fleet.yaml").write_text(yaml.safe_dump(with_quotas({"L-B827C881": 2, "L-05AFA8C6": 4})))
    code, said = rehearse("--mode", "recovery", "--answers-after", "5m", "--random-seed", "3")

    assert (code, said["fate"], said["verdict"]) == (0, "good", "completed")
    waves = by_name(said)
    # Two servers a job and four in all jobs: six servers of the database need three jobs, in two rounds.
    assert (waves["database"]["servers"], waves["database"]["jobs"]) == (6, 3)
    assert 2 * 440 < waves["database"]["end_seconds"] - waves["database"]["start_seconds"] < 2 * 660
    # Two approvals, five minutes each.
    assert 600 < waves["database"]["start_seconds"] < 615
    (use,) = said["quotas"]
    assert use["servers"] <= use["servers_quota"] == 4
    assert use["jobs"] == 2
    # The monitoring waits for nobody, but for room.
    assert waves["monitoring"]["start_seconds"] < waves["web"]["start_seconds"]
    gap = waves["web"]["start_seconds"] - waves["database"]["end_seconds"]
    assert 360 < gap < 375
    assert said["waited_seconds"] == pytest.approx(960, abs=5)
    assert said["critical_path"] == ["database", "web"]
    assert (waves["web"]["servers"], waves["web"]["critical"]) == (2, 1)
    assert said["api_calls"]["drs:StartRecovery"] == 5
    assert said["assumptions"] == [
        "Airflow takes 0.9 s to start a task, and to let a waiting one continue",
        "people approve after 5m",
    ]
    assert said["not_predicted"] == []


def test_a_fleet_made_up_from_the_plan_says_what_is_made_up_and_an_objective_can_be_missed(rehearse):
    code, said = rehearse("--selected", "2", fleet=False, rto="10m")

    assert (code, said["fate"], said["rto"]["outcome"]) == (1, "objective_missed", "missed")
    assert said["verdict"] == "completed_with_exceptions"
    assert by_name(said)["monitoring"]["servers"] == 2
    assert said["fleet"] == "on a fleet made up from the plan, 10 servers"
    assert "group mon: 2 servers found by tag (a guess)" in said["assumptions"]


def test_a_server_that_fails_fails_the_plan_with_its_reason(rehearse):
    fault = {"service": "drs", "hostname": "db2", "do": "fail_at", "event": "CONVERSION_START", "error": "NoRoom"}
    code, said = rehearse(faults=[fault])

    assert (code, said["fate"]) == (1, "failed")
    waves = by_name(said)
    assert [waves[name]["state"] for name in ("database", "web", "monitoring")] == ["failed", "not_started", "launched"]
    assert (waves["database"]["launched"], waves["database"]["servers"]) == (5, 6)
    assert [(failure["what"], failure["why"]) for failure in said["failures"]] == [
        (f"db2 ({sid(2)})", "CONVERSION_FAIL: NoRoom")
    ]


def test_a_job_that_never_ends_fails_at_the_time_that_the_plan_allows(rehearse):
    stuck = {"do": "stuck", "hostname": "db1", "event": "CONVERSION_START"}
    # A recovery: the clean-up of a drill would wait two hours for the job.
    code, said = rehearse("--mode", "recovery", faults=[stuck], timeout="20m")

    assert (code, said["fate"]) == (1, "failed")
    assert by_name(said)["database"]["state"] == "failed"
    assert any("20m" in failure["why"] for failure in said["failures"]), json.dumps(said["failures"])
    assert said["elapsed_seconds"] > 20 * 60


def test_a_broken_source_refuses_a_drill_and_not_a_recovery(rehearse):
    stall = {"do": "stall", "hostname": "db1"}
    code, said = rehearse(faults=[stall])
    assert (code, said["verdict"], said["launched_seconds"]) == (1, "refused", None)
    assert "db1" in said["failures"][0]["why"] or "db1" in said["failures"][0]["what"]
    assert said["api_calls"].get("drs:StartRecovery") is None

    code, said = rehearse("--mode", "recovery", faults=[stall])
    assert (said["mode"], [wave["state"] for wave in said["waves"]]) == ("recovery", ["launched"] * 3)
    # The newest point of a broken source may be older than the objective: then it ends well, and misses it.
    assert (code, said["rpo"]["outcome"]) in {(0, "met"), (1, "missed")}


STEPS = (
    GROUPS
    + """\
kind: RecoveryPlan
name: shop
drill: {network: shared, max_lag: 10m}
before:
  - {kind: lambda, name: freeze, function: freeze, timeout: 15m}
waves:
  - name: database
    groups: [db]
    after:
      - {kind: ssm_command, name: start, document: Shop-Start, on_failure: continue, timeout: 20m}
      - {kind: tcp, name: answers, host: "{{ server('db1').private_ip }}", port: 5432}
      - {kind: ssm_command, name: check, document: AWS-RunShellScript, parameters: {commands: ["sleep 60"]}}
  - name: web
    groups: [web]
"""
)


def test_steps_are_run_against_the_simulator_and_what_goes_wrong_there_counts(rehearse):
    fleet = with_quotas({})
    region = fleet["accounts"][0]["regions"][0]
    region["lambda_functions"] = {"freeze": {"behaviour": "sleep", "takes": "3m"}}
    Path("fleet.yaml").write_text(yaml.safe_dump(fleet))
    faults = [
        {"service": "ssm", "hostname": "db2", "action": "Shop-Start", "do": "fail", "error": "disk full"},
        {"service": "ssm", "hostname": "db*", "action": "AWS-RunShellScript", "do": "fail", "error": "no table"},
    ]
    code, said = rehearse("--steps-take", "20s", "--steps-take", "answers=40s", plan=STEPS, faults=faults)

    assert (code, said["fate"], said["verdict"]) == (1, "failed", "failed")
    (freeze,) = said["before"]
    assert (freeze["state"], freeze["assumed"]) == ("success", False)
    assert freeze["end_seconds"] - freeze["start_seconds"] == pytest.approx(180, abs=5)
    start, answers, check = by_name(said)["database"]["steps"]
    assert [instance["state"] for instance in (start, answers, check)] == ["failed", "success", "failed"]
    assert start["summary"].startswith("Shop-Start failed on 1 of 6 instances: db2 (i-")
    assert (answers["assumed"], answers["why"]) == (True, "it would connect to an address outside of the simulator")
    assert answers["end_seconds"] - answers["start_seconds"] == pytest.approx(40)
    # Agents come online, the script sleeps for a minute.
    assert 60 < check["end_seconds"] - check["start_seconds"] < 90
    assert by_name(said)["web"]["state"] == "not_started"
    assert [failure["what"] for failure in said["failures"]] == ["database.check", "database: step start"]
    assert said["failures"][0]["why"].startswith("step check: AWS-RunShellScript failed on 6 of 6 instances: ")
    assert said["failures"][1]["why"].endswith("disk full; the plan continues")
    assert said["api_calls"]["ssm:SendCommand"] == 2
    assert said["assumptions"][-2:] == [
        "wave database: answers (tcp): passes in 40s, for it would connect to an address outside of the simulator",
        "wave database: start: SSM document Shop-Start succeeds in 20s, for this fleet does not know it",
    ]


SETTINGS = """\
launch: {instance_type: m6i.large, subnet_id: subnet-0aaaaaaaa, security_group_ids: [sg-0aaaaaaaa]}
drill_launch: {subnet_id: subnet-0bbbbbbbb}
"""


def test_the_live_account_is_only_read(rehearse, start_drs_simulator, monkeypatch, tmp_path):  # noqa: F811
    from kit.dag_runs import calls

    live = with_quotas({"L-B827C881": 50, "L-05AFA8C6": 400})
    region = live["accounts"][0]["regions"][0]
    region["network"] |= {
        "vpc_id": "vpc-0aaaaaaaa",
        "subnets": {"prod": "10.20.0.0/20", "drill": "10.20.16.0/20"},
        "subnet_ids": {"prod": "subnet-0aaaaaaaa", "drill": "subnet-0bbbbbbbb"},
        "security_groups": {"sg-0aaaaaaaa": "shop"},
    }
    region["servers"] += servers(41, 3, "other")
    region["recovery_instances"] = [{"server": "other1", "is_drill": True}]
    drs = start_drs_simulator(live, speed=60)
    login = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret"}
    extra = {"region_name": "us-west-2", "endpoint_url": drs.url}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({**login, "extra": extra}))

    plan = GROUPS.replace("name: db\n", f"name: db\n{SETTINGS}") + PLAN.format(rto="1h", timeout="40m")
    code, said = rehearse("--from-account", fleet=False, plan=plan)

    assert (code, said["verdict"]) == (0, "passed")
    asked = {(call["service"], call["operation"]) for call in drs.calls()}
    assert {("drs", "GetLaunchConfiguration"), ("ec2", "DescribeLaunchTemplateVersions")} < asked
    assert {("ec2", "DescribeSubnets"), ("ec2", "DescribeSecurityGroups"), ("ec2", "DescribeVpcs")} < asked
    assert all(name.startswith(("Describe", "Get", "List")) for _, name in asked)
    listed = (Path(__file__).parents[3] / "docs" / "rehearse.md").read_text(encoding="utf-8")
    assert [one for service, name in sorted(asked) if (one := f"`{service}:{name}`") not in listed] == []
    # The rehearsed drill itself has changed launch settings, in its own simulator.
    assert said["api_calls"]["ec2:CreateLaunchTemplateVersion"] > 0
    assert calls(drs, "StartRecovery") == []
    assert said["fleet"].startswith(f"on 9 servers as account {ACCOUNT} in us-west-2 had them at ")
    (use,) = said["quotas"]
    assert (use["servers_per_job_quota"], use["servers_quota"]) == (50, 400)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            {"service": "ec2", "operation": "DescribeVpcs", "do": "access_denied"},
            "ec2:DescribeVpcs: UnauthorizedOperation: User is not authorized to perform: ec2:DescribeVpcs (add the "
            "permission to the role of the Airflow connection; docs/permissions.md lists them all)",
            id="a permission lacks",
        ),
        pytest.param(
            {"do": "expired_token"},
            "DescribeSourceServers: ExpiredTokenException: The security token included in the request is expired",
            id="expired",
        ),
    ],
)
def test_an_account_that_cannot_be_read_is_said_with_2(rehearse, start_drs_simulator, monkeypatch, fault, said):  # noqa: F811
    live = with_quotas({})
    live["accounts"][0]["regions"][0]["network"] |= {
        "vpc_id": "vpc-0aaaaaaaa",
        "subnet_ids": {"prod": "subnet-0aaaaaaaa"},
    }
    drs = start_drs_simulator(live, speed=60)
    extra = {"region_name": "us-west-2", "endpoint_url": drs.url}
    known = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(known))
    drs.fault(fault)

    code, error = rehearse("--from-account", fleet=False)

    assert code == 2
    assert error.splitlines()[-1] == (
        f"drs rehearse: cannot read us-west-2 of connection aws_default: {said}; nothing was rehearsed. "
        "docs/rehearse.md lists the permissions that reading needs; without --from-account the fleet is made up from "
        "the plan"
    )


def test_a_client_that_reads_refuses_to_do_anything(start_drs_simulator, monkeypatch):  # noqa: F811
    from drs_provider.exceptions import RunRefused
    from drs_provider.rehearsal.account_reader import ReadOnlyHook

    drs = start_drs_simulator(FLEET, speed=60)
    extra = {"region_name": "us-west-2", "endpoint_url": drs.url}
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        json.dumps({"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra}),
    )
    hook = ReadOnlyHook(aws_conn_id="aws_default")
    for effect in (
        lambda: hook.start_recovery([sid(1)], is_drill=True, tags={}),
        lambda: hook.terminate(["i-00000000000000001"]),
        lambda: hook.update_configuration(sid(1), {"copyTags": False}),
        lambda: hook.make_default("lt-0aaaaaaaa", 1),
        lambda: hook.protect(["i-00000000000000001"]),
    ):
        with pytest.raises(RunRefused, match="a rehearsal only reads from the live account, and "):
            effect()
    assert drs.calls() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop", "--faults", "nowhere.json"], "drs rehearse: nowhere.json: there is no such file\n"),
        (
            ["shop", "--fleet", "nowhere.yaml"],
            "drs rehearse: nowhere.yaml: cannot be read: No such file or directory\n",
        ),
        (
            ["shop", "--fleet", "two.yaml"],
            (
                "drs rehearse: nothing says which account of the fleet connection aws_default means in us-west-2: "
                "give --account aws_default=ACCOUNT\n"
            ),
        ),
        (
            ["shop", "--fleet", "fleet.yaml", "--account", "aws_default"],
            "drs rehearse: --account aws_default: write a connection and its account, as aws_default=111122223333\n",
        ),
        (["plans/two.yaml"], "drs rehearse: plans/two.yaml: the file holds several plans: p1, p2; name one of them\n"),
    ],
)
def test_wrong_use_is_said_with_2(rehearse, capsys, arguments, said):
    Path("plans/shop.yaml").write_text(GROUPS + PLAN.format(rto="1h", timeout="40m"))
    one = "kind: RecoveryPlan\nname: {}\ndrill: {{network: shared}}\nwaves: [{{name: a, groups: [db]}}]\n---\n"
    Path("plans/two.yaml").write_text(one.format("p1") + one.format("p2"))
    empty = {"regions": [{"name": "us-west-2"}]}
    Path("two.yaml").write_text(yaml.safe_dump({"accounts": [{"id": ACCOUNT, **empty}, {"id": THERE, **empty}]}))

    assert main(["rehearse", *arguments]) == 2
    assert capsys.readouterr().err == said


def test_a_bad_fleet_or_fault_is_said_in_the_simulators_words(rehearse):
    code, said = rehearse(faults=[{"do": "explode"}])
    assert code == 2
    assert said.startswith("drs rehearse: faults.json: ")
    assert "explode" in said


def test_status_checks_take_their_minutes_and_the_same_seed_foretells_the_same(rehearse):
    plan = GROUPS + PLAN.format(rto="1h", timeout="40m").replace("groups: [db],", "groups: [db], ready: status_checks,")

    first, again = (rehearse("--random-seed", "5", plan=plan) for _ in range(2))

    assert first == again
    code, said = first
    assert (code, said["verdict"]) == (0, "passed")
    waves = by_name(said)
    # Two minutes, give or take a quarter, behind the job, and not the look of a clock that stands still.
    gap = waves["web"]["start_seconds"] - waves["database"]["end_seconds"]
    assert 60 + 60 < gap < 60 + 200


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            {"hostname": "db9", "do": "fail_at", "event": "LAUNCH_START", "error": "x"},
            (
                '{"hostname": ["db9"], "do": "fail_at", "event": "LAUNCH_START", "error": "x"} hit nobody: '
                "the fleet has no server db9 (did you mean 'db6'?)"
            ),
        ),
        (
            {"service": "lambda", "operation": "Invoke", "do": "throttle"},
            (
                '{"service": "lambda", "operation": ["Invoke"], "do": "throttle"} hit nobody: '
                "nothing that it describes happened in this run; look at its operation, event, job, service and time"
            ),
        ),
    ],
)
def test_a_fault_that_hits_nobody_is_an_error(rehearse, fault, said):
    assert rehearse(faults=[fault]) == (2, f"drs rehearse: faults.json: fault {said}\n")


NAMES = """\
kind: RecoveryPlan
name: shop
drill: {{network: shared, max_lag: 10m}}
waves:
  - name: database
    groups: [db]
    after:
      - {{kind: tcp, name: answers, host: "{{{{ server('{name}').private_ip }}}}", port: 5432}}
"""


@pytest.mark.parametrize(
    ("name", "hint"), [("web1", "known: db1, db2, db3, db4, db5, db6"), ("mail", "known: db1, db2, db3, db4, db5, db6")]
)
@pytest.mark.parametrize("mode", ["drill", "recovery"])
def test_a_step_that_names_what_the_run_does_not_have_fails_the_rehearsal(rehearse, mode, name, hint):
    code, said = rehearse("--mode", mode, plan=GROUPS + NAMES.format(name=name))

    assert isinstance(said, dict), said
    what = f"it names server '{name}', which this run does not have"
    assert (code, said["fate"]) == (1, "failed")
    if mode == "drill":
        assert [(failure["what"], failure["why"]) for failure in said["failures"]] == [("wave database: answers", what)]
        assert "drs:StartRecovery" not in said["api_calls"]
    else:
        assert f"wave database: answers: {what}" in said["warnings"]
        assert said["failures"][0]["why"] == (
            f"step answers: server('{name}'): this run has no server of that hostname ({hint})"
        )


def test_a_fleet_made_up_from_the_plan_has_the_servers_that_its_steps_name(rehearse):
    code, said = rehearse(plan=GROUPS + NAMES.format(name="ora-1"), fleet=False)

    assert (code, said["fate"]) == (0, "good")
    assert "ora-1, which step answers names, is a server of group db (a guess)" in said["assumptions"]
