"""What the sweeper takes for a drill's left-over, and what it never touches."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.cleanup.leftovers import (
    DefaultVersion,
    Facts,
    Resource,
    SweepDecision,
    Version,
    leftovers,
    remains,
)
from drs_provider.rules.launch.tags import job_tags, life_tags, written
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.settings.drill_memory import EXPIRES, RUN, TAG
from drs_provider.rules.settings.launch_actions import TAG as ACTIONS

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
OVER, GOES_ON = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


def tags(mode="drill", *, run_id="r1", expires=OVER):
    ours = job_tags(dag_id="drs.shop", run_id=run_id, wave="db", chunk=0, attempt=1)
    return {**ours, **life_tags(purpose_of(mode), now=expires, lifetime=timedelta(0))}


def job(job_id, marks, *, status="COMPLETED", servers=("s-1",), kind="LAUNCH", by="START_DRILL"):
    return {
        "jobID": job_id,
        "type": kind,
        "status": status,
        "initiatedBy": by,
        "tags": marks,
        "participatingServers": [{"sourceServerID": server} for server in servers],
    }


def instance(name, job_id, *, is_drill=True, server="s-1", state="RUNNING", marks=None):
    return {
        "recoveryInstanceID": name,
        "jobID": job_id,
        "isDrill": is_drill,
        "sourceServerID": server,
        "ec2InstanceState": state,
        "tags": marks or {},
    }


def server(name="s-1", **marks):
    return {"sourceServerID": name, "tags": marks, "sourceProperties": {"identificationHints": {"hostname": "db1"}}}


def chosen(facts):
    return {(action.kind, action.id) for action in leftovers(facts, NOW).actions}


ONE = {("terminate", "i-1")}


@pytest.mark.parametrize(
    ("facts", "actions"),
    [
        pytest.param(Facts(), set(), id="nothing is there"),
        pytest.param(Facts([job("j1", tags())], [instance("i-1", "j1")]), ONE, id="an expired drill"),
        pytest.param(
            Facts([job("j1", tags(expires=GOES_ON))], [instance("i-1", "j1")]), set(), id="a drill that may go on"
        ),
        pytest.param(
            Facts([job("j1", tags())], [instance("i-1", "j1", is_drill=False)]), set(), id="not called a drill's by DRS"
        ),
        pytest.param(
            Facts([job("j1", tags("recovery"), by="START_RECOVERY")], [instance("i-1", "j1", is_drill=False)]),
            set(),
            id="a recovery",
        ),
        pytest.param(
            Facts([job("j1", {})], [instance("i-1", "j1", marks=tags())]),
            set(),
            id="a foreign drill of a server whose tags were copied",
        ),
        pytest.param(Facts([], [instance("i-1", "j1", marks=tags())]), ONE, id="a job that DRS has forgotten"),
        pytest.param(Facts([], [instance("i-1", "j1")]), set(), id="nothing says whose it is"),
        pytest.param(
            Facts([job("j1", {k: v for k, v in tags().items() if not k.endswith("expires")})], [instance("i-1", "j1")]),
            set(),
            id="nothing says when it expires",
        ),
        pytest.param(
            Facts([job("j1", {**tags(), "drs-orchestrator:expires": "soon"})], [instance("i-1", "j1")]),
            set(),
            id="an expiry that cannot be read",
        ),
        pytest.param(
            Facts([job("j1", tags()), job("j2", tags(expires=GOES_ON), servers=("s-2",))], [instance("i-1", "j1")]),
            set(),
            id="a later job of the same run goes on",
        ),
        pytest.param(
            Facts([job("j1", tags()), job("j2", {}, status="STARTED")], [instance("i-1", "j1")]),
            set(),
            id="its server is in a running job",
        ),
        pytest.param(Facts([job("j1", tags())], [instance("i-1", "j1", state="TERMINATED")]), set(), id="gone already"),
        pytest.param(
            Facts(
                [job("j1", tags())], [instance("i-1", "j1")], active_runs=frozenset([tags()["drs-orchestrator:run"]])
            ),
            set(),
            id="this Airflow still works on it",
        ),
        pytest.param(
            Facts(servers=[server(**{TAG: "version=1/2", RUN: "r", EXPIRES: written(OVER)})]),
            {("put_back", "s-1")},
            id="settings of a drill that is over",
        ),
        pytest.param(
            Facts(servers=[server(**{TAG: "version=1/2", RUN: "r", EXPIRES: written(GOES_ON)})]),
            set(),
            id="settings of a drill that goes on",
        ),
        pytest.param(
            Facts(servers=[server(**{ACTIONS: "0123abcd", RUN: "r", EXPIRES: written(OVER)})]),
            {("put_back", "s-1")},
            id="launch actions of a drill that is over",
        ),
        pytest.param(Facts(servers=[server(**{TAG: "version=1/2"})]), set(), id="settings of nobody knows which drill"),
        pytest.param(
            Facts(servers=[server(**{RUN: "r", EXPIRES: written(OVER)})]), set(), id="no settings to be put back"
        ),
        pytest.param(
            Facts(resources=[Resource("vpc-1", "vpc", tags()), Resource("i-9", "instance", tags())]),
            {("remove", "vpc-1")},
            id="a network of a drill that is over, and never an instance by its tags",
        ),
        pytest.param(
            Facts(resources=[Resource("vpc-1", "vpc", tags(expires=GOES_ON)), Resource("vol-1", "volume", {"a": "b"})]),
            set(),
            id="a network that is wanted, and a volume that is nobody's",
        ),
        pytest.param(
            Facts(resources=[Resource("vol-1", "volume", tags("recovery"))]), set(), id="a volume of a recovery"
        ),
        pytest.param(
            Facts([job("j1", tags())], [instance("i-1", "j1")], resources=[Resource("vol-1", "volume", tags())]),
            ONE,
            id="the instance first, its volumes later",
        ),
        pytest.param(
            Facts(servers=[server()], versions=[Version("lt-1", 2, "s-1", NOW - timedelta(days=3))]),
            {("forget_version", "lt-1:2")},
            id="a template version that a drill made and never used",
        ),
        pytest.param(
            Facts(servers=[server()], versions=[Version("lt-1", 2, "s-1", NOW - timedelta(hours=3))]),
            set(),
            id="one that a drill is about to use",
        ),
    ],
)
def test_only_what_is_left_of_a_drill_that_is_over_is_chosen(facts, actions):
    assert chosen(facts) == actions


def test_it_says_why():
    facts = Facts(
        [job("j1", tags()), job("j2", tags(run_id="r2", expires=GOES_ON), servers=("s-2",))],
        [instance("i-1", "j1"), instance("i-2", "j2", server="s-2")],
        [server(**{TAG: "version=1/2"})],
    )

    decision = leftovers(facts, NOW)

    assert [str(action) for action in decision.actions] == [
        "terminate i-1: the drill r1 of drs.shop expired at 2026-01-02 11:00 UTC"
    ]
    assert decision.kept == {"i-2": "instance of r2 of drs.shop: its drill may run until 2026-01-02 13:00 UTC"}
    assert decision.doubtful == {
        "s-1": (
            "db1: a drill changed its launch settings and did not say until when: put them back with "
            "DrsRestoreLaunchSettingsOperator once that drill is over"
        )
    }


def test_what_is_held_by_a_running_job_is_waited_for():
    facts = Facts([job("j1", tags()), job("j2", {}, status="STARTED", kind="TERMINATE")], [instance("i-1", "j1")])

    assert leftovers(facts, NOW) == SweepDecision(
        waiting={"i-1": "the drill r1 of drs.shop expired at 2026-01-02 11:00 UTC; its server is in the running job j2"}
    )


@pytest.mark.parametrize("terminating", [[], [job("j2", {}, status="STARTED", kind="TERMINATE")]])
def test_what_an_instance_has_waits_for_its_end_also_while_a_job_terminates_it(terminating):
    of_instance = [Resource("eni-1", "network-interface", tags()), Resource("vol-1", "volume", tags())]
    of_other = Resource("eni-2", "network-interface", tags(run_id="r2"))
    facts = Facts([job("j1", tags()), *terminating], [instance("i-1", "j1")], resources=[*of_instance, of_other])

    decision = leftovers(facts, NOW)

    assert {name: why for name, why in decision.waiting.items() if name != "i-1"} == {
        "eni-1": "network-interface of r1 of drs.shop: its instances are terminated first",
        "vol-1": "volume of r1 of drs.shop: its instances are terminated first",
    }
    assert [action.id for action in decision.actions if action.kind == "remove"] == ["eni-2"]
    gone = leftovers(Facts([job("j1", tags())], resources=of_instance), NOW)
    assert [action.id for action in gone.actions] == ["eni-1", "vol-1"]


KEY = tags()["drs-orchestrator:run"]
HELD = server(**{TAG: "version=1/2", RUN: KEY})


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        pytest.param(
            Facts([job("j1", tags())], [instance("i-1", "j1", state="TERMINATED")], [server()]), {}, id="none"
        ),
        pytest.param(
            Facts([job("j1", tags())], [instance("i-1", "j1")]), {"i-1": "an instance that j1 launched"}, id="instance"
        ),
        pytest.param(Facts([job("j1", tags())], [instance("i-1", "j9")]), {}, id="an instance of another run"),
        pytest.param(
            Facts([job("j1", tags())], [instance("i-1", "j1", is_drill=False)]), {}, id="an instance that is no drill's"
        ),
        pytest.param(
            Facts([job("j1", tags(), status="STARTED")]), {"j1": "a LAUNCH job that still runs"}, id="a running job"
        ),
        pytest.param(
            Facts(resources=[Resource("vol-1", "volume", {}), Resource("i-1", "instance", {})]),
            {"vol-1": "a volume with the run's tags", "i-1": "an instance with the run's tags"},
            id="whatever bears the tags",
        ),
        pytest.param(
            Facts(servers=[HELD], versions=[Version("lt-1", 2, "s-1", NOW)]),
            {"s-1": "the launch settings of db1 are still the drill's"},
            id="settings",
        ),
        pytest.param(
            Facts(servers=[server()], versions=[Version("lt-1", 2, "s-1", NOW)]),
            {"lt-1:2": "a drill's version of a launch template"},
            id="a template version",
        ),
        pytest.param(
            Facts(servers=[server(**{TAG: "version=1/2", RUN: "another"})], versions=[Version("lt-1", 2, "s-1", NOW)]),
            {},
            id="settings and a template version of another drill",
        ),
    ],
)
def test_the_last_look_of_a_drill_lists_what_is_its_own(facts, left):
    assert remains(facts, [KEY]) == left


def test_the_last_look_of_a_continued_drill_lists_what_is_either_runs():
    assert remains(Facts(servers=[HELD]), ["another", KEY]) == {
        "s-1": "the launch settings of db1 are still the drill's"
    }
    assert remains(Facts(servers=[HELD]), ["another"]) == {}


DANGLING = DefaultVersion("lt-1", 3, "s-1", ("sg-d", "subnet-d"), NOW)


def test_a_default_version_with_a_place_of_the_drill_is_left_over():
    assert remains(Facts(servers=[server()], defaults=[DANGLING]), [KEY]) == {
        "lt-1:3": "the default version of db1's launch template names sg-d, subnet-d of the drill: somebody has made "
        "it since on top of the drill's; set production's subnet and security groups in it"
    }


DRILLED = {**job("j1", tags()), "creationDateTime": "2026-01-02T11:00:00Z"}
BEFORE = DefaultVersion("lt-1", 3, "s-1", ("subnet-d",), NOW - timedelta(hours=2))
RECOVERED = {**job("j1", tags("recovery"), by="START_RECOVERY"), "creationDateTime": "2026-01-02T11:00:00Z"}


@pytest.mark.parametrize(
    ("facts", "doubtful"),
    [
        pytest.param(Facts([DRILLED], servers=[server()], defaults=[DANGLING]), {"s-1"}, id="made since a drill"),
        pytest.param(Facts([DRILLED], servers=[server()], defaults=[BEFORE]), set(), id="made before"),
        pytest.param(Facts([RECOVERED], servers=[server()], defaults=[DANGLING]), set(), id="only recovered"),
        pytest.param(Facts([], servers=[server()], defaults=[DANGLING]), set(), id="never drilled"),
        pytest.param(
            Facts([DRILLED], servers=[HELD], defaults=[DANGLING], active_runs=frozenset({KEY})),
            set(),
            id="its settings are still to be put back",
        ),
    ],
)
def test_a_template_that_names_a_place_that_is_gone_since_a_drill_is_for_a_person(facts, doubtful):
    assert set(leftovers(facts, NOW).doubtful) == doubtful


def test_it_is_said_which_version_names_what():
    found = leftovers(Facts([DRILLED], servers=[server()], defaults=[DANGLING]), NOW).doubtful

    assert found["s-1"] == (
        "db1: version 3, the default of its launch template lt-1, names sg-d, subnet-d, which no longer exists: it was "
        "made after a drill began, on top of the drill's. Set production's subnet and security groups in the launch "
        "template"
    )
