"""Whatever is edited between any two tasks of a run, nothing live is ended, nothing is started, nothing is praised."""

import copy

import pytest
from drs_provider.dag.finish.group import GOOD
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.dag_runs import SHOP, calls, instances
from kit.edited_runs import Clear, nobody, run_edited

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

WEB = ["s-00000000000000011", "s-00000000000000012"]
APPROVED = SHOP.replace("rpo: 5m\n", "recovery: {approval: {required: 2, approvers: [ann, bob, cyd], timeout: 90s}}\n")
APPROVALS = ("preflight.approval", "preflight.approval_2")
DRILL = {"mode": "drill", "waves": ["database"]}
RECOVERY = {"mode": "recovery", "confirm": "shop", "reason": "because I can", "waves": ["database"]}

LEGS = 24
"""About as many as a run of one wave has that is cleared as a whole: then each place has a value of an earlier try."""

WISHES = {
    "mode": "recovery",
    "passed": True,
    "needs_approval": False,
    "replace_live_instances": True,
    "status": "launched",
    "verdict": "passed",
    "state": "succeeded",
    "chosen": "Approve",
    "by": "ann",
    "reason": None,
    "left": {},
    "selected": True,
}
"""What somebody would like to stand under these names, wherever they are."""

edits = st.lists(
    st.tuples(
        st.integers(0, LEGS),
        st.sampled_from(["drop", "wish", "production", "elsewhere", "stale", "foreign", "unsigned"]),
        st.integers(0, 200),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def world(plans, simulator, tmp_path):
    """Give a fresh simulator with the web servers in production, and a run of a plan in it."""

    def begin():
        simulator.reset()
        drs = simulator.client("drs")
        drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": server} for server in WEB])
        simulator.advance("30m")
        (job,) = drs.describe_jobs(filters={})["items"]
        return job["jobID"], sorted(instances(simulator))

    def run(conf, **more):
        return run_edited(simulator, plans, tmp_path / "reports", APPROVED, conf, **more)

    return begin, run


def wished(value, wishes):
    """Replace what stands under some names, at any depth."""
    if isinstance(value, dict):
        return {key: wishes[key] if key in wishes else wished(inner, wishes) for key, inner in value.items()}
    return [wished(inner, wishes) for inner in value] if isinstance(value, list) else value


class Editor:
    """Makes the edits that were drawn, each before the leg of that number."""

    def __init__(self, drawn, *, foreign, job, production):
        self.drawn, self.foreign, self.legs = drawn, foreign, -1
        self.theirs = {"job_id": job, "instance_id": production[0], "job_ids": [job], "server_id": WEB[0]}
        self.theirs |= {"instances": dict(zip(production, WEB, strict=True)), "servers": WEB}

    def __call__(self, _task, places):
        self.legs += 1
        for leg, action, which, other in self.drawn:
            if leg == self.legs:
                self.act(action, which, other, places)

    def act(self, action, which, other, places):
        known = sorted(places.all() | (self.foreign if action == "foreign" else {}))
        if not known:
            return
        place, source = known[which % len(known)], known[other % len(known)]
        value = places.get(place)
        match action:
            case "drop":
                places.drop(place)
            case "wish":
                places.put(place, wished(value, WISHES))
            case "production":
                places.put(place, wished(value, self.theirs))
            case "elsewhere":
                places.put(place, places.get(source))
            case "stale":
                former = places.former.get(place)
                places.put(place, copy.deepcopy(former[other % len(former)]) if former else value)
            case "foreign":
                places.put(place, copy.deepcopy(self.foreign.get(place, value)))
            case "unsigned":
                body = wished(value, WISHES)
                if isinstance(body, dict):
                    body.pop("signature", None)
                places.put(place, body)


SCENARIOS = {
    "a drill": (DRILL, {}, False),
    "a drill that fails": (DRILL, {}, True),
    "a drill that is over and cleared": (DRILL, {}, False),
    "a recovery that nobody approves": (RECOVERY, {"answers": False, "marked": APPROVALS}, False),
}


def test_no_edit_ends_production_starts_a_recovery_or_makes_a_verdict_better(world, simulator):
    begin, run = world
    begin()
    theirs = run(RECOVERY, edit=nobody, run_id="theirs")
    assert theirs.verdict in GOOD
    foreign = {place: values[-1] for place, values in theirs.places.former.items()}

    @settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sorted(SCENARIOS)), edits)
    def no_edit_does(scenario, drawn):
        conf, more, fails = SCENARIOS[scenario]
        job, production = begin()
        if fails:
            simulator.fault({"service": "drs", "hostname": "db2", "do": "fail_silently"})
        before = len(calls(simulator, "StartRecovery"))

        editor = Editor(drawn, foreign=foreign, job=job, production=production)
        cleared = Clear(edit=editor) if "cleared" in scenario else None
        ended = run(conf, edit=editor, cleared=cleared, **more)

        alive = {name for name, state in instances(simulator).items() if state != "terminated"}
        started = [call["request"]["isDrill"] for call in calls(simulator, "StartRecovery")][before:]
        is_good = ended.states["finish.verdict"] == "success"
        assert set(production) <= alive
        assert False not in started
        if scenario != "a drill":
            assert not is_good
            # The report of what passed before it was cleared stays where none was written since.
            assert (
                cleared or ended.report is None or ended.report.run.run_id != "ours" or ended.report.verdict not in GOOD
            )
        elif is_good:
            assert alive == set(production)
            assert started == [True]

    no_edit_does()
