"""A second Airflow with an empty database goes on with a run that another one began."""

import json

import pytest
from drs_provider.cli import takeover
from drs_provider.cli.main import _parser
from drs_provider.rules.launch.tags import job_tags, run_key
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


def sid(number):
    return f"s-{number:017d}"


DATABASE, WEB = [sid(1), sid(2), sid(3)], [sid(11), sid(12)]
KEY = run_key("drs.shop", "scheduled__old")
RECOVERY = {"mode": "recovery", "confirm": "shop", "reason": "the region is dark"}


@pytest.fixture
def begun(simulator):
    """Begin a wave as the first Airflow would have, with the tags of its run."""

    def begin(servers=DATABASE, *, wave="database", is_drill=True, ended=False):
        tags = job_tags(dag_id="drs.shop", run_id="scheduled__old", wave=wave, chunk=0, attempt=1)
        drs = simulator.client("drs", region_name="us-west-2")
        ids = [{"sourceServerID": server} for server in servers]
        job = drs.start_recovery(isDrill=is_drill, sourceServers=ids, tags=tags)["job"]["jobID"]
        if ended:
            simulator.advance("20m")
        return job

    return begin


def launched(simulator):
    """The servers of every StartRecovery, in order."""
    return [
        [server["sourceServerID"] for server in call["request"]["sourceServers"]] for call in calls(simulator, START)
    ]


START = "StartRecovery"


@pytest.mark.parametrize("ended", [False, True], ids=["runs", "ended"])
def test_a_drill_goes_on_with_the_wave_that_was_begun_and_cleans_up_all(run, begun, simulator, ended):
    job = begun(ended=ended)

    ended_run = run(SHOP, continue_run=KEY)

    assert (ended_run.state, ended_run.report["verdict"]) == ("success", "passed")
    assert launched(simulator) == [DATABASE, WEB]
    assert [job["job_id"] for job in ended_run.report["waves"][0]["jobs"]] == [job]
    assert set(instances(simulator).values()) <= {"terminated"}
    assert len(instances(simulator)) == 5


def test_only_the_failed_server_of_the_other_airflow_is_launched_again(run, begun, simulator):
    simulator.fault({"service": "drs", "servers": [sid(2)], "do": "fail_at", "event": "LAUNCH_START", "count": 1})
    begun(ended=True)

    ended_run = run(SHOP, continue_run=KEY)

    assert ended_run.report["verdict"] == "passed"
    assert launched(simulator) == [DATABASE, [sid(2)], WEB]


def test_a_recovery_goes_on_beside_what_lives(run, begun, simulator):
    begun(is_drill=False, ended=True)
    before = instances(simulator)

    ended_run = run(SHOP, continue_run=KEY, **RECOVERY)

    assert ended_run.report["verdict"] == "completed"
    assert launched(simulator) == [DATABASE, WEB]
    assert {name: instances(simulator)[name] for name in before} == dict.fromkeys(before, "running")


def test_without_the_key_what_lives_is_still_refused(run, begun, simulator):
    begun(is_drill=False, ended=True)

    assert run(SHOP, **RECOVERY).report["verdict"] == "refused"
    assert launched(simulator) == [DATABASE]


def test_a_run_that_a_second_airflow_continued_is_continued_by_a_third(run, begun, simulator):
    begun(ended=True)
    run(SHOP, continue_run=KEY, waves=["database"])
    tags = [job["tags"] for job in simulator.client("drs", region_name="us-west-2").describe_jobs()["items"]]

    assert {tag.get("drs-orchestrator:run") for tag in tags if tag} == {KEY}


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (
            {"continue_run": "manual__old"},
            "continue_run 'manual__old' is no key of a run: drs takeover shop shows the keys",
        ),
        (
            {"continue_run": "0" * 32},
            f"continue_run: no job of a run with the key {'0' * 32} is in the cloud; see drs takeover shop",
        ),
        ({"continue_run": KEY, **RECOVERY}, f"continue_run: run {KEY} is a drill and cannot continue as a recovery"),
    ],
)
def test_what_cannot_be_continued_is_refused(run, begun, simulator, conf, said):
    begun(ended=True)

    refused = run(SHOP, **conf)

    assert refused.state == "failed"
    assert said in refused.said("preflight.check")
    assert len(launched(simulator)) == 1


def test_the_command_shows_what_the_cloud_says(plans, begun, simulator, airflow_db, capsys):
    simulator.fault({"service": "drs", "servers": [sid(2)], "do": "fail_at", "event": "LAUNCH_START"})
    begun(ended=True)
    simulator.clock(speed=1)
    begun([sid(11)], wave="web")
    (plans / "shop.yaml").write_text(SHOP)

    assert takeover.run(_parser().parse_args(["takeover", "shop", "--plans", str(plans)])) == 0
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "shop: 1 run in the cloud"
    assert lines[1].startswith("  scheduled__old  drill, began 20")
    assert lines[2:] == [
        f"    key {KEY}",
        "    database  2 launched, 1 failed",
        "              failed: db2",
        "    web       1 running, 1 not started",
        "  continue it, once the other Airflow is down: drs takeover shop --start",
    ]
    takeover.run(_parser().parse_args(["takeover", "--all", "--plans", str(plans), "--format", "json"]))
    (found,) = json.loads(capsys.readouterr().out)["shop"]
    assert found["waves"][1]["servers"][0]["state"] == "running"
