"""Recoveries that end with a question, against the simulator: what is destroyed, by whose word, and what never is."""

import pytest
from drs_provider.rules.commit.roll_back import COMMITTED
from drs_provider.rules.launch.tags import job_tags, run_key
from kit.dag_runs import SHOP, calls, instances
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GO = {"mode": "recovery", "confirm": "shop", "reason": "the region is dark"}
ASKS = "finish.commit"
BACK = ("bob", "Roll back", "the source is back")


def plan(on_timeout="ask", within="5m", text=SHOP):
    """The shop with a commit stage, and with launch settings that a recovery applies."""
    commit = f"recovery: {{commit: {{within: {within}, on_timeout: {on_timeout}, approvers: [ann, bob]}}}}\nrpo: 5m\n"
    return text.replace("rpo: 5m\n", commit)


SETTINGS = SHOP.replace(
    "select: {tags: {Tier: web}}\n",
    "select: {tags: {Tier: web}}\nlaunch: {instance_type: m6i.large, copy_tags: true, right_sizing: none}\n",
)


def client(simulator, service):
    return simulator.client(service, region_name="us-west-2")


def protected(simulator):
    """Whether what runs has termination protection, by instance."""
    ec2 = client(simulator, "ec2")
    return {
        name: ec2.describe_instance_attribute(InstanceId=name, Attribute="disableApiTermination")[
            "DisableApiTermination"
        ]["Value"]
        for name, state in instances(simulator).items()
        if state == "running"
    }


def replication(simulator):
    servers = client(simulator, "drs").describe_source_servers(filters={})["items"]
    return {server["dataReplicationInfo"]["dataReplicationState"] for server in servers}


def settings(simulator):
    """The launch settings of the web servers: DRS's own, and the default version of their template."""
    drs, ec2 = client(simulator, "drs"), client(simulator, "ec2")
    found = {}
    for server in ("s-00000000000000011", "s-00000000000000012"):
        configuration = drs.get_launch_configuration(sourceServerID=server)
        template = configuration["ec2LaunchTemplateID"]
        (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])[
            "LaunchTemplateVersions"
        ]
        found[server] = (
            configuration["copyTags"],
            configuration["targetInstanceTypeRightSizingMethod"],
            version["LaunchTemplateData"].get("InstanceType"),
        )
    return found


def tags_of(simulator):
    found = client(simulator, "drs").describe_recovery_instances(filters={})["items"]
    return [instance.get("tags", {}).get(COMMITTED, "") for instance in found]


def test_a_recovery_is_committed_and_nothing_is_destroyed(run, simulator):
    with People({ASKS: [("ann", "Commit", "customers are on it")]}) as people:
        ended = run(plan(), **GO)

    report = ended.report
    assert (ended.state, report["verdict"]) == ("success", "completed")
    assert report["verdict_reason"].startswith("All 5 servers in 2 waves were launched. Committed by ann at ")
    assert report["verdict_reason"].endswith(": customers are on it.")
    assert report["commit"]["status"] == "committed"
    assert [step["name"] for step in report["next_steps"]] == ["commit", "reprotect"]
    assert [entry["what"] for entry in report["timeline"] if "ommit" in entry["what"]] == [
        "commit or roll back requested",
        "committed by ann: customers are on it",
    ]
    assert set(instances(simulator).values()) == {"running"}
    assert calls(simulator, "TerminateRecoveryInstances") == []
    assert ended.tasks["finish.roll_back"] == "skipped"
    assert [subject for _, subject, _ in people.asked] == ["The recovery of shop is up: commit or roll back?"]
    assert all(protected(simulator).values())
    assert all(" by ann" in tag for tag in tags_of(simulator))


def test_a_recovery_is_rolled_back_as_a_whole_and_its_sources_replicate(run, simulator):
    before = settings(simulator)

    with People({ASKS: [BACK]}) as people:
        ended = run(plan(text=SETTINGS), **GO)

    assert ended.tasks["finish.roll_back"] == "success", ended.said("finish.roll_back")
    assert (ended.state, ended.report["commit"]["status"]) == ("success", "rolled_back")
    assert ended.report["commit"]["words"].endswith(": the source is back; 5 instances terminated")
    assert len(ended.report["commit"]["terminated"]) == 5
    assert ended.report["commit"]["settings_left"] == {}
    assert [step["name"] for step in ended.report["next_steps"]] == ["commit"]
    assert set(instances(simulator).values()) <= {"terminated"}
    assert replication(simulator) == {"CONTINUOUS"}
    assert settings(simulator) == before
    body = people.asked[0][2]
    assert "**terminates the 5 instances below with their disks**" in body
    assert ended.report["objectives"]["rto"]["measured_seconds"] < ended.report["elapsed_seconds"]


def test_answers_that_are_none_are_asked_again_and_a_drill_is_never_asked(run, simulator, tmp_path):
    answers = [
        ("eve", "Commit"),
        ("bob", "Roll back"),  # no reason
        ("ann", "Commit"),
    ]
    with People({ASKS: answers}) as people:
        ended = run(plan(), **GO)

    assert people.answers == {ASKS: []}
    assert ended.report["commit"]["status"] == "committed"
    assert set(instances(simulator).values()) == {"running"}


