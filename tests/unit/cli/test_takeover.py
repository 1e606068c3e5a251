"""``drs takeover --start`` against an Airflow of a few lines: what it asks for, and what it refuses."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from drs_provider.cli import takeover
from drs_provider.cli.main import _parser
from drs_provider.exceptions import AccessDenied, AwsError, RunRefused, UsageError
from drs_provider.plan.loader import read_folder
from drs_provider.rules.launch.takeover import FoundRun, FoundServer, FoundWave

ENVIRON = {"DRS_AIRFLOW_URL": "http://airflow.test", "DRS_AIRFLOW_TOKEN": "token"}
KEY = "a" * 32
PLAN = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves: [{name: db, groups: [db]}]
"""


def found(state="running", mode="recovery", **more):
    waves = (FoundWave("db", (FoundServer("s-1", "db1", state, "drsjob-1"),)),)
    return replace(FoundRun(KEY, "scheduled__1", mode, datetime(2026, 1, 1, tzinfo=UTC), waves), **more)


class Cloud:
    """A hook of one server and the jobs of one run."""

    def __init__(self, by="START_RECOVERY"):
        self.by = by

    def source_servers(self):
        return ({"sourceServerID": "s-00000000000000001"},)

    def jobs_since(self, _):
        tags = {"drs-orchestrator:run": KEY, "drs-orchestrator:plan": "drs.shop", "drs-orchestrator:wave": "db"}
        return (
            {
                "jobID": "drsjob-1",
                "type": "LAUNCH",
                "initiatedBy": self.by,
                "status": "STARTED",
                "creationDateTime": "2026-01-01T00:00:00Z",
                "tags": {**tags, "drs-orchestrator:run-id": "scheduled__1"},
                "participatingServers": [{"sourceServerID": "s-00000000000000001", "launchStatus": "PENDING"}],
            },
        )

    def recovery_instances(self):
        return ()


def start(tmp_path, *arguments, by="START_RECOVERY"):
    (tmp_path / "shop.yaml").write_text(PLAN)
    asked = []

    def airflow(request):
        if request.method == "POST":
            asked.append(json.loads(request.content)["conf"])
        run = {"dag_id": "drs.shop", "dag_run_id": "manual__2", "state": "queued", "conf": {}}
        run |= {"run_after": None, "start_date": None, "end_date": None, "triggering_user_name": None, "note": None}
        known = {
            "/details": {"dag_id": "drs.shop", "is_paused": False, "params": {}},
            "/tasks": {"tasks": []},
            "/xcomEntries": {"xcom_entries": [], "total_entries": 0},
            "/drs_given_orders": {"value": None},
            "/taskInstances": {"task_instances": [], "total_entries": 0},
            "/hitlDetails": {"hitl_details": [], "total_entries": 0},
            "/dagRuns": run if request.method == "POST" else {"dag_runs": [], "total_entries": 0},
        }
        name = next(name for name in known if request.url.path.endswith(name))
        return httpx.Response(200, json=known[name])

    options = _parser().parse_args(["takeover", "shop", "--plans", str(tmp_path), "--start", *arguments])
    code = takeover.run(options, environ=ENVIRON, hook_of=lambda _: Cloud(by), transport=httpx.MockTransport(airflow))
    return code, asked


def test_a_recovery_is_continued_by_its_key_with_a_name_and_a_reason(tmp_path, capsys):
    code, asked = start(tmp_path, "--confirm", "shop", "--reason", "the region is dark")

    assert code == 0
    assert asked == [
        {"mode": "recovery", "confirm": "shop", "reason": "the region is dark", "continue_run": KEY},
    ]
    assert capsys.readouterr().out == "started manual__2, which continues scheduled__1: drs run status shop 91feac\n"


def test_a_drill_needs_nothing(tmp_path):
    assert start(tmp_path, by="START_DRILL")[1] == [
        {"mode": "drill", "reason": "continues scheduled__1", "continue_run": KEY},
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a recovery needs --reason TEXT: it is shown in the report"),
        (["--reason", "x"], "a recovery brings production up: confirm it with the plan's name, shop"),
    ],
)
def test_a_recovery_is_not_continued_by_mistake(tmp_path, arguments, said):
    with pytest.raises(UsageError) as caught:
        start(tmp_path, *arguments)

    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("runs", "key", "said"),
    [
        ([], None, "no run of shop in the cloud that could be continued: drs run start shop starts one"),
        ([found("gone")], None, "no run of shop in the cloud that could be continued: drs run start shop starts one"),
        (
            [found("launched"), found("gone")],
            None,
            (
                "scheduled__1 of shop has launched every server: nothing is left to launch. Only "
                "if its steps are still "
                f"to be done: drs takeover shop --start --run {KEY}"
            ),
        ),
        ([found()], "b", "no run b of shop in the cloud: drs takeover shop shows those that are there"),
        (
            [found("gone")],
            KEY,
            "scheduled__1 of shop is over: nothing of it is there any more; start a new run",
        ),
    ],
)
def test_what_cannot_be_continued_is_said(runs, key, said):
    with pytest.raises(RunRefused) as caught:
        takeover.choose("shop", runs, key)

    assert str(caught.value) == said


