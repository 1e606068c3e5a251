"""The control plane, and the clock that it moves."""

import json
import urllib.request

import pytest
from drs_simulator.client import ControlPlaneError
from drs_simulator.clock import Clock
from drs_simulator.durations import iso_duration, seconds_of
from hypothesis import given
from hypothesis import strategies as st
from simulator.small_fleet import DB1, WEB1, job, start


def test_calls_are_listed_in_order_with_what_was_asked(sim, drs):
    start(drs, DB1, tags={"run": "1"})
    sim.client("ec2").describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
    with pytest.raises(drs.exceptions.ConflictException):
        start(drs, DB1)
    calls = sim.calls()

    assert [
        (call["n"], call["service"], call["operation"], call["status"], call["error"], call["committed"])
        for call in calls
    ] == [
        (1, "drs", "StartRecovery", 202, None, True),
        (2, "ec2", "DescribeInstances", 200, None, True),
        (3, "drs", "StartRecovery", 409, "ConflictException", False),
    ]
    assert {(call["account"], call["region"]) for call in calls} == {("111122223333", "us-west-2")}
    assert calls[0]["request"] == {"sourceServers": [{"sourceServerID": DB1}], "tags": {"run": "1"}}
    assert calls[1]["request"] == {"Filters": [{"Name": "instance-state-name", "Values": ["running"]}]}
    assert [call["n"] for call in sim.calls(since=2)] == [3]


def test_reset_goes_back_to_the_fleet_file(sim, drs):
    start(drs, WEB1)
    sim.advance("20m")
    sim.fault({"do": "throttle"})
    assert sim.reset()["ready"]

    assert drs.describe_jobs()["items"] == []
    assert sim.client("ec2").describe_instances()["Reservations"] == []
    assert [call["operation"] for call in sim.calls()] == ["DescribeJobs", "DescribeInstances"]


def test_motos_own_reset_resets_drs_too(sim, drs):
    start(drs, DB1)
    urllib.request.urlopen(urllib.request.Request(f"{sim.url}/moto-api/reset", method="POST")).close()

    assert drs.describe_jobs()["items"] == []


def test_the_state_shows_every_jobs_timeline(sim, drs):
    job_id = start(drs, DB1)
    sim.advance("4m")
    region = sim.state()["accounts"]["111122223333"]["us-west-2"]
    timeline = region["jobs"][job_id]["timeline"][DB1]

    assert timeline["stages"] == [
        "SNAPSHOT_START",
        "SNAPSHOT_END",
        "CONVERSION_START",
        "CONVERSION_END",
        "LAUNCH_START",
    ]
    assert region["servers"][DB1]["busy"] == job_id
    template = region["servers"][DB1]["launchConfiguration"]["ec2LaunchTemplateID"]
    assert region["launch_templates"][template]["default_version"] == 1


