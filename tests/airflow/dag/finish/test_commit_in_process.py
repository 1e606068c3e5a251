"""Commit or roll back in simulated time: what people edit, stop and clear, and what a lost Airflow leaves."""

import dataclasses

import pytest
from drs_provider.rules.commit.roll_back import COMMITTED
from drs_provider.rules.run.handover import CommitRecord
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

from benchmarks.kill_sweep.judge import problems
from benchmarks.kill_sweep.kinds import DB, FLEET, HERE, ORIGIN, WEB, kind_of
from benchmarks.kill_sweep.lives import environment, lived, report_of
from benchmarks.kill_sweep.mortal_run import Death

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

BACK = ("bob", "Roll back", "shop: not tonight")
STANDS = ("ann", "Commit", "all is well")
START = (
    ": after a roll back nothing of it would run. Start it (in EC2, or with DrsStartSourceInstancesOperator), wait "
    "until DRS calls its replication CONTINUOUS, then answer again; or commit"
)


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(dict(FLEET), speed=1)


@pytest.fixture
def live(one_simulator, tmp_path, monkeypatch):
    """Run a kind of run to its end; see ``lived``."""
    one_simulator.reset()
    for name, value in environment(one_simulator.url, tmp_path).items():
        monkeypatch.setenv(name, value)

    def live(kind, *answers, death=None, **more):
        changed = dataclasses.replace(kind_of(kind), answers={"finish.commit": answers})
        return lived(changed, one_simulator, tmp_path, death or Death(), **more)

    return live


def source(simulator, server):
    (found,) = simulator.client("drs", region_name=HERE).describe_source_servers(filters={"sourceServerIDs": [server]})[
        "items"
    ]
    return found["sourceProperties"]["identificationHints"]["awsInstanceID"]


def start(simulator, *servers):
    ec2 = simulator.client("ec2", region_name=ORIGIN)
    ec2.start_instances(InstanceIds=[source(simulator, server) for server in servers])
    simulator.advance("3h")


def asked(record, operation):
    return [call for call in record.calls if call["operation"] == operation]


def test_a_migration_that_stopped_its_sources_is_not_rolled_back_until_they_run(live, one_simulator):
    """Its records are gone, too: what EC2 says decides."""
    said = []

    def people(run):
        def edit(task):
            if task == "finish.commit":
                for place in [place for place in run.supervisor._xcoms if place[1] == "stopped_sources"]:
                    run.supervisor._xcoms.pop(place)

        def answers(task):
            record = CommitRecord.read(run.supervisor.xcom("finish.commit", CommitRecord.KEY))
            said.append((record.against, record.refused))
            if len(said) == 2:
                assert not asked_so_far(one_simulator)
                start(one_simulator, DB, WEB)

        run.before_leg, run.before_answer = edit, answers

    record, _ = live("migration", BACK, BACK, people=people)

    against, refused = said[1]
    names = [
        f"{host} ({server}): its source {source(one_simulator, server)} in {ORIGIN} of account 111122223333 is "
        f"stopped, and a migration of this plan stops its sources{START}"
        for host, server in (("db1", DB), ("web1", WEB))
    ]
    assert sorted(against) == names
    assert refused.startswith("the roll back is refused, nothing was terminated: ")
    assert all(name in refused for name in names)
    assert record.report["commit"]["status"] == "rolled_back", record.report["commit"]
    assert {state for server, (_, state) in record.instances.items() if server not in record.before} <= {"terminated"}
    assert set(record.sources.values()) == {"running"}
    assert "The steps that stopped the writes are not undone" in record.report["next_steps"][0]["words"]


def asked_so_far(simulator):
    return [call for call in simulator.calls() if call["operation"] == "TerminateRecoveryInstances"]


def test_a_source_that_people_stopped_themselves_refuses_a_roll_back_by_name(live, one_simulator):
    said = []

    def people(run):
        def stop(task):
            if task == "finish.commit" and not said:
                one_simulator.client("ec2", region_name=ORIGIN).stop_instances(InstanceIds=[source(one_simulator, DB)])

        def answers(task):
            record = CommitRecord.read(run.supervisor.xcom("finish.commit", CommitRecord.KEY))
            said.append(record.refused)

        run.before_leg, run.before_answer = stop, answers

    record, _ = live("migration_rolled_back", ("bob", "Roll back", "no"), STANDS, people=people)

    assert said[1].startswith(
        f"the roll back is refused, nothing was terminated: db1 ({DB}): its source is not replicated (STALLED: "
    )
    assert "web1" not in said[1]
    assert record.report["commit"]["status"] == "committed"
    assert not asked(record, "TerminateRecoveryInstances")


