"""Whatever DRS says that is not so, between any two tasks of a run, no verdict is better than what EC2 has."""

import pytest
from drs_provider.dag.finish.group import GOOD
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kit.dag_runs import SHOP, calls, instances
from kit.edited_runs import run_edited

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

WEB = ["s-00000000000000011", "s-00000000000000012"]
PLAN = SHOP.replace("rpo: 5m\n", "").replace("groups: [db]}", "groups: [db], retry_failed: 1}")
DRILL = {"mode": "drill", "waves": ["database"]}
RECOVERY = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark", "waves": ["database"]}
MINE = {"servers": ["s-0000000000000000[123]"]}

LEGS = 9
"""About as many as a run of one wave has."""

TOO_LATE = ("finish.report", "finish.verdict")
"""What happens after the last look is nobody's to know."""


def delete_jobs(simulator):
    drs = simulator.client("drs")
    for job in drs.describe_jobs(filters={})["items"]:
        if job["status"] == "COMPLETED":
            drs.delete_job(jobID=job["jobID"])


def strip_tags(simulator):
    """Take every tag away that somebody may take away."""
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    kinds = (drs.describe_jobs, drs.describe_recovery_instances, drs.describe_source_servers)
    for thing in (thing for describe in kinds for thing in describe(filters={})["items"]):
        if keys := [key for key in thing["tags"] if not key.startswith("aws:") and key != "Tier"]:
            drs.untag_resource(resourceArn=thing["arn"], tagKeys=keys)
    for tag in ec2.describe_tags()["Tags"]:
        if not tag["Key"].startswith("aws:"):
            ec2.delete_tags(Resources=[tag["ResourceId"]], Tags=[{"Key": tag["Key"]}])


def fault(**what):
    return lambda simulator: simulator.fault({**MINE, **what})


LIES = {
    "an instance ends": fault(do="terminated_behind_drs", count=1, protection_holds=False),
    "an instance ends later": fault(do="terminated_behind_drs", count=1, protection_holds=False, later="9m"),
    "launched is said of nothing": fault(do="launches_nothing", count=1),
    "ended jobs are deleted": delete_jobs,
    "every ended job is deleted": fault(do="deleted_job"),
    "tags go": strip_tags,
    "tags go later": fault(do="stripped_tags", later="9m"),
    "no word of drills": fault(do="omits", members=["isDrill"]),
    "no word of jobs": fault(do="omits", members=["jobID"]),
    "instances are not shown": fault(do="not_shown"),
    "an instance is not shown now and then": fault(do="not_shown", probability=0.5),
    "old reads": fault(do="stale_reads", age="5m", probability=0.5, servers=None),
}

told = st.lists(st.tuples(st.integers(0, LEGS), st.sampled_from(sorted(LIES))), min_size=1, max_size=3)


@pytest.fixture
def world(plans, simulator, tmp_path):
    """Give a fresh simulator with the web servers in production, and a run that is lied to in it."""

    def begin():
        simulator.reset()
        simulator.client("drs").start_recovery(
            isDrill=False, sourceServers=[{"sourceServerID": server} for server in WEB]
        )
        simulator.advance("30m")
        return set(instances(simulator))

    def run(conf, lies):
        legs = iter(range(1000))

        def edit(task, _places):
            leg = next(legs)
            for at, lie in lies:
                if at == leg and task not in TOO_LATE:
                    LIES[lie](simulator)

        return run_edited(simulator, plans, tmp_path / "reports", PLAN, conf, edit=edit)

    return begin, run


def test_no_lie_makes_a_verdict_better_launches_twice_or_leaves_anything_unnamed(world, simulator):
    begin, run = world

    @settings(max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["drill", "recovery"]), told)
    @example("recovery", [(4, "an instance ends")])
    @example("drill", [(4, "an instance ends")])
    @example("drill", [(2, "no word of jobs")])
    @example("recovery", [(1, "launched is said of nothing")])
    @example("drill", [(0, "tags go later"), (0, "every ended job is deleted")])
    def no_lie_does(mode, lies):
        production = begin()
        ended = run(DRILL if mode == "drill" else RECOVERY, lies)
        simulator.no_faults()

        region = simulator.state()["accounts"]["111122223333"]["us-west-2"]
        alive = {name for name, state in instances(simulator).items() if state not in ("terminated", "shutting-down")}
        gone = {deed["id"] for deed in region["behind_drs"] if deed["what"] == "terminated"}
        text, mine = ended.report.model_dump_json(), alive - production
        jobs = [*region["jobs"].values(), *region["deleted_jobs"].values()]
        launches = [job for job in jobs if job["type"] == "LAUNCH" and job["tags_given"]]
        statuses = {s.server_id: s.status.value for wave in ended.report.waves for s in wave.servers}

        assert production <= alive
        assert not {name for name in mine if name not in text}
        assert {call["request"]["isDrill"] for call in calls(simulator, "StartRecovery")[1:]} <= {mode == "drill"}
        if mode == "drill":
            assert not (mine and ended.verdict in GOOD)
        else:
            there = {part["instance"]: server for job in launches for server, part in job["timeline"].items()}
            live = {server for name, server in there.items() if name in alive}
            said = {server for server, status in statuses.items() if status == "launched"}
            assert said <= live
            assert not (ended.verdict == "completed" and said != live)
        for server in statuses:
            tries = [job["timeline"][server] for job in launches if server in job["timeline"]]
            lost = [part["status"] == "FAILED" or not part["instance"] or part["instance"] in gone for part in tries]
            assert all(lost[:-1])

    no_lie_does()