def test_the_clock_is_advanced_frozen_and_sped_up_while_a_job_runs(sim, drs):
    job_id = start(drs, DB1)
    sim.advance("4m")
    assert sim.clock(speed=6000)["speed"] == 6000
    sim.advance("4m")
    assert job(drs, job_id)["status"] == "STARTED"
    sim.advance("1m")

    assert job(drs, job_id)["status"] == "COMPLETED"
    assert sim.clock(freeze=False)["frozen"] is False


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "clock", {"advanse": "1m"}, "clock: no such key 'advanse' (did you mean 'advance'?)"),
        ("POST", "clock", {"advance": "soon"}, "'soon' is no length of time: write 90s, 10m, 2h, 1d or 1h30m"),
        ("POST", "clock", {"advance": -5}, "time only goes forward, -5 s is back"),
        ("POST", "clock", {"speed": 0}, "speed must be more than 0, not 0"),
        ("POST", "clock", {"speed": 1e-320}, "speed must be between 0.001 and 1e+06, not 9.99989e-321"),
        ("POST", "clock", {"speed": None}, "speed must be a number, not None"),
        ("POST", "clock", {"freeze": "false"}, "freeze must be true or false, not 'false'"),
        ("POST", "clock", {"advance": None}, 'advance must be a length of time such as "10m", not None'),
        (
            "POST",
            "clock",
            {"speed": 60, "advance": 1e300},
            "1e+300 s is more than ten years of the wall clock at speed 60",
        ),
        ("GET", "calls?since=soon", None, "since must be the number of a call, not 'soon'"),
        (
            "POST",
            "faults",
            {"do": "latency", "seconds": "99999d"},
            'faults: [0].seconds: Input should be less than or equal to 315360000 (it is "99999d")',
        ),
        ("POST", "faults", {"do": "trottle"}, "faults: [0].do: no fault does 'trottle' (did you mean 'throttle'?)"),
        ("DELETE", "faults/nobody", None, "no fault 'nobody' is in force"),
        ("GET", "helth", None, "no GET /_simulator/helth (did you mean 'health'?)"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_why(running, method, path, body, said):
    with pytest.raises(ControlPlaneError) as caught:
        running.control(method, path, body)

    assert str(caught.value) == said


@pytest.mark.parametrize(("body", "said"), [(b"{", "Expecting"), (b"[" * 100_000, "recursion")])
def test_a_body_that_is_no_json_is_told_so(running, body, said):
    request = urllib.request.Request(f"{running.url}/_simulator/clock", body, method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as error:
        assert error.code == 400
        assert said in json.load(error)["error"]


def test_of_a_clock_request_that_is_half_wrong_nothing_is_done(sim):
    with pytest.raises(ControlPlaneError):
        sim.clock(speed=77, advance="soon")

    assert sim.health()["speed"] != 77


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("250ms", 0.25), ("1d", 86400), (5, 5), ("0.5", 0.5)],
)
def test_lengths_of_time_are_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "P0D"), (3, "PT3S"), (90, "PT1M30S"), (86400, "P1D"), (178329.136909, "P2DT1H32M9.136909S")],
)
def test_durations_are_written_as_the_service_does(seconds, text):
    assert iso_duration(seconds) == text


class HandMovedTime:
    def __init__(self):
        self.seconds = 1_800_000_000.0

    def __call__(self):
        return self.seconds


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 1000)),
        st.tuples(st.just("advance"), st.floats(0, 1000)),
        st.tuples(st.just("speed"), st.floats(0.5, 1000)),
        st.tuples(st.just("freeze"), st.just(0.0)),
        st.tuples(st.just("thaw"), st.just(0.0)),
    ),
    max_size=20,
)


@given(MOVES)
def test_time_never_goes_back_and_the_two_clocks_stay_inverse(moves):
    real = HandMovedTime()
    clock = Clock(60, real)
    seen = [(clock.simulated(), clock.now())]
    for what, value in moves:
        match what:
            case "pass":
                real.seconds += value
            case "advance":
                clock.advance(value)
            case "speed":
                clock.set_speed(value)
            case "freeze":
                clock.freeze()
            case "thaw":
                clock.thaw()
        seen.append((clock.simulated(), clock.now()))

    assert seen == sorted(seen)
    for simulated, wall in seen:
        assert abs((clock.wall_at(simulated) - wall).total_seconds()) < 0.01


def test_ids_of_faults_are_never_two_faults(sim):
    assert sim.fault({"id": "fault-2", "do": "latency"}, {"do": "latency"}, {"do": "latency"}) == [
        "fault-2",
        "fault-1",
        "fault-3",
    ]
    with pytest.raises(ControlPlaneError) as caught:
        sim.fault({"do": "latency"}, {"id": "fault-2", "do": "latency"})

    assert str(caught.value) == "faults: the id 'fault-2' is in use: take that fault back first, or choose another"
    assert [fault["id"] for fault in sim.control("GET", "faults")] == ["fault-2", "fault-1", "fault-3"]


def test_every_answer_names_its_request(sim, drs):
    first, second = drs.describe_jobs(), drs.describe_jobs()
    names = [answer["ResponseMetadata"]["RequestId"] for answer in (first, second)]

    assert len(set(names)) == 2
    assert all(len(name) == 36 for name in names)