def test_a_drill_and_its_clean_up_are_as_without(run, simulator):
    ended = run(plan())

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert (ended.tasks[ASKS], ended.tasks["finish.roll_back"]) == ("skipped", "skipped")
    assert (ended.report["commit"], ended.report["next_steps"]) == (None, [])


def test_silence_asks_again_until_somebody_answers(run, simulator):
    with People({}) as people:
        _answer_later(people, ("ann", "Commit"), after=2)
        ended = run(plan(within="1s"), **GO)

    assert ended.report["commit"]["status"] == "committed"
    assert ended.report["commit"]["by"] == "ann"


def _answer_later(people, answer, *, after):
    """Answer only once the question was asked again."""
    seen = []
    answers = people._answer

    def later(session, detail):
        seen.append(detail)
        if len(seen) > after * 8:
            people.answers.setdefault(ASKS, [answer])
        return answers(session, detail)

    people._answer = later


@pytest.mark.parametrize(("policy", "status"), [("commit", "committed"), ("roll_back", "rolled_back")])
def test_silence_decides_by_the_policy_of_the_plan(run, simulator, policy, status):
    with People({}):
        ended = run(plan(policy, "1s"), **GO)

    assert ended.report["commit"]["status"] == status
    assert ended.report["commit"]["by"] is None
    states = set(instances(simulator).values())
    assert states == {"running"} if policy == "commit" else states <= {"terminated"}  # EC2 forgets what is gone


def test_where_a_source_is_not_replicated_only_who_names_the_plan_rolls_back(run, simulator):
    simulator.fault({"service": "drs", "hostname": "db1", "do": "disconnect"})
    simulator.advance("30m")

    with People({ASKS: [BACK, ("bob", "Roll back", "shop: it is rebuilt from backups")]}) as people:
        ended = run(plan(), **GO)

    assert people.answers == {ASKS: []}
    assert ended.report["commit"]["status"] == "rolled_back", ended.report["commit"]
    assert ended.report["commit"]["against"] == [
        (
            "db1 (s-00000000000000001): its source is not replicated (DISCONNECTED: AGENT_NOT_SEEN: DRS has no contact "
            "with its agent): the recovered instance may be all that is left of it"
        )
    ]
    assert ended.report["commit"]["replication"]["s-00000000000000001"] == "DISCONNECTED"


def test_silence_never_rolls_back_what_is_not_replicated(run, simulator):
    simulator.fault({"service": "drs", "hostname": "db1", "do": "disconnect"})
    simulator.advance("30m")

    with People({}) as people:
        _answer_later(people, ("ann", "Commit"), after=2)
        ended = run(plan("roll_back", "1s"), **GO)

    assert ended.report["commit"]["status"] == "committed"
    assert set(instances(simulator).values()) == {"running"}
    assert calls(simulator, "TerminateRecoveryInstances") == []


def test_another_airflow_decides_once_and_rolls_back_what_the_first_has_launched(run, simulator):
    key, servers = run_key("drs.shop", "manual__old"), [f"s-{number:017d}" for number in (1, 2, 3)]
    tags = job_tags(dag_id="drs.shop", run_id="manual__old", wave="database", chunk=0, attempt=1)
    ids = [{"sourceServerID": server} for server in servers]
    client(simulator, "drs").start_recovery(isDrill=False, sourceServers=ids, tags=tags)
    simulator.advance("30m")

    with People({ASKS: [BACK]}):
        ended = run(plan(), continue_run=key, waves=["database"], **GO)

    assert ended.report["commit"]["status"] == "rolled_back", ended.report["commit"]
    assert set(instances(simulator).values()) <= {"terminated"}
    assert len(ended.report["commit"]["terminated"]) == 3


def test_what_another_run_launched_stays(run, simulator):
    """A server of the plan that somebody recovered by hand, and one of this run that somebody launched again."""
    drs = client(simulator, "drs")
    drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": "s-00000000000000012"}])
    simulator.advance("30m")
    theirs = set(instances(simulator))

    with People({ASKS: [BACK]}):
        ended = run(plan(), exclude_servers=["web2"], **GO)

    assert ended.report["commit"]["status"] == "rolled_back", ended.report["commit"]
    after = instances(simulator)
    assert {name for name, state in after.items() if state == "running"} == theirs


def test_reverse_replication_refuses_a_roll_back(run, simulator, monkeypatch):
    """Somebody has begun to reverse in the console since it was asked: the question stays, nothing is terminated."""
    from drs_provider.services.commit import survey as surveying

    looks, real = [], surveying.survey_of

    def survey_of(instances, **more):
        looks.append(1)
        changed = [{**instance, "failback": {"state": "FAILBACK_IN_PROGRESS"}} for instance in instances]
        return real(changed if len(looks) > 1 else instances, **more)

    monkeypatch.setattr(surveying, "survey_of", survey_of)
    with People({ASKS: [("bob", "Roll back", "shop: I insist"), ("ann", "Commit")]}) as people:
        ended = run(plan(), **GO)

    assert people.answers == {ASKS: []}
    assert ended.report["commit"]["status"] == "committed"
    assert len(ended.report["commit"]["against"]) == 5
    assert set(instances(simulator).values()) == {"running"}
    assert calls(simulator, "TerminateRecoveryInstances") == []