def test_the_newest_run_that_is_not_over_is_chosen_unless_one_is_named():
    over, alive, older = found("gone"), found(key="b" * 32), found(key="c" * 32, run_id="manual__0")

    assert takeover.choose("shop", [over, alive, older], None) is alive
    assert takeover.choose("shop", [over, alive, older], "manual__0") is older


def test_a_plan_without_runs_and_an_old_run_are_worded():
    assert takeover.in_words("shop", []) == "shop: no run in the cloud within 14 days"
    assert takeover.in_words("shop", [found("gone", mode="drill")]).splitlines() == [
        "shop: 1 run in the cloud",
        "  scheduled__1  drill, began 2026-01-01 00:00:00 UTC, over: nothing of it is there any more",
        f"    key {KEY}",
        "    db  1 gone",
    ]


MAIL = """\
---
kind: ProtectionGroup
name: mail
aws_conn_id: there
region: eu-central-1
servers: [s-00000000000000021]
"""


class Silent(Cloud):
    """An account whose role is refused."""

    def source_servers(self):
        raise AccessDenied("sts:AssumeRole", "AccessDenied", "no")


@pytest.fixture
def two_accounts(tmp_path):
    (tmp_path / "shop.yaml").write_text(PLAN.replace("[db]}]", "[db, mail]}]") + MAIL)
    return read_folder(tmp_path).plans["shop"]


NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_an_account_that_does_not_answer_is_told_and_the_others_are_gone_by(two_accounts, capsys):
    def hook_of(target):
        return Silent() if target.aws_conn_id == "there" else Cloud()

    (run,) = takeover.runs_of(two_accounts, hook_of, NOW)

    assert run.key == KEY
    assert capsys.readouterr().err == (
        "eu-central-1 of connection there does not answer, so what runs have launched there is not known: "
        f"{AccessDenied('sts:AssumeRole', 'AccessDenied', 'no')}\n"
    )


def test_where_nobody_answers_nothing_is_said_of_runs(two_accounts):
    with pytest.raises(AccessDenied):
        takeover.runs_of(two_accounts, lambda _: Silent(), NOW)


def test_a_recovery_that_has_launched_everything_is_finished_and_not_offered():
    assert takeover.in_words("shop", [found("launched")]).splitlines() == [
        "shop: 1 run in the cloud",
        "  scheduled__1  recovery, began 2026-01-01 00:00:00 UTC, finished: every server is launched",
        f"    key {KEY}",
        "    db  1 launched",
    ]
    assert takeover.choose("shop", [found("launched")], KEY).is_finished


def test_a_drill_that_has_launched_everything_is_to_be_cleaned_up_and_is_offered():
    assert takeover.in_words("shop", [found("launched", mode="drill")]).splitlines()[-1] == (
        "  continue it, once the other Airflow is down: drs takeover shop --start"
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "NoCredentialsError",
            (
                "us-west-2 of connection aws_default: no credentials. Define the connection where this command runs "
                "(AIRFLOW_CONN_AWS_DEFAULT, or Airflow's database), or log in to AWS in this shell"
            ),
        ),
    ],
)
def test_a_place_without_credentials_is_named_with_its_connection(tmp_path, code, said):
    class Locked(Cloud):
        def source_servers(self):
            raise AwsError("DescribeSourceServers", code, "no")

    (tmp_path / "shop.yaml").write_text(PLAN)
    options = _parser().parse_args(["takeover", "shop", "--plans", str(tmp_path)])

    with pytest.raises(RunRefused) as caught:
        takeover.run(options, environ=ENVIRON, hook_of=lambda _: Locked())

    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a plan, or --all"),
        (["shop", "--all"], "name a plan, or --all"),
        (["--all", "--start"], "--start continues the run of one plan: name it"),
        (["shopp"], "no plan called 'shopp' in {folder} (did you mean 'shop'?)"),
    ],
)
def test_wrong_use_is_told(tmp_path, arguments, said):
    (tmp_path / "shop.yaml").write_text(PLAN)
    options = _parser().parse_args(["takeover", *arguments, "--plans", str(tmp_path)])

    with pytest.raises(UsageError) as caught:
        takeover.run(options, environ=ENVIRON)

    assert str(caught.value) == said.format(folder=tmp_path)
