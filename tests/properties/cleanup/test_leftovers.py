"""Whatever is there: the sweeper never chooses a non-drill, an unexpired or a foreign thing."""

from datetime import UTC, datetime, timedelta

from drs_provider.rules.cleanup.leftovers import Facts, Resource, leftovers
from drs_provider.rules.launch.tags import EXPIRES, MODE, RUN, read_mark, written
from drs_provider.rules.settings.drill_memory import EXPIRES as SETTINGS_EXPIRES
from drs_provider.rules.settings.drill_memory import RUN as SETTINGS_RUN
from drs_provider.rules.settings.drill_memory import TAG
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
RUNS = ("run-a", "run-b")
SERVERS = ("s-1", "s-2", "s-3")
EXPIRIES = st.sampled_from([None, "", "soon", *(written(NOW + timedelta(hours=h)) for h in (-9, -1, 0, 1, 9))])


@st.composite
def marks(draw):
    found = {RUN: draw(st.sampled_from(RUNS)), MODE: draw(st.sampled_from(["drill", "recovery", "Drill", ""]))}
    expires = draw(EXPIRIES)
    found |= {EXPIRES: expires} if expires is not None else {}
    return draw(st.sampled_from([found, {}, {key: found[key] for key in list(found)[1:]}]))


@st.composite
def facts(draw):
    jobs = [
        {
            "jobID": f"j{n}",
            "type": draw(st.sampled_from(["LAUNCH", "TERMINATE"])),
            "status": draw(st.sampled_from(["PENDING", "STARTED", "COMPLETED", "COMPLETED"])),
            "initiatedBy": draw(st.sampled_from(["START_DRILL", "START_RECOVERY"])),
            "tags": draw(marks()),
            "participatingServers": [
                {"sourceServerID": server_id} for server_id in draw(st.sets(st.sampled_from(SERVERS)))
            ],
        }
        for n in range(draw(st.integers(0, 3)))
    ]
    instances = [
        {
            "recoveryInstanceID": f"i-{n}",
            "jobID": draw(st.sampled_from(["j0", "j1", "j2", "j9"])),
            "isDrill": draw(st.sampled_from([True, False, None, "true"])),
            "sourceServerID": draw(st.sampled_from(SERVERS)),
            "ec2InstanceState": draw(st.sampled_from(["RUNNING", "STOPPED", "TERMINATED", "NOT_FOUND"])),
            "tags": draw(marks()),
        }
        for n in range(draw(st.integers(0, 4)))
    ]
    kinds = ("vpc", "volume", "instance", "subnet")
    resources = [
        Resource(f"x-{n}", draw(st.sampled_from(kinds)), draw(marks())) for n in range(draw(st.integers(0, 3)))
    ]
    servers = []
    for name in SERVERS:
        tags = {TAG: "version=1/2"} if draw(st.booleans()) else {}
        expires = draw(EXPIRIES)
        tags |= {SETTINGS_RUN: draw(st.sampled_from(RUNS))} if draw(st.booleans()) else {}
        tags |= {SETTINGS_EXPIRES: expires} if expires is not None else {}
        servers.append({"sourceServerID": name, "tags": tags})
    active = frozenset(draw(st.sets(st.sampled_from(RUNS))))
    return Facts(jobs, instances, servers, resources, active_runs=active)


@settings(max_examples=400, deadline=None)
@given(facts())
def test_nothing_but_an_expired_drills_is_ever_chosen(found):
    jobs = {job["jobID"]: job for job in found.jobs}
    instances = {instance["recoveryInstanceID"]: instance for instance in found.instances}
    resources = {resource.id: resource for resource in found.resources}
    servers = {server["sourceServerID"]: server for server in found.servers}
    everything = [part["tags"] for part in (*found.jobs, *found.instances)] + [
        resource.tags for resource in found.resources
    ]
    for action in leftovers(found, NOW).actions:
        assert action.run not in found.active_runs
        match action.kind:
            case "terminate":
                one = instances[action.id]
                mark = read_mark(jobs[one["jobID"]]["tags"] if one["jobID"] in jobs else one["tags"])
                assert one["isDrill"] is True
                assert one["ec2InstanceState"] in ("RUNNING", "STOPPED")
                assert not any(
                    job["status"] != "COMPLETED"
                    and one["sourceServerID"] in [each["sourceServerID"] for each in job["participatingServers"]]
                    for job in found.jobs
                )
            case "remove":
                mark = read_mark(resources[action.id].tags)
                assert resources[action.id].kind != "instance"
            case _:
                tags = servers[action.id]["tags"]
                assert TAG in tags
                assert tags[SETTINGS_RUN] == action.run
                mark = None
        if mark is not None:
            assert (mark.run, mark.mode) == (action.run, "drill")
        drills = [one for tags in everything if (one := read_mark(tags)) and one.run == action.run and one.is_drill]
        if action.kind == "remove":
            assert all(
                drill.expires is None or drill.expires < NOW for drill in drills if drill in _of_resources(found)
            )


def _of_resources(found):
    return [one for each in found.resources if (one := read_mark(each.tags))]
