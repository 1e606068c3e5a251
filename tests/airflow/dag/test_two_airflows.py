"""Two Airflows with the same plans, such as a warm standby, and a run of the same name in both of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from drs_provider.operators.installation import VARIABLE
from drs_provider.rules.launch.tags import INSTALLATION, RUN, job_tags, life_tags, run_key
from drs_provider.rules.purpose import purpose_of
from kit.dag_runs import SHOP, Run, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[3]
DAG, AT = "drs.shop", datetime.now(UTC).replace(microsecond=0)
TICK = f"manual__{AT.isoformat()}"
DATABASE, WEB = [f"s-{n:017d}" for n in (1, 2, 3)], [f"s-{n:017d}" for n in (11, 12)]
DUBLIN = run_key(DAG, TICK, "dublin")
OLDER = run_key(DAG, TICK)
ISOLATED = SHOP.replace("drill: {network: shared}", "drill: {network: isolated}")


@pytest.fixture
def at(plans, airflow_db, simulator, tmp_path, monkeypatch):
    """Run the plan in one of the Airflows, under the name that a schedule gives it in all of them."""

    def run(installation, text=SHOP, **conf):
        monkeypatch.setenv("DRS_INSTALLATION", installation)
        monkeypatch.setenv("DRS_REPORTS", str(tmp_path / (installation or "by itself")))
        (plans / "shop.yaml").write_text(text)
        bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"))
        assert bag.import_errors == {}
        dag = bag.dags[DAG]
        for task in dag.tasks:
            if not hasattr(task, "partial_kwargs"):
                task.retries = 0
        # Its database has not the other one's run: dag.test() replaces a run of the same name.
        ended = dag.test(run_after=AT, logical_date=AT, run_conf={"mode": "drill", **conf})
        assert ended.run_id == TICK
        return Run(ended, tmp_path / (installation or "by itself"))

    return run


@pytest.fixture
def begun(simulator):
    """Begin the first wave as an Airflow would; empty: by a version that gave its runs no installation."""

    def begin(installation, *, ended=False, lives=timedelta(hours=5), servers=DATABASE):
        tags = job_tags(dag_id=DAG, run_id=TICK, wave="database", chunk=0, attempt=1, installation=installation)
        tags |= life_tags(purpose_of("drill"), now=datetime.now(UTC), lifetime=lives)
        ids = [{"sourceServerID": server} for server in servers]
        drs = simulator.client("drs", region_name="us-west-2")
        job = drs.start_recovery(isDrill=True, sourceServers=ids, tags=tags)["job"]["jobID"]
        if ended:
            simulator.advance("20m")
        return job

    return begin


def launched(simulator):
    """The servers of every StartRecovery, in order."""
    started = calls(simulator, "StartRecovery")
    return [[server["sourceServerID"] for server in call["request"]["sourceServers"]] for call in started]


def names(simulator):
    """Installation and key of every launch job."""
    found = simulator.client("drs", region_name="us-west-2").describe_jobs()["items"]
    return {(job["tags"].get(INSTALLATION), job["tags"].get(RUN)) for job in found if job["type"] == "LAUNCH"}


@pytest.mark.parametrize("ended", [False, True], ids=["its job runs", "its instances are there"])
def test_the_second_is_refused_with_the_first_named_and_touches_nothing(at, begun, simulator, ended):
    begun("dublin", ended=ended)
    before = instances(simulator)

    refused = at("paris", ISOLATED)

    assert (refused.state, refused.report["verdict"]) == ("failed", "refused")
    said = refused.said("preflight.check")
    assert (
        f"another Airflow (installation dublin) holds db1, db2, db3: its drill {TICK} of drs.shop is not over" in said
    )
    assert (
        "Wait for its end there; once that Airflow is down, or the plan is paused there, take the run over: "
        f"drs takeover shop --start --run {DUBLIN}"
    ) in said
    assert launched(simulator) == [DATABASE]
    assert calls(simulator, "TerminateRecoveryInstances") == calls(simulator, "CreateVpc") == []
    assert {name: instances(simulator).get(name) for name in before} == before


def test_a_drill_of_each_is_its_own_and_says_of_which_airflow_it_is(at, simulator):
    first, second = at("dublin", ISOLATED), at("paris", ISOLATED)

    assert (first.report["verdict"], second.report["verdict"]) == ("passed", "passed")
    assert launched(simulator) == [DATABASE, WEB] * 2
    assert names(simulator) == {("dublin", DUBLIN), ("paris", run_key(DAG, TICK, "paris"))}
    assert [run.report["preflight"]["installation"] for run in (first, second)] == ["dublin", "paris"]
    assert set(instances(simulator).values()) <= {"terminated"}


@pytest.mark.parametrize("ended", [False, True], ids=["runs", "ended"])
def test_it_is_taken_over_on_purpose_although_the_run_has_the_same_name(at, begun, simulator, ended):
    job = begun("dublin", ended=ended)

    second = at("paris", continue_run=DUBLIN)

    assert (second.state, second.report["verdict"]) == ("success", "passed")
    assert launched(simulator) == [DATABASE, WEB]
    assert [each["job_id"] for each in second.report["waves"][0]["jobs"]] == [job]
    assert names(simulator) == {("dublin", DUBLIN), ("paris", DUBLIN)}
    assert set(instances(simulator).values()) <= {"terminated"}


def test_a_run_that_began_before_runs_had_an_installation_adopts_its_jobs(at, begun, simulator, monkeypatch):
    """Its preflight has left no installation: so the package was upgraded in the middle of the run."""
    monkeypatch.setattr("drs_provider.dag.preflight_check.installation_of", lambda _: "")
    job = begun("", ended=True)

    upgraded = at("dublin")

    assert (upgraded.state, upgraded.report["verdict"]) == ("success", "passed")
    assert launched(simulator) == [DATABASE, WEB]
    assert [each["job_id"] for each in upgraded.report["waves"][0]["jobs"]] == [job]
    assert names(simulator) == {(None, OLDER)}
    assert set(instances(simulator).values()) <= {"terminated"}


def test_a_run_beside_one_of_an_older_version_is_refused(at, begun, simulator):
    begun("")

    refused = at("dublin")

    assert refused.report["verdict"] == "refused"
    assert f"the drill {TICK} of drs.shop is not over and holds db1, db2, db3" in refused.said("preflight.check")
    assert launched(simulator) == [DATABASE]


def test_an_airflow_without_the_setting_names_itself_once_and_stays_with_it(at, simulator):
    from airflow.models.variable import Variable

    at("", waves=["web"])
    made = Variable.get(VARIABLE)
    simulator.reset()
    at("", waves=["web"])

    assert len(made) == 8
    assert Variable.get(VARIABLE) == made
    assert names(simulator) == {(made, run_key(DAG, TICK, made))}


def test_launch_settings_that_another_airflows_drill_has_put_there_are_left(at, simulator):
    """Both preflights may have passed in the same second: then the settings are where they meet first."""
    from drs_provider.rules.settings.drill_memory import TAG, marks_of

    drs = simulator.client("drs", region_name="us-west-2")
    servers = drs.describe_source_servers(filters={"sourceServerIDs": DATABASE})["items"]
    marks = marks_of(DUBLIN, (datetime.now(UTC) + timedelta(hours=2)).isoformat(), "dublin")
    for server in servers:
        drs.tag_resource(resourceArn=server["arn"], tags={TAG: "copy_tags=true/false", **marks})

    second = at("paris", ISOLATED)

    after = drs.describe_source_servers(filters={"sourceServerIDs": DATABASE})["items"]
    assert second.report["verdict"] == "failed"
    assert "a drill of another Airflow (installation dublin, key" in second.said("database.launch_settings")
    assert launched(simulator) == []
    assert [{key: server["tags"].get(key) for key in marks} for server in after] == [marks] * 3