def test_a_recovery_that_goes_on_with_a_migration_does_not_roll_back_to_stopped_sources(live, one_simulator):
    """The other Airflow has an empty database, and jobs do not say that a migration launched them."""
    death, said = Death(), []

    def people(run):
        def dies(task):
            if task == "finish.commit" and run.gone_with_it and not death.at:
                death.at = death.count + 1

        def answers(task):
            record = CommitRecord.read(run.supervisor.xcom("finish.commit", CommitRecord.KEY))
            said.append((record.against, record.refused))

        run.before_leg, run.before_answer = dies, answers

    record, runs = live("migration", BACK, STANDS, death=death, elsewhere=True, people=people)

    assert len(runs) == 2
    assert runs[1].dag_run.conf["mode"] == "recovery"
    expected = kind_of("migration").expected
    assert list(problems(expected, record, is_elsewhere=True)) == []
    against, refused = said[1]
    assert len(against) == 2
    assert all("is stopped, and a migration of this plan stops its sources" in why for why in against)
    assert f"db1 ({DB})" in refused
    assert not asked(record, "TerminateRecoveryInstances")


@pytest.mark.parametrize("kind", ["roll_back", "migration_rolled_back"])
def test_a_roll_back_that_ended_incomplete_is_asked_about_again_once_its_question_is_cleared(live, one_simulator, kind):
    """Somebody tags an instance as committed right before it would go; the tag is taken off, and people ask again."""
    ec2, tagged, first = one_simulator.client("ec2"), [], {}

    def people(run):
        def tag(task):
            if task == "finish.roll_back" and not tagged:
                record = CommitRecord.read(run.supervisor.xcom("finish.commit", CommitRecord.KEY))
                tagged.append(next(up.instance_id for up in record.instances if up.server_id == DB))
                ec2.create_tags(Resources=tagged, Tags=[{"Key": COMMITTED, "Value": "2026-03-01T12:00:00Z by eve"}])

        run.before_leg = tag

    def then(run):
        first.update(run.states)
        ec2.delete_tags(Resources=tagged, Tags=[{"Key": COMMITTED}])
        run.clear(["finish.commit"])
        return True

    record, (run,) = live(kind, BACK, BACK, people=people, then=then)

    assert (first["finish.roll_back"], first["finish.verdict"]) == ("failed", "failed")
    assert run.answers["finish.commit"] == []
    assert list(problems(kind_of(kind).expected, record)) == []
    assert [run.records[task].tries for task in ("finish.commit", "finish.roll_back")] == [2, 2]


def test_protection_that_a_killed_roll_back_took_off_is_said_and_put_back_later(live, one_simulator, tmp_path):
    """The process dies between protection and termination; what it was about to end is committed meanwhile."""
    death, reports = Death(writes_only=True), []

    def people(run):
        def dies(task):
            if task == "finish.roll_back" and not death.at:
                death.at, run.is_tried_again = death.count + 1, False

        run.before_leg = dies

    def then(run):
        assert death.struck.endswith("ec2:ModifyInstanceAttribute"), death.struck
        reports.append(report_of(tmp_path, run))
        up = CommitRecord.read(run.supervisor.xcom("finish.commit", CommitRecord.KEY)).instances
        tag = {"Key": COMMITTED, "Value": "2026-03-01T12:00:00Z by eve"}
        one_simulator.client("ec2").create_tags(Resources=[each.instance_id for each in up], Tags=[tag])
        run.clear(["finish.roll_back"])
        return True

    record, (run,) = live("roll_back", BACK, death=death, people=people, then=then)

    assert reports[0]["commit"]["status"] == "incomplete"
    assert (
        "its termination protection was switched off to terminate it, and what became of it is not recorded"
        in (reports[0]["commit"]["words"])
    )
    assert run.states["finish.roll_back"] == "failed"
    assert "it is committed: 2026-03-01T12:00:00Z by eve" in record.report["commit"]["words"]
    assert "protection" not in record.report["commit"]["words"]
    own = [name for name in record.instances if name not in record.before]
    assert len(own) == 2
    assert all(record.protected[name] for name in own)
